"""How much farther from production one arm is than another, and whether that can be chance.

x in -1..1 is a conversation's mean difference. If neither arm is farther, nobody can win by betting on the sign of x:
the wealth of a few fixed stakes on either side, averaged, reaches 2/alpha with chance alpha/2 at most, ever (Ville). It
is exact from the first conversation on, so gibberish is told within a dozen. Where differences are small and steady the
stakes, bounded by what x could be, are slow; there the asymptotic interval is faster. It has the other half of alpha,
and may speak once 100 conversations are there, 20 of them with a difference.

All sums are integers in units of 2**-32, so any order and any partitioning gives the same bits. Sources: as
:mod:`shadow.gate.betting` and :mod:`shadow.gate.robbins`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache
from typing import Final, Literal, Self

import numpy as np
from numpy.typing import NDArray

from shadow.gate.arguments import checked_alpha
from shadow.gate.betting import LARGEST_STAKE, SCALE, SPREAD, SPREAD_WEIGHTS, log_mixture
from shadow.gate.budget import EventCounts, rate_interval
from shadow.gate.robbins import interval, tightest_rho, two_sided_boundary
from shadow.gate.turn_weighted import LEAST_CONVERSATIONS, LEAST_DISCORDANT

Call = Literal["different", "no_difference", "not_enough_data"]

STAKES: Final = tuple(sign * part * LARGEST_STAKE for sign in (1, -1) for part in SPREAD)
WEIGHTS: Final = tuple(weight / 2 for _ in (1, -1) for weight in SPREAD_WEIGHTS)
TIGHTEST_AT: Final = 1_000
"""Conversations for which the interval is tuned. Wrong by a factor of five, it costs little."""

Values = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Excess:
    """What the conversations so far say; ``discordant``: those whose x is not zero."""

    conversations: int = 0
    turns: int = 0
    discordant: int = 0
    sum_x: int = 0
    sum_xx: int = 0
    wealth: tuple[int, ...] = (0,) * len(STAKES)

    @classmethod
    def of(cls, x: Values, *, turns: int) -> Self:
        """Of conversations with these mean differences, each in -1..1, that have so many turns together."""
        return cls(
            len(x),
            turns,
            int(np.count_nonzero(x)),
            int(np.rint(x * SCALE).sum()),
            int(np.rint(x * x * SCALE).sum()),
            tuple(growth(x).sum(axis=0).tolist()),
        )

    def merge(self, other: Excess) -> Excess:
        """Both together: of disjoint sets of conversations."""
        return Excess(
            self.conversations + other.conversations,
            self.turns + other.turns,
            self.discordant + other.discordant,
            self.sum_x + other.sum_x,
            self.sum_xx + other.sum_xx,
            tuple(have + more for have, more in zip(self.wealth, other.wealth, strict=True)),
        )

    def mean(self) -> float | None:
        """Mean of x; None without conversations."""
        return self.sum_x / (SCALE * self.conversations) if self.conversations else None

    def log_e(self) -> float:
        """Evidence that x is not zero in the mean, on either side."""
        return log_mixture(self.wealth, WEIGHTS)

    def interval(self, *, alpha: float) -> tuple[float, float] | None:
        """Where the mean lies, at any time, with chance 1 - alpha; None before 100 conversations.

        With fewer than 20 discordant conversations nothing asymptotic holds. Then the mean is at most the share of
        discordant ones, on either side: an exact bound.
        """
        mean = self.mean()
        if mean is None or self.conversations < LEAST_CONVERSATIONS:
            return None
        if self.discordant < LEAST_DISCORDANT:
            _, most = rate_interval(EventCounts(self.conversations, self.discordant), alpha=alpha)
            return -most, most
        variance = max(self.sum_xx / (SCALE * self.conversations) - mean * mean, 0.0)
        return interval(self.conversations, mean, variance, alpha=alpha, rho=_rho(alpha))

    def bounds(self, *, alpha: float) -> tuple[float, float] | None:
        """The interval that :meth:`call` goes by, at half of ``alpha``: where it excludes 0, the call is different."""
        return self.interval(alpha=checked_alpha(alpha) / 2)

    def call(self, *, alpha: float) -> Call:
        """``different`` is said with chance ``alpha`` at most, ever, where there is no difference."""
        bounds = self.bounds(alpha=alpha)
        if self.log_e() >= math.log(2 / alpha) or (bounds is not None and not bounds[0] <= 0 <= bounds[1]):
            return "different"
        return "no_difference" if self.conversations >= LEAST_CONVERSATIONS else "not_enough_data"


def growth(x: Values) -> NDArray[np.int64]:
    """What each conversation adds to each stake's log-wealth: one row a conversation; rounded down."""
    if len(x) and not np.abs(x).max() <= 1:  # NaN is not either
        raise ValueError(f"x holds {x[~(np.abs(x) <= 1)][0]!r}: a difference of divergences lies in -1..1")
    grown: NDArray[np.int64] = np.floor(np.log1p(x[:, None] * np.array(STAKES)) * SCALE).astype(np.int64)
    return grown


@cache
def _rho(alpha: float) -> float:
    return tightest_rho(two_sided_boundary, TIGHTEST_AT, alpha)
