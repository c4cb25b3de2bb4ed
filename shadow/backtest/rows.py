"""From a conversation and what the arms answered to the ledger's rows: by the comparator's own code. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from shadow.backtest.cases import Case
from shadow.backtest.clock import Clock
from shadow.comparator.compare import compare
from shadow.comparator.evaluator import Evaluator
from shadow.comparator.join import Held, Resolved
from shadow.config import Arm
from shadow.events import PRODUCTION, Comparison, Outcome, Reply, Turn

FROM = "backtest"
"""Stands for a topic: the records of a backtest lie in none."""


@dataclass(frozen=True, slots=True)
class Judging:
    """How replies are judged: the plug-ins, their revision, the arms, and the clock."""

    evaluator: Evaluator
    revision: str
    arms: tuple[Arm, ...]
    clock: Clock


@dataclass(slots=True)
class Judged:
    """A conversation's comparisons and outcomes, and when they are recorded."""

    recorded_at: float
    comparisons: list[Comparison]
    outcomes: list[Outcome]
    plugin_errors: list[str] = field(default_factory=list)


def judged(number: int, case: Case, replies: Mapping[tuple[str, str], Reply | None], judging: Judging) -> Judged:
    """Conversation ``number``; ``replies`` by turn and arm, None where none was recorded: that pair has expired."""
    at = judging.clock.recorded_at(number)
    arrived = judging.clock.arrived_at(number, [each.turn.occurred_at for each in case.asked])
    resolved: list[Resolved] = []
    for (index, asked), arrived_s in zip(enumerate(case.asked), arrived, strict=True):
        turn, production = _held(asked.turn, index, arrived_s), _held(asked.production, index, at)
        for arm in judging.arms:
            reply = replies[asked.turn.turn_id, arm.name]
            held = None if reply is None else _held(reply, index, at)
            resolved.append(Resolved(0, turn, arm.name, arm.revision, production, held, expired=reply is None))
    done = compare(resolved, evaluator=judging.evaluator, evaluator_revision=judging.revision, now_s=at)
    return Judged(at, done.comparisons, _of(case.outcomes, judging.arms), done.plugin_errors)


def _held(event: Turn | Reply, offset: int, arrived_s: float) -> Held:
    shed = isinstance(event, Reply) and event.shed is not None
    return Held(b"", (FROM, offset), arrived_s, event, shed=shed)


def _of(outcomes: Sequence[Outcome], arms: Sequence[Arm]) -> list[Outcome]:
    """Those of production and of the arms that are asked."""
    names = {PRODUCTION, *(arm.name for arm in arms)}
    return [outcome for outcome in outcomes if outcome.arm in names]
