"""What a turn says of each guardrail, read from the ledger's columns.

A side that gave no reply fails every ``failure`` and ``slow`` guardrail. A turn is left out (None) where the shadow
itself did not ask (shed), where production's reply never reached it, and where a value that production or control has
to give is missing; the first two are missing pairs, which completeness counts.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

from shadow.events import CONTROL, PRODUCTION
from shadow.gate.assemble import TurnRows
from shadow.gate.guardrails import WORST, excess_divergence, log_ratio_harm, score_harm
from shadow.gate.noise_floor import ALIKE_WHEN_SILENT
from shadow.gate.rows import LedgerRow
from shadow.gate.settings import (
    JUDGE_SAME,
    JUDGE_WORSE,
    JUDGED,
    ExcessGuardrail,
    FailureGuardrail,
    RatioGuardrail,
    ScoreGuardrail,
    SlowGuardrail,
    ZeroTolerance,
)

ARM_GAVE_NONE: Final = frozenset({"candidate_failed", "both_failed"})
PRODUCTION_GAVE_NONE: Final = frozenset({"production_failed", "both_failed"})

Count = Callable[[TurnRows], int | None]
"""-1, 0 or 1: the arm failed less the production failed; None: left out."""
Value = Callable[[TurnRows], float | None]
Event = Callable[[TurnRows], bool | None]


def complete(row: LedgerRow) -> bool:
    """Whether the pair is there: both replies, or a known failure."""
    return row.outcome not in ("shed", "expired")


def left_out(row: LedgerRow) -> bool:
    """Whether the turn says nothing of the arm: it was not asked, or there is no reply of production's."""
    return row.outcome == "shed" or (row.outcome == "expired" and row.reason == "production_reply")


def calm(turns: Iterable[TurnRows]) -> bool:
    """Whether all were answered, by both sides and without a failure: most conversations are."""
    for turn in turns:
        row = turn.row
        if (
            row.failures is not None
            or row.production_failures is not None
            or row.outcome != "compared"
            or row.unexamined is not None
        ):
            return False
    return True


def names(text: str | None) -> tuple[str, ...]:
    """A JSON list of names; the few different ones are parsed once."""
    if text is None:
        return ()
    found = _KNOWN.get(text)
    if found is None:
        found = tuple(json.loads(text))
        if len(_KNOWN) < REMEMBERED:
            _KNOWN[text] = found
    return found


REMEMBERED: Final = 20_000
_KNOWN: Final[dict[str, tuple[str, ...]]] = {}


def counter(settings: FailureGuardrail | SlowGuardrail) -> Count:
    """Reads a count's pair variable of a turn."""
    if isinstance(settings, SlowGuardrail):
        limit_s = settings.limit_s
        return lambda turn: _slow(turn.row, limit_s)
    kinds = None if settings.failures == "any" else frozenset(settings.failures)
    known: dict[tuple[Any, ...], int | None] = {}

    def failed(turn: TurnRows) -> int | None:
        row = turn.row
        key = (row.outcome, row.reason, row.failures, row.production_failures, row.unexamined)
        if key not in known:
            if len(known) >= REMEMBERED:
                known.clear()
            known[key] = _failed(row, kinds)
        return known[key]

    return failed


def event(settings: ZeroTolerance) -> Event:
    """Reads whether the arm did it. A reply that a detector broke on counts as the event."""
    kinds = frozenset(settings.failures)

    def happened(turn: TurnRows) -> bool | None:
        row = turn.row
        if not complete(row):
            return None
        return row.unexamined is not None or (row.failures is not None and not kinds.isdisjoint(names(row.failures)))

    return happened


def value(settings: ScoreGuardrail | ExcessGuardrail | RatioGuardrail, arm: str) -> Value:
    """Reads a pair value in -1..1 of a turn."""
    if isinstance(settings, ScoreGuardrail):
        name = settings.outcome
        return lambda turn: (
            None
            if left_out(turn.row)
            else score_harm(turn.outcomes.get((PRODUCTION, name)), turn.outcomes.get((arm, name)))
        )
    if isinstance(settings, ExcessGuardrail):
        measure = settings.measure
        if measure == JUDGED:
            return lambda turn: _excess_judged(turn, arm)
        return lambda turn: _excess(turn, measure)
    return _latency_ratio if settings.of == "latency" else _cost_ratio


def score_of(row: LedgerRow, measure: str) -> float | None:
    """The measure's score; None: it abstained, or there was nothing to compare."""
    listed = names(row.measures)
    if measure not in listed:
        return None
    scores: Sequence[float] = json.loads(row.scores or "[]")
    return float(scores[listed.index(measure)])


def _failed(row: LedgerRow, kinds: frozenset[str] | None) -> int | None:
    if left_out(row):
        return None
    arm = (
        row.outcome in ARM_GAVE_NONE
        or row.outcome == "expired"
        or row.unexamined is not None
        or _any(row.failures, kinds)
    )
    return arm - (row.outcome in PRODUCTION_GAVE_NONE or _any(row.production_failures, kinds))


def _any(failures: str | None, kinds: frozenset[str] | None) -> bool:
    return failures is not None and (kinds is None or not kinds.isdisjoint(names(failures)))


def _slow(row: LedgerRow, limit_s: float) -> int | None:
    if left_out(row):
        return None
    if row.outcome in PRODUCTION_GAVE_NONE:
        production = True
    elif row.production_latency_s is None:  # it replied, and nobody timed it
        return None
    else:
        production = row.production_latency_s > limit_s
    gave_none = row.outcome in ARM_GAVE_NONE or row.outcome == "expired" or row.candidate_latency_s is None
    return (gave_none or (row.candidate_latency_s or 0.0) > limit_s) - production


def _latency_ratio(turn: TurnRows) -> float | None:
    return _ratio(turn.row, turn.row.production_latency_s, turn.row.candidate_latency_s)


def _cost_ratio(turn: TurnRows) -> float | None:
    return _ratio(turn.row, turn.row.production_cost_usd, turn.row.candidate_cost_usd)


def _ratio(row: LedgerRow, production: float | None, candidate: float | None) -> float | None:
    if left_out(row) or row.outcome in PRODUCTION_GAVE_NONE:
        return None
    return log_ratio_harm(production, None if row.outcome in ARM_GAVE_NONE else candidate)


def _excess(turn: TurnRows, measure: str) -> float | None:
    """As :mod:`shadow.gate.noise_floor` has it: who failed to answer is as far off as can be."""
    row, control = turn.row, turn.control
    if control is None or left_out(row) or left_out(control):
        return None
    mine, floor = _divergence(row, measure), _divergence(control, measure)
    if measure in ALIKE_WHEN_SILENT and (mine is None) != (floor is None):
        mine, floor = mine or 0.0, floor or 0.0
    return None if mine is None else excess_divergence(floor, mine)


def _excess_judged(turn: TurnRows, arm: str) -> float | None:
    """Left out is a turn of which control's reply was not judged: that has nothing to do with the candidate.

    Where it was, a candidate's reply without a verdict counts as worse: one that makes the judge say what is no verdict
    would else go unseen. A judge that fails by chance thus charges the candidate, and never spares it.
    """
    row, control = turn.row, turn.control
    if control is None or left_out(row) or left_out(control):
        return None
    mine, floor = _judged(turn, arm), _judged(turn, CONTROL)
    if floor is None:
        return None
    return excess_divergence(floor, WORST if mine is None else mine)


def _judged(turn: TurnRows, arm: str) -> float | None:
    """None: the judge has not said anything of that arm's reply."""
    worse = turn.outcomes.get((arm, JUDGE_WORSE))
    return turn.outcomes.get((arm, JUDGE_SAME)) if worse is None else worse


def _divergence(row: LedgerRow, measure: str) -> float | None:
    """None: there was nothing to compare, or the measure abstained."""
    if row.outcome == "compared":
        return score_of(row, measure)
    return WORST if row.outcome in {"candidate_failed", "expired"} else None
