"""One pair, explained: what was asked, what both sides said, how it was judged and by what.

The ledger's row says how it was judged and where the three records lie; the broker holds the words, for as long as it
keeps them. What it has forgotten is named, and the rest is shown all the same.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any, Final, TypeVar

from shadow.broker import BrokerError, read
from shadow.comparator.evaluator import Evaluator
from shadow.config import Config
from shadow.events import (
    ArmFacts,
    BrokenRecordError,
    Comparison,
    Event,
    Message,
    RecordRef,
    Reply,
    Turn,
    decode,
)
from shadow.ledger import Reading
from shadow.topology import ARM_REPLIES, REPLIES, TURNS

MAX_CHARACTERS: Final = 20_000
"""What is kept of one text; the reader is told what was cut."""

MAX_CALLS: Final = 32
NAMED: Final = 5

FORGOTTEN: Final = "the broker holds it no more: it has expired, or the broker was replaced by an empty one"
NO_PLACE: Final = "the ledger does not say where it lies: it was compared by an earlier version of Shadow"
NEVER: Final = "none came"

E = TypeVar("E", bound=Event)


class UnknownPairError(LookupError):
    """A turn or an arm that the ledger has no comparison of; the message names what there is."""


class Records:
    """Single records of the data path, each with the reason if it is not there. A broker that is away is asked once."""

    def __init__(self, bootstrap: Sequence[str]) -> None:
        self._bootstrap = bootstrap
        self.away: str | None = None
        """Why the broker could not be asked."""

    def one(
        self, topic: str, ref: RecordRef | None, event: type[E], mine: Callable[[E], bool]
    ) -> tuple[E | None, str | None]:
        """The record at ``ref`` if it is ``mine``, or None and why."""
        if ref is None or self.away:
            return None, self.away or NO_PLACE
        try:
            found = read(self._bootstrap, topic, start={ref.partition: ref.offset}, end={ref.partition: ref.offset + 1})
            for record in found:
                made = decode(event, record.value, record.key)
                if record.offset == ref.offset and mine(made):
                    return made, None
        except BrokerError as error:
            self.away = str(error)
            return None, self.away
        except BrokenRecordError:  # a replaced broker has any record in its place
            return None, FORGOTTEN
        return None, FORGOTTEN


def explain(
    config: Config,
    ledger: Reading,
    turn_id: str,
    arm: str,
    *,
    revision: str | None = None,
    evaluator: tuple[Evaluator, str],
) -> dict[str, Any]:
    """All that is known of one comparison, as plain data; of several revisions the last recorded.

    Raises :class:`UnknownPairError`, :class:`~shadow.ledger.LedgerError`.
    """
    rows = [Comparison.model_validate_json(row["payload"]) for row in ledger.of_turn(turn_id)]
    row, others = _chosen(ledger, rows, turn_id, arm, revision)
    records = Records(config.broker.bootstrap)
    turn, no_turn = records.one(TURNS, row.turn_ref, Turn, lambda one: one.turn_id == turn_id)
    production, no_production = _reply(records, REPLIES, row, row.production_ref, lambda one: one.turn_id == turn_id)
    answer, no_answer = _reply(
        records, ARM_REPLIES, row, row.candidate_ref, lambda one: (one.turn_id, one.arm) == (turn_id, arm)
    )
    slicers, now_judged_by = evaluator
    return {
        "turn_id": turn_id,
        "conversation_id": row.conversation_id,
        "depth": row.turn_index + 1,
        "arm": arm,
        "arm_revision": row.arm_revision,
        "other_revisions": others,
        "outcome": row.outcome,
        "reason": row.reason,
        "agreed": row.agreed,
        "evaluator_revision": row.evaluator_revision,
        "evaluator_is_todays": row.evaluator_revision == now_judged_by,
        "compared_at": row.compared_at,
        "broker_away": records.away,
        "customer": _asked(turn, no_turn),
        "production": {"said": _said(production, no_production), **_facts(row.production)},
        "candidate": {"said": _said(answer, no_answer), **_facts(row.candidate)},
        "measures": {name: score.model_dump(exclude_none=True) for name, score in sorted(row.measures.items())},
        "slices": _slices(row.slices, turn, slicers),
        "outcomes": [
            {"arm": one["arm"], "name": one["name"], "value": _value(one), "detail": _detail(one)}
            for one in ledger.outcomes_of(turn_id)
            if one["arm"] in (arm, "production")
        ],
    }


def figures(found: Mapping[str, Any]) -> dict[str, list[str]]:
    """What :func:`explain` gives, in figures for people: by name, production's and the candidate's."""
    sides = [_figures(found[side]) for side in ("production", "candidate")]
    return {name: [side[name] for side in sides] for name in sides[0]}


def _figures(side: Mapping[str, Any]) -> dict[str, str]:
    return {
        "latency": number(side["latency_s"], " s"),
        "first token": number(side["time_to_first_token_s"], " s"),
        "cost": number(side["cost_usd"], " USD"),
        "tokens": f"{number(side['input_tokens'])} in, {number(side['output_tokens'])} out",
        "attempts": number(side["attempts"]),
    }


def number(value: float | None, unit: str = "") -> str:
    """A number for people; no data is not 0."""
    return "no data" if value is None else f"{value:.4g}{unit}"


def _chosen(
    ledger: Reading, rows: list[Comparison], turn_id: str, arm: str, revision: str | None
) -> tuple[Comparison, list[str]]:
    """The comparison that is asked for, and the arm's other revisions."""
    if not rows:
        newest = ", ".join(ledger.latest_turns(3 * NAMED)[:NAMED])
        there = f"the newest there: {newest}" if newest else "it holds none at all"
        raise UnknownPairError(f"no comparison of turn {turn_id!r:.240} is in the ledger; {there}")
    of_arm = [row for row in rows if row.arm == arm]
    if not of_arm:
        arms = ", ".join(sorted({row.arm for row in rows}))
        raise UnknownPairError(f"turn {turn_id!r:.240} was not compared for {arm!r:.60}; it was for: {arms}")
    revisions = [row.arm_revision for row in of_arm]
    if revision is not None and revision not in revisions:
        raise UnknownPairError(
            f"{arm} has no revision {revision!r:.60} of that turn; there are: {', '.join(revisions)}"
        )
    row = of_arm[0] if revision is None else of_arm[revisions.index(revision)]
    return row, [other for other in revisions if other != row.arm_revision]


def _reply(
    records: Records, topic: str, row: Comparison, ref: RecordRef | None, mine: Callable[[Reply], bool]
) -> tuple[Reply | None, str | None]:
    side = row.production if topic == REPLIES else row.candidate
    if ref is None and (side is None or row.outcome == "shed"):
        return None, NEVER
    return records.one(topic, ref, Reply, mine)


def _asked(turn: Turn | None, why: str | None) -> dict[str, Any]:
    if turn is None:
        return {"absent": why}
    said = next((message for message in reversed(turn.messages) if message.role == "user"), None)
    return _text(said) if said is not None else {"absent": "no message of the turn is the customer's"}


def _said(reply: Reply | None, why: str | None) -> dict[str, Any]:
    if reply is None:
        return {"absent": why}
    if reply.message is None:
        what = f"shed: {reply.shed}" if reply.shed else reply.failure.kind if reply.failure else NEVER
        return {"absent": f"no reply: {what}"}
    calls = [(call.function.name, call.function.arguments) for call in (reply.message.tool_calls or [])[:MAX_CALLS]]
    found = _text(reply.message)
    if calls:
        found["tool_calls"] = [{"name": name[:200], "arguments": text[:MAX_CHARACTERS]} for name, text in calls]
    return found


def _text(message: Message) -> dict[str, Any]:
    text = message.text
    return {"text": text[:MAX_CHARACTERS], "cut_characters": max(0, len(text) - MAX_CHARACTERS)}


def _facts(facts: ArmFacts | None) -> dict[str, Any]:
    facts = facts or ArmFacts()
    return {
        "failures": [{"kind": kind, "cause": facts.causes.get(kind, "")} for kind in facts.failures],
        "detectors_broken": facts.abstained,
        "latency_s": facts.latency_s,
        "time_to_first_token_s": facts.time_to_first_token_s,
        "cost_usd": facts.cost_usd,
        "attempts": facts.attempts,
        "input_tokens": facts.gen_ai.input_tokens if facts.gen_ai else None,
        "output_tokens": facts.gen_ai.output_tokens if facts.gen_ai else None,
    }


def _slices(recorded: list[str], turn: Turn | None, evaluator: Evaluator) -> list[dict[str, Any]]:
    """The row's slices, each with its reason by today's slicers; and those that only today's slicers see."""
    reasons: dict[str, str] = {}
    if turn is not None:
        for slicer in evaluator.slicers.values():
            with suppress(Exception):  # an outsider's code: its reason is missing, and that is shown
                reasons.update(slicer.slices(turn))
    names = [*recorded, *sorted(set(reasons) - set(recorded))]
    return [{"name": name, "why": reasons.get(name), "recorded": name in recorded} for name in names]


def _value(row: dict[str, Any]) -> float | str:
    value: float | str = row["value_text"] if row["value_number"] is None else row["value_number"]
    return value


def _detail(row: dict[str, Any]) -> str | None:
    detail = json.loads(row["payload"]).get("detail")
    return detail[:MAX_CHARACTERS] if isinstance(detail, str) else None
