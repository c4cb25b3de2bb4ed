"""What must hold: a guardrail is one metric with its margin; a cell is a guardrail on one slice.

Each kind of metric maps to a pair variable in -1..1 per turn, positive where the candidate is worse:

===================  ====================================================  =================================
kind                 pair variable of a turn                               margin
===================  ====================================================  =================================
failure              candidate failed - production failed                  half the base rate, at least 0.2 pp
score                production's score - candidate's score                0.02
excess_divergence    candidate's divergence - control's divergence         0.02
slow                 candidate over the limit - production over the limit  1 pp
log_ratio            ln(candidate / production), clipped to -2..2, halved  ln(1.1) / 2 (latency), ln(1.05) / 2 (cost)
zero_tolerance       none: conversations in which the candidate did it     0.001 of the conversations (a budget)
===================  ====================================================  =================================

``failure`` and ``slow`` are counts, so both estimands are tested: per conversation and per turn.
What the candidate left out counts as the worst value. Where production gave nothing to compare with, a failure counts
for both sides alike; the other kinds leave the turn out, which the candidate cannot influence.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final, Literal, get_args

from shadow.gate.arguments import checked_budget, checked_duration, checked_margin, checked_positive
from shadow.gate.conversations import TurnPair

Kind = Literal["failure", "score", "excess_divergence", "slow", "log_ratio", "zero_tolerance"]
KINDS: Final[tuple[str, ...]] = get_args(Kind)
COUNTS: Final = frozenset({"failure", "slow"})

OVERALL: Final = "__all__"
"""The slice of every conversation."""

SLICE_TIMES: Final = 3
"""A slice's margin over the overall one: at the same margin small slices would decide when anybody is promoted."""

CLIP: Final = 2.0
"""Of the logarithm of a ratio: beyond 7.4 times it counts as 7.4 times."""

WORST: Final = 1.0


@dataclass(frozen=True, slots=True, order=True)
class Cell:
    """One thing to be shown: that ``guardrail`` holds on ``slice`` with ``margin``."""

    guardrail: str
    slice: str
    kind: Kind
    margin: float

    @property
    def name(self) -> str:
        """For people: ``wrong_action``, ``wrong_action in language=de``."""
        return self.guardrail if self.slice == OVERALL else f"{self.guardrail} in {self.slice}"


@dataclass(frozen=True, slots=True)
class Guardrail:
    """One metric that must hold overall, and on each of ``slices`` with three times the margin."""

    name: str
    kind: Kind
    margin: float
    slices: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Refuse a margin that no slice could use, and what cannot be split."""
        if self.kind not in KINDS:
            raise ValueError(f"kind of {self.name!r} is {self.kind!r}: known are {', '.join(KINDS)}")
        if self.kind == "zero_tolerance":
            checked_budget(self.margin, f"budget of {self.name!r}")
            if self.slices:
                raise ValueError(
                    f"slices of {self.name!r} is {self.slices!r}: a budget is for all conversations together"
                )
        checked_margin(self.margin, f"margin of {self.name!r}")
        if self.slices:
            checked_margin(self.margin * SLICE_TIMES, f"slice margin ({SLICE_TIMES} x margin) of {self.name!r}")
        if OVERALL in self.slices or len(set(self.slices)) < len(self.slices):
            raise ValueError(f"slices of {self.name!r} is {self.slices!r}: name each once, and not {OVERALL!r}")

    def cells(self) -> tuple[Cell, ...]:
        """The overall cell, then one per slice."""
        sliced = [Cell(self.name, each, self.kind, self.margin * SLICE_TIMES) for each in self.slices]
        return Cell(self.name, OVERALL, self.kind, self.margin), *sliced


def failure_margin(base_rate: float) -> float:
    """The usual margin of a failure rate: half of production's own, at least 0.2 percentage points."""
    if not 0 <= base_rate <= 1:
        raise ValueError(f"base_rate is {base_rate!r}: it is a share of turns, 0..1")
    return max(0.5 * base_rate, 0.002)


def ratio_margin(ratio: float) -> float:
    """The margin of a ``log_ratio`` that lets the candidate be ``ratio`` times production: 1.1 for 10 % more."""
    if not 1 < ratio < math.exp(CLIP):
        raise ValueError(
            f"ratio is {ratio!r}: it must be more than 1 and less than {math.exp(CLIP):.2f}; 1.1 is 10 % more"
        )
    return math.log(ratio) / CLIP


def score_harm(production: float | None, candidate: float | None) -> float | None:
    """How much lower the candidate's score is; scores in 0..1. None: production has none."""
    if production is None:
        return None
    return WORST if candidate is None else _ratio("production", production) - _ratio("candidate", candidate)


def excess_divergence(control: float | None, candidate: float | None) -> float | None:
    """How much farther from production the candidate is than production asked again. None: control has none."""
    if control is None:
        return None
    return WORST if candidate is None else _ratio("candidate", candidate) - _ratio("control", control)


def slow_pair(production_s: float | None, candidate_s: float | None, *, limit_s: float) -> TurnPair:
    """Whether each side took longer than the limit; a reply that never came did."""
    checked_positive(limit_s, "limit_s")
    return TurnPair(
        None if production_s is None else checked_duration(production_s, "production_s") > limit_s,
        None if candidate_s is None else checked_duration(candidate_s, "candidate_s") > limit_s,
    )


def log_ratio_harm(production: float | None, candidate: float | None) -> float | None:
    """Clipped logarithm of how many times production's latency or cost the candidate's is, in -1..1.

    None: production has none, or cost nothing. A candidate that has none counts as the worst, one that cost nothing as
    the best.
    """
    if production is None or production == 0:
        return None
    if candidate is None:
        return WORST
    if 0 < production < math.inf and 0 < candidate < math.inf:
        return max(-CLIP, min(CLIP, math.log(candidate) - math.log(production))) / CLIP
    checked_positive(production, "production")
    if candidate != 0:
        checked_positive(candidate, "candidate")
    return -WORST


def _ratio(field: str, value: float) -> float:
    if not 0 <= value <= 1:
        raise ValueError(f"{field} is {value!r}: scores and divergences lie in 0..1; scale the measure")
    return value
