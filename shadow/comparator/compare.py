"""From resolved pairs to comparisons: outcome, failures of both sides, scores. Pure, and in batches."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from shadow.comparator import outcomes, prefix
from shadow.comparator.evaluator import Evaluator
from shadow.comparator.join import Held, Resolved
from shadow.events import (
    SCHEMA_VERSION,
    ArmFacts,
    Comparison,
    FailureKind,
    RecordRef,
    Reply,
    Score,
    Turn,
)
from shadow.failures import NOTHING
from shadow.measures import Measure, Pair

BROKEN: Final = Score(abstained="plugin_error")
MAX_CAUSE: Final = 200
"""Characters kept of a failure's cause: it may quote what a model wrote."""


@dataclass(slots=True)
class Compared:
    """A batch's comparisons, in the order of the resolved pairs, and what went wrong inside plug-ins."""

    comparisons: list[Comparison] = field(default_factory=list)
    plugin_errors: list[str] = field(default_factory=list)


@dataclass(slots=True)
class _Side:
    """A reply, decoded, with its failures; shared by all arms of a turn if it is production's."""

    reply: Reply | None
    failures: list[FailureKind]
    facts: ArmFacts | None


@dataclass(slots=True)
class _Asked:
    """What all arms of a turn share."""

    turn: Turn
    turn_ref: RecordRef
    slices: list[str]
    production: _Side
    production_ref: RecordRef | None


@dataclass(slots=True)
class _Draft:
    resolved: Resolved
    asked: _Asked
    arm: _Side
    ending: outcomes.Ending
    scores: dict[str, Score] = field(default_factory=dict)

    def pair(self) -> Pair | None:
        """What the measures look at; None unless both sides said something."""
        production, arm = self.asked.production.reply, self.arm.reply
        if self.ending[0] != "compared" or production is None or arm is None:
            return None
        if production.message is None or arm.message is None:
            return None
        return Pair(self.asked.turn, production.message, arm.message)


def compare(
    resolved: Sequence[Resolved],
    *,
    evaluator: Evaluator,
    evaluator_revision: str,
    now_s: float,
) -> Compared:
    """One comparison for each resolved pair, in their order.

    A plug-in that raises costs its own score (``abstained: plugin_error``), its own kinds (it is then among that side's
    ``abstained``) or its own slices, and is named in ``plugin_errors``; it never costs a comparison.
    """
    done = Compared()
    drafts = _drafts(resolved, evaluator, done.plugin_errors)
    measured = [(draft, pair) for draft in drafts if (pair := draft.pair()) is not None]
    if measured:
        pairs = [pair for _, pair in measured]
        for name, measure in evaluator.measures.items():
            for (draft, _), score in zip(measured, _scores(name, measure, pairs, done.plugin_errors), strict=True):
                draft.scores[name] = score
    done.comparisons = [_comparison(draft, evaluator.limits, evaluator_revision, now_s) for draft in drafts]
    return done


def _drafts(resolved: Sequence[Resolved], evaluator: Evaluator, errors: list[str]) -> list[_Draft]:
    """The outcome of each pair. A turn and its production reply, shared by several arms, are decoded once."""
    drafts: list[_Draft] = []
    shared: dict[tuple[int, int], _Asked] = {}  # an arm that shed the turn may have ended before production replied
    for item in resolved:
        key = (id(item.turn), id(item.production))
        asked = shared.get(key)
        if asked is None:
            asked = shared[key] = _asked(item, evaluator, errors)
        arm = _side(asked.turn, item.reply, evaluator, errors)
        ending = outcomes.expired(asked.production.reply, arm.reply) if item.expired else None
        if ending is None and arm.reply is not None:
            ending = outcomes.answered(arm.reply, asked.production.failures, arm.failures)
        if ending is None:
            raise ValueError(f"turn {asked.turn.turn_id!r} was resolved for {item.arm!r} without a reply or expiry")
        drafts.append(_Draft(item, asked, arm, ending))
    return drafts


def _asked(item: Resolved, evaluator: Evaluator, errors: list[str]) -> _Asked:
    turn = item.turn.turn()
    ref = RecordRef.trusted(partition=item.partition, offset=item.turn.at[1])
    production = _side(turn, item.production, evaluator, errors)
    return _Asked(turn, ref, _slices(turn, evaluator, errors), production, _ref(item.partition, item.production))


def _slices(turn: Turn, evaluator: Evaluator, errors: list[str]) -> list[str]:
    found: set[str] = set()
    for name, slicer in evaluator.slicers.items():
        try:
            said = set(slicer.slices(turn))
            found |= said.intersection(slicer.names)
        except Exception as error:  # noqa: BLE001 (an outsider's code: whatever it raises is its failure)
            errors.append(f"slicer {name}: {error!r:.200}")
            continue
        if unknown := said.difference(slicer.names):
            errors.append(f"slicer {name}: {min(unknown)!r:.60} is not among its names")
    return sorted(found)


def _side(turn: Turn, held: Held | None, evaluator: Evaluator, errors: list[str]) -> _Side:
    if held is None:
        return _Side(None, [], None)
    reply = held.reply()
    if reply.shed is not None:
        return _Side(reply, [], None)
    causes: dict[FailureKind, str] = {}
    abstained: list[str] = []
    for name, detector in evaluator.detectors.items():
        try:
            found = detector.detect(turn, reply)
            if found is not NOTHING:
                causes.update(found)
        except Exception as error:  # noqa: BLE001 (an outsider's code: whatever it raises is its failure)
            errors.append(f"detector {name}: {error!r:.200}")
            abstained.append(name)
    facts = ArmFacts.trusted(
        failures=list(causes),
        causes={kind: cause[:MAX_CAUSE] for kind, cause in causes.items()},
        abstained=abstained,
        latency_s=reply.latency_s,
        time_to_first_token_s=reply.time_to_first_token_s,
        cost_usd=reply.cost_usd,
        attempts=reply.attempts,
        gen_ai=reply.gen_ai,
    )
    return _Side(reply, facts.failures, facts)


def _scores(name: str, measure: Measure, pairs: list[Pair], errors: list[str]) -> list[Score]:
    """The measure's scores; if the batch fails, pair by pair, so that one bad pair costs only itself."""
    try:
        scores = measure.score(pairs)
        if len(scores) == len(pairs):
            return scores
        errors.append(f"measure {name}: {len(scores)} scores for {len(pairs)} pairs")
        return [BROKEN] * len(pairs)
    except Exception as error:  # noqa: BLE001 (an outsider's code: whatever it raises is its failure)
        if len(pairs) > 1:
            return [_scores(name, measure, [pair], errors)[0] for pair in pairs]
        errors.append(f"measure {name}: {error!r:.200}")
        return [BROKEN]


def _comparison(draft: _Draft, limits: Mapping[str, float], evaluator_revision: str, now_s: float) -> Comparison:
    """The record, built without validation: every part of it has been validated or computed here."""
    item, asked, turn, arm = draft.resolved, draft.asked, draft.asked.turn, draft.arm.reply
    outcome, reason = draft.ending
    return Comparison.trusted(
        schema_version=SCHEMA_VERSION,
        type="comparison",
        turn_id=turn.turn_id,
        conversation_id=turn.conversation_id,
        arm=item.arm,
        arm_revision=(arm and arm.arm_revision) or item.revision,
        turn_index=turn.turn_index,
        outcome=outcome,
        reason=reason,
        measures=draft.scores,
        agreed=prefix.agreed(outcome, draft.scores, limits),
        slices=asked.slices,
        production=asked.production.facts,
        candidate=draft.arm.facts,
        metadata=turn.metadata,
        turn_ref=asked.turn_ref,
        production_ref=asked.production_ref,
        candidate_ref=_ref(item.partition, item.reply),
        turn_arrived_at=item.turn.arrived_s,
        production_replied_at=item.production.arrived_s if item.production else None,
        compared_at=now_s,
        evaluator_revision=evaluator_revision,
    )


def _ref(partition: int, held: Held | None) -> RecordRef | None:
    return None if held is None else RecordRef.trusted(partition=partition, offset=held.at[1])
