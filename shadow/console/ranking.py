"""Which pairs are worst, as the guardrail counts a turn: by :mod:`shadow.gate.turn_values`. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from shadow.events import CONTROL, PRODUCTION
from shadow.gate.assemble import TurnRows
from shadow.gate.rows import LedgerRow
from shadow.gate.settings import (
    JUDGED,
    ExcessGuardrail,
    FailureGuardrail,
    GuardrailSettings,
    RatioGuardrail,
    ScoreGuardrail,
    SlowGuardrail,
    ZeroTolerance,
)
from shadow.gate.turn_values import ARM_GAVE_NONE, counter, event, score_of, value
from shadow.promotion.worst import described, failures_first

NEVER: Final = float("inf")
"""The latency of a reply that did not come."""

Outcomes = Mapping[str, Mapping[tuple[str, str], float]]
"""By turn: (arm, outcome name) to value."""


@dataclass(frozen=True, slots=True)
class Window:
    """The arm's rows that were read, control's of the same turns, and what became of them."""

    rows: Sequence[LedgerRow]
    control: Mapping[str, LedgerRow] = field(default_factory=dict)
    outcomes: Outcomes = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Ranked:
    """A row with what is said of it: ``counts``, whether the guardrail holds it against the arm; ``why``, the figure.

    ``shown``: the row as :func:`shadow.promotion.worst.described` has it.
    """

    row: LedgerRow
    shown: dict[str, Any]
    counts: bool
    why: str = ""


Key = tuple[Any, ...]
Judged = tuple[Key, bool, str]
"""The place in the order, whether it counts, why."""

Judge = Callable[[TurnRows, dict[str, Any]], Judged | None]
"""Of a turn and its row as it is shown; None: the guardrail says nothing of it."""


def ranked(settings: GuardrailSettings | None, arm: str, window: Window) -> list[Ranked]:
    """The rows that the guardrail says something of, worst first; without one, those that differ from production.

    Most failures first, or the largest figure, then the mean divergence, then the turn's id.
    """
    judge = _judge(settings, arm)
    found = []
    for row in window.rows:
        turn = TurnRows(row, "valid", window.control.get(row.turn_id), "valid", window.outcomes.get(row.turn_id, {}))
        shown = described(row)
        judged = judge(turn, shown)
        if judged is not None:
            key, counts, why = judged
            found.append(((*key, *failures_first(shown)), Ranked(row, shown, counts, why)))
    found.sort(key=lambda each: each[0])
    return [each for _, each in found]


def _judge(settings: GuardrailSettings | None, arm: str) -> Judge:
    match settings:
        case None:
            judge: Judge = _differing
        case FailureGuardrail():
            judge = _failing(settings)
        case ZeroTolerance():
            judge = _forbidden(settings)
        case SlowGuardrail():
            judge = _slow(settings)
        case RatioGuardrail():
            judge = _dearer(settings, arm)
        case ScoreGuardrail():
            judge = _scored(settings, arm)
        case ExcessGuardrail():
            judge = _apart(settings, arm)
    return judge


def _differing(_: TurnRows, shown: dict[str, Any]) -> Judged | None:
    differs = bool(shown["failures"]) or shown["divergence"] is not None
    return ((), bool(shown["failures"]), "") if differs else None


def _failing(settings: FailureGuardrail) -> Judge:
    """What the gate counts first, then kinds that production had none of beside others that it had."""
    count = counter(settings)

    def judge(turn: TurnRows, shown: dict[str, Any]) -> Judged | None:
        own = [kind for kind in shown["failures"] if settings.failures == "any" or kind in settings.failures]
        counts = count(turn) == 1
        return ((not counts, -len(own)), counts, "") if own or counts else None

    return judge


def _forbidden(settings: ZeroTolerance) -> Judge:
    happened = event(settings)
    return lambda turn, _: ((), True, "") if happened(turn) else None


def _slow(settings: SlowGuardrail) -> Judge:
    count = counter(settings)

    def judge(turn: TurnRows, _: dict[str, Any]) -> Judged | None:
        counted = count(turn)
        if counted is None:
            return None
        row = turn.row
        mine = NEVER if row.outcome in ARM_GAVE_NONE else row.candidate_latency_s
        longer = (NEVER if mine is None else mine) - (row.production_latency_s or 0.0)
        return (-counted, -longer), counted == 1, _signed(longer, " s")

    return judge


def _dearer(settings: RatioGuardrail, arm: str) -> Judge:
    harm = value(settings, arm)
    what = "candidate_latency_s" if settings.of == "latency" else "candidate_cost_usd"

    def judge(turn: TurnRows, _: dict[str, Any]) -> Judged | None:
        found = harm(turn)
        if found is None:
            return None
        mine, other = getattr(turn.row, what), getattr(turn.row, what.replace("candidate", "production"))
        times = mine / other if mine is not None and other else None
        return (-found, -(NEVER if times is None else times)), found > 0, _times(times, settings.of)

    return judge


def _scored(settings: ScoreGuardrail, arm: str) -> Judge:
    harm, name = value(settings, arm), settings.outcome

    def judge(turn: TurnRows, _: dict[str, Any]) -> Judged | None:
        found = harm(turn)
        if found is None:
            return None
        mine, other = turn.outcomes.get((arm, name)), turn.outcomes.get((PRODUCTION, name))
        return (-found,), found > 0, f"{name} {_number(mine)}, production {_number(other)}"

    return judge


def _apart(settings: ExcessGuardrail, arm: str) -> Judge:
    """By how much more than production asked again; of control itself by how much."""
    harm, measure = value(settings, arm), settings.measure

    def judge(turn: TurnRows, _: dict[str, Any]) -> Judged | None:
        own = score_of(turn.row, measure)
        if arm == CONTROL:
            return None if own is None else ((-own,), False, f"{measure} {own:.3f}")
        found = harm(turn)
        if found is None:
            return None
        floor = score_of(turn.control, measure) if turn.control else None
        said = "" if measure == JUDGED else f" ({_number(own)}, control {_number(floor)})"
        return (-found,), found > 0, f"{_signed(found)}{said}"

    return judge


def _signed(amount: float, unit: str = "") -> str:
    return "no reply" if amount == NEVER else f"{amount:+.3g}{unit}"


def _times(times: float | None, of: str) -> str:
    return f"no {of} known" if times is None else f"{times:.3g} times production's"


def _number(amount: float | None) -> str:
    return "no data" if amount is None else f"{amount:.3g}"
