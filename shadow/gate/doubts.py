"""Why the evidence cannot be trusted at a look: each cause in words that stay the same while it lasts. Fail closed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from shadow.gate.experiment import Experiment
from shadow.gate.settings import JUDGE_SAME, JUDGE_WORSE, JUDGED, ExcessGuardrail, ScoreGuardrail
from shadow.gate.watch import Alarmed

SKEW_S: Final = 60.0
"""Two clocks may differ by this much."""

NEVER: Final = float("-inf")


@dataclass(slots=True)
class Seen:
    """When each thing was last recorded (Unix seconds), up to a look."""

    candidate: float = NEVER
    first: float | None = None
    """When the experiment's first comparison was recorded."""
    other_revision: float = NEVER
    other_evaluator: float = NEVER
    control: float = NEVER
    other_control: float = NEVER
    skewed: float = NEVER
    measures: dict[str, float] = field(default_factory=dict)
    outcomes: dict[str, float] = field(default_factory=dict)


def causes(
    experiment: Experiment, seen: Seen, at: float, *, coverage: float | None, alarm: Alarmed | None = None
) -> tuple[str, ...]:
    """The causes at the look ``at``; none of them is reason enough to reject, and each holds a promotion back.

    ``alarm``: the sentinel's.
    """
    found = tuple(_causes(experiment, seen, at, coverage))
    return found if alarm is None else (alarm.cause, *found)


def _causes(experiment: Experiment, seen: Seen, at: float, coverage: float | None) -> Iterator[str]:
    age_s = experiment.gate.max_age_s
    old = at - age_s
    if seen.candidate < old:
        yield f"stale: no comparison of this candidate has been recorded for {age_s:g} s"
    if seen.other_revision >= old and seen.other_revision > (seen.first or NEVER):
        yield f"candidate changed: another revision than {experiment.revision} answers as {experiment.candidate!r}"
    if seen.other_evaluator >= old and seen.other_evaluator > (seen.first or NEVER):
        yield f"evaluator changed: comparisons are made by another one than {experiment.evaluator_revision}"
    if experiment.control and seen.control < old:
        yield f"control down: production asked again has not answered for {age_s:g} s"
    if experiment.control and seen.other_control >= old and seen.other_control > (seen.first or NEVER):
        yield f"control changed: another revision than {experiment.control} answers as the control arm"
    yield from _silent(experiment, seen.measures, seen.outcomes, old)
    if seen.skewed >= old:
        yield f"clock skew: turns arrived more than {SKEW_S:g} s after they were recorded; set the clocks"
    if coverage is not None and coverage < experiment.gate.min_coverage:
        yield f"low coverage: less than {experiment.gate.min_coverage:.0%} of the sampled turns enter the evidence"


def _silent(
    experiment: Experiment, measures: Mapping[str, float], outcomes: Mapping[str, float], old: float
) -> Iterator[str]:
    for each in experiment.gate.guardrails:
        if isinstance(each, ExcessGuardrail) and each.measure == JUDGED:
            if max(outcomes.get(JUDGE_WORSE, NEVER), outcomes.get(JUDGE_SAME, NEVER)) < old:
                yield f"judge down: it has judged nothing for {experiment.gate.max_age_s:g} s"
        elif isinstance(each, ExcessGuardrail) and measures.get(each.measure, NEVER) < old:
            yield f"measure down: {each.measure!r} has scored nothing for {experiment.gate.max_age_s:g} s"
        if isinstance(each, ScoreGuardrail) and outcomes.get(each.outcome, NEVER) < old:
            yield f"outcome silent: no {each.outcome!r} has come for {experiment.gate.max_age_s:g} s"


def of_the_future(newest_recorded_at: float, now: float) -> str | None:
    """A cause that only the reader's own clock can tell: rows dated after it. Nothing of them is used until then."""
    if newest_recorded_at <= now + SKEW_S:
        return None
    return f"clock skew: the ledger holds rows dated more than {SKEW_S:g} s in the future; set the clocks"
