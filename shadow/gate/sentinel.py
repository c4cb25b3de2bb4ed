"""The A/A check that never stops: production asked again (the control arm) must fail neither more nor less often.

If it does, the instruments differ between the arms (another deadline, a detector that sees one side only, a mirror that
loses hard turns), and no verdict on a candidate can be trusted. Two bets with a margin of exactly 0, as on the reject
side of :mod:`shadow.gate.betting`: that the control is worse, and that it is better. The mean of their wealths is an
e-value of "E[x | past] = 0", so over its whole life the sentinel alarms by chance with probability alpha at most.
State is additive in the same integers: any partitioning and any order gives the same bits.

It alarms at the first look at which the mean reaches 1/alpha, says which bet won, and stays so until a person has found
the reason and starts another (:func:`watch`). How long a real bias takes depends on its size: see docs/design/gate.md.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from operator import add
from typing import Final, Literal, Self

from shadow.gate.arguments import checked_alpha, checked_margin, checked_pair, checked_times, checked_variance
from shadow.gate.betting import (
    FOCUSED,
    FOCUSED_WEIGHTS,
    LARGEST_STAKE,
    SCALE,
    SPREAD,
    SPREAD_WEIGHTS,
    log_growth,
    log_mixture,
)
from shadow.gate.evidence import log_mean_e

Alarm = Literal["control_worse", "control_better"]
LIMIT: Final = LARGEST_STAKE
"""The largest stake: with a margin of 0 the worst conversation would take everything at 1."""


@dataclass(frozen=True, slots=True)
class Sentinel:
    """Stakes, and what both bets have made of the control arm's closed conversations so far."""

    stakes: tuple[float, ...]
    weights: tuple[float, ...]
    worse: tuple[int, ...]
    better: tuple[int, ...]
    conversations: int = 0
    sum_x: int = 0

    def __post_init__(self) -> None:
        """Refuse stakes that could ruin, and weights that are no mean."""
        if not self.stakes or not len(self.stakes) == len(self.weights) == len(self.worse) == len(self.better):
            raise ValueError(
                f"stakes has {len(self.stakes)} entries, weights {len(self.weights)}: give one each, at least one"
            )
        for stake in self.stakes:
            if not 0 < stake <= LIMIT:
                raise ValueError(f"stakes holds {stake!r}: a stake must be more than 0 and at most {LIMIT!r}")
        if any(not weight > 0 for weight in self.weights) or sum(self.weights) > 1 + 1e-12:
            raise ValueError(f"weights is {self.weights!r}: each must be positive and their sum at most 1")

    @classmethod
    def none_yet(cls, *, bias: float | None = None, variance: float | None = None) -> Self:
        """Before the first conversation. ``bias``: the least mean of x that matters, usually the gate's margin.

        With the variance of x from history, four stakes around ``bias / variance``, the best one for that bias; without
        either, five over the whole range.
        """
        stakes: tuple[float, ...]
        weights: tuple[float, ...]
        if bias is not None:
            checked_margin(bias, "bias")
        if bias is None or variance is None:
            stakes, weights = tuple(part * LIMIT for part in SPREAD), SPREAD_WEIGHTS
        else:
            best = bias / checked_variance(variance)
            stakes, weights = tuple(min(part * best, LIMIT) for part in FOCUSED), FOCUSED_WEIGHTS
        return cls(stakes, weights, (0,) * len(stakes), (0,) * len(stakes))

    def add(self, x: float, *, times: int = 1) -> Sentinel:
        """One more closed conversation of the control arm, of mean harm ``x``; or ``times`` alike."""
        checked_times(times)
        worse, better = log_growth(self.stakes, checked_pair(x)), log_growth(self.stakes, -x)
        return Sentinel(
            self.stakes,
            self.weights,
            tuple([have + times * more for have, more in zip(self.worse, worse, strict=True)]),
            tuple([have + times * more for have, more in zip(self.better, better, strict=True)]),
            self.conversations + times,
            self.sum_x + times * round(x * SCALE),
        )

    def merge(self, other: Sentinel) -> Sentinel:
        """Both together: of disjoint sets of conversations under the same stakes."""
        if (self.stakes, self.weights) != (other.stakes, other.weights):
            raise ValueError(f"stakes differ ({self.stakes!r}, {other.stakes!r}): other stakes are another sentinel")
        return Sentinel(
            self.stakes,
            self.weights,
            tuple(map(add, self.worse, other.worse)),
            tuple(map(add, self.better, other.better)),
            self.conversations + other.conversations,
            self.sum_x + other.sum_x,
        )

    def log_e(self) -> float:
        """Logarithm of the evidence that the control differs from production, to either side."""
        return log_mean_e([self.log_e_of("control_worse"), self.log_e_of("control_better")])

    def log_e_of(self, alarm: Alarm) -> float:
        """Logarithm of one bet's wealth."""
        return log_mixture(self.worse if alarm == "control_worse" else self.better, self.weights)

    def mean(self) -> float | None:
        """Mean of x; None without conversations."""
        return self.sum_x / (SCALE * self.conversations) if self.conversations else None


def watch(sentinel: Sentinel, *, alpha: float, before: Alarm | None = None) -> Alarm | None:
    """The alarm at this look; ``before``, what the last look returned, stays. None: nothing has been shown."""
    if before is not None or sentinel.log_e() < -math.log(checked_alpha(alpha)):
        return before
    worse = sentinel.log_e_of("control_worse") >= sentinel.log_e_of("control_better")
    return "control_worse" if worse else "control_better"
