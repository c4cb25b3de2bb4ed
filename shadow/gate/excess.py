"""How much farther from production one arm is than another, and whether that can be chance.

x in -1..1 is a conversation's mean difference. If neither arm is farther, nobody can win by betting on the sign of x:
the wealth of a few fixed stakes on either side, averaged, reaches 2/alpha with chance alpha/2 at most, ever (Ville). It
is exact from the first conversation on, so gibberish is told within a dozen. Where differences are small and steady the
stakes, bounded by what x could be, are slow; there the asymptotic interval is faster. It has the other half of alpha,
and may speak once 100 conversations are there, 20 of them with a difference.

x is rounded to a 4096th, to both sides alike, so conversations are counted by x: a million of them cost no more than
the different values among them, and all sums are integers, so any order and any partitioning gives the same bits.
Sources: as :mod:`shadow.gate.betting` and :mod:`shadow.gate.robbins`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Final, Literal, Self

from shadow.gate.arguments import checked_alpha, checked_pair
from shadow.gate.betting import LARGEST_STAKE, SCALE, SPREAD, SPREAD_WEIGHTS, log_mixture
from shadow.gate.budget import EventCounts, rate_interval
from shadow.gate.robbins import interval, tightest_rho, two_sided_boundary
from shadow.gate.turn_weighted import LEAST_CONVERSATIONS, LEAST_DISCORDANT

Call = Literal["different", "no_difference", "not_enough_data"]

GRID: Final = 4096
"""Steps of x between 0 and 1."""

STAKES: Final = tuple(sign * part * LARGEST_STAKE for sign in (1, -1) for part in SPREAD)
WEIGHTS: Final = tuple(weight / 2 for _ in (1, -1) for weight in SPREAD_WEIGHTS)
TIGHTEST_AT: Final = 1_000
"""Conversations for which the interval is tuned. Wrong by a factor of five, it costs little."""


@dataclass(frozen=True, slots=True)
class Excess:
    """What the conversations so far say. Sums of x are in steps, of its square in squared steps.

    ``discordant``: conversations whose x is not zero.
    """

    conversations: int = 0
    turns: int = 0
    discordant: int = 0
    sum_x: int = 0
    sum_xx: int = 0
    wealth: tuple[int, ...] = (0,) * len(STAKES)

    @classmethod
    def of(cls, counts: Mapping[int, int], *, turns: int) -> Self:
        """Of so many conversations with each x in steps, that have so many turns together."""
        wealth = [0] * len(STAKES)
        for x, count in counts.items():
            for at, more in enumerate(growth(x)):
                wealth[at] += count * more
        return cls(
            sum(counts.values()),
            turns,
            sum(count for x, count in counts.items() if x),
            sum(count * x for x, count in counts.items()),
            sum(count * x * x for x, count in counts.items()),
            tuple(wealth),
        )

    def add(self, x: float, *, turns: int = 1) -> Excess:
        """One more conversation, of mean difference ``x``."""
        return self.merge(Excess.of({steps(x): 1}, turns=turns))

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
        return self.sum_x / (GRID * self.conversations) if self.conversations else None

    def log_e(self) -> float:
        """Evidence that x is not zero in the mean, on either side."""
        return log_mixture(self.wealth, WEIGHTS)

    def interval(self, *, alpha: float) -> tuple[float, float] | None:
        """Where the mean lies, at any time, with chance 1 - alpha; None before 100 conversations.

        With fewer than 20 discordant conversations nothing asymptotic holds. Then the mean is at most the share of
        discordant ones, on either side: an exact bound.
        """
        n, mean = self.conversations, self.mean()
        if mean is None or n < LEAST_CONVERSATIONS:
            return None
        if self.discordant < LEAST_DISCORDANT:
            _, most = rate_interval(EventCounts(n, self.discordant), alpha=alpha)
            return -most, most
        variance = (self.sum_xx * n - self.sum_x * self.sum_x) / (GRID * GRID * n * n)
        return interval(n, mean, variance, alpha=alpha, rho=_rho(alpha))

    def bounds(self, *, alpha: float) -> tuple[float, float] | None:
        """The interval that :meth:`call` goes by, at half of ``alpha``: where it excludes 0, the call is different."""
        return self.interval(alpha=checked_alpha(alpha) / 2)

    def call(self, *, alpha: float) -> Call:
        """``different`` is said with chance ``alpha`` at most, ever, where there is no difference."""
        bounds = self.bounds(alpha=alpha)
        if self.log_e() >= math.log(2 / alpha) or (bounds is not None and not bounds[0] <= 0 <= bounds[1]):
            return "different"
        return "no_difference" if self.conversations >= LEAST_CONVERSATIONS else "not_enough_data"


def steps(x: float) -> int:
    """``x`` in steps, to the nearest one; half a step to the even one, which is the same on both sides."""
    return round(checked_pair(x) * GRID)


@cache
def growth(x: int) -> tuple[int, ...]:
    """What a conversation of ``x`` steps adds to each stake's log-wealth, in units of 2**-32, rounded down."""
    return tuple([math.floor(math.log1p(stake * checked_pair(x / GRID)) * SCALE) for stake in STAKES])


@cache
def _rho(alpha: float) -> float:
    return tightest_rho(two_sided_boundary, TIGHTEST_AT, alpha)
