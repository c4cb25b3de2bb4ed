"""A bet against "the candidate is worse by the margin", and one against the opposite; the wealth is the evidence.

x in -1..1 is a closed conversation's mean harm. A player who stakes a fixed fraction lambda multiplies her wealth by
``1 + lambda * (margin - x)`` per conversation. If E[x | past] >= margin, no stakes make the expected wealth grow, so
P(it ever reaches 1/alpha) <= alpha (Ville): one may look after every conversation. The reject side bets on
``x - margin``. A weighted mean over a few fixed lambdas is such a wealth too.

Lambdas never change while the experiment runs; therefore log-wealth is a sum over conversations, kept in integers of
2**-32: any partitioning and any order gives the same bits. Each term is rounded down, which can only cost power.
An int64 holds 7e8 conversations, as no factor is below 0.05.

Sources: Waudby-Smith and Ramdas 2024 (arXiv 2010.09686), Ryu and Bhatt 2022 (arXiv 2207.12382).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from operator import add
from typing import Final, Literal, Self

from shadow.gate.arguments import checked_margin, checked_pair, checked_times, checked_variance

Side = Literal["promote", "reject"]

SCALE: Final = 1 << 32
"""Units of log-wealth and of the sums of x and x squared."""

LARGEST_STAKE: Final = 0.95
"""Of the largest lambda that cannot ruin: no factor is below 0.05."""

FOCUSED: Final = (0.4, 0.7, 1.1, 1.7)
FOCUSED_WEIGHTS: Final = (0.15, 0.25, 0.45, 0.15)
"""Around the planned lambda, whose variance is known only roughly. Of those tried, the soonest that does
not expire more often: docs/design/gate.md."""

SPREAD: Final = (0.12, 0.25, 0.5, 0.75, 1.0)
SPREAD_WEIGHTS: Final = (0.2,) * 5
"""Of the largest stake, where nothing is known beforehand."""

REMEMBERED: Final = 4_096
"""Distinct x whose terms are kept: all there are for counts; scores repeat less, and are computed again."""

Terms = tuple[tuple[int, ...], tuple[int, ...], int, int]
"""What one conversation adds: log-wealth of the promote and the reject side, x, x squared; in units of 2**-32."""


@dataclass(frozen=True, slots=True)
class Bets:
    """Stakes fixed before the first conversation: one lambda per weight and side. Other bets, other experiment."""

    margin: float
    promote: tuple[float, ...]
    reject: tuple[float, ...]
    weights: tuple[float, ...]
    _known: dict[float, Terms] = field(default_factory=dict, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Refuse stakes under which wealth could become negative or the mixture would be no mean."""
        checked_margin(self.margin)
        if not self.weights or not len(self.promote) == len(self.reject) == len(self.weights):
            raise ValueError(
                f"weights has {len(self.weights)} entries, promote {len(self.promote)}, reject {len(self.reject)}: "
                f"give one lambda of each side per weight, at least one"
            )
        for side, lambdas in (("promote", self.promote), ("reject", self.reject)):
            limit = largest_stake(self.margin, "promote" if side == "promote" else "reject")
            for value in lambdas:
                if not 0 < value <= limit:
                    raise ValueError(f"{side} holds {value!r}: a lambda must be more than 0 and at most {limit!r}")
        if any(not weight > 0 for weight in self.weights) or sum(self.weights) > 1 + 1e-12:
            raise ValueError(f"weights is {self.weights!r}: each must be positive and their sum at most 1")

    def growth(self, x: float) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """What a conversation of mean harm ``x`` adds to the log-wealth of each lambda: promote side, reject side."""
        promote, reject, _, _ = self.terms(x)
        return promote, reject

    def terms(self, x: float) -> Terms:
        """All that a conversation of mean harm ``x`` adds; remembered, because few values of x make up most traffic."""
        terms = self._known.get(x)
        if terms is None:
            gain = self.margin - checked_pair(x)
            promote, reject = log_growth(self.promote, gain), log_growth(self.reject, -gain)
            terms = promote, reject, round(x * SCALE), round(x * x * SCALE)
            if len(self._known) < REMEMBERED:
                self._known[x] = terms
        return terms


def log_growth(stakes: Sequence[float], gain: float) -> tuple[int, ...]:
    """ln(1 + stake * gain) of each stake, in units of 2**-32, rounded down: rounding can never be evidence."""
    return tuple([math.floor(math.log1p(stake * gain) * SCALE) for stake in stakes])


def largest_stake(margin: float, side: Side) -> float:
    """The largest lambda used: 0.95 of the one at which the worst conversation would take everything."""
    return LARGEST_STAKE / (1 - margin) if side == "promote" else LARGEST_STAKE / (1 + margin)


def focused4(margin: float, variance: float) -> Bets:
    """Four lambdas around margin/variance, the best one for a candidate that equals production.

    ``variance`` is that of x, from control or historical data, never from the candidate's own counted conversations.
    """
    planned = checked_margin(margin) / checked_variance(variance)
    return _grid(margin, [planned * factor for factor in FOCUSED], FOCUSED_WEIGHTS)


def spread5(margin: float) -> Bets:
    """Five lambdas over the whole range, equally weighted: for when there is nothing to plan from."""
    checked_margin(margin)
    up = largest_stake(margin, "promote")
    down = largest_stake(margin, "reject")
    return Bets(margin, tuple(part * up for part in SPREAD), tuple(part * down for part in SPREAD), SPREAD_WEIGHTS)


def _grid(margin: float, lambdas: Sequence[float], weights: tuple[float, ...]) -> Bets:
    up, down = largest_stake(margin, "promote"), largest_stake(margin, "reject")
    return Bets(margin, tuple(min(each, up) for each in lambdas), tuple(min(each, down) for each in lambdas), weights)


@dataclass(frozen=True, slots=True)
class Wealth:
    """What the bets have made of the conversations so far. Integers, so ``merge`` is exact in any order."""

    bets: Bets
    promote: tuple[int, ...]
    reject: tuple[int, ...]
    conversations: int = 0
    sum_x: int = 0
    sum_xx: int = 0

    @classmethod
    def none_yet(cls, bets: Bets) -> Self:
        """Before the first conversation: wealth 1 on both sides."""
        nothing = (0,) * len(bets.weights)
        return cls(bets, nothing, nothing)

    def add(self, x: float, *, times: int = 1) -> Wealth:
        """One more closed conversation, of mean harm ``x``; or ``times`` of them, which gives the same bits."""
        promote, reject, scaled, squared = self.bets.terms(x)
        if times != 1:
            checked_times(times)
            promote, reject = tuple([times * each for each in promote]), tuple([times * each for each in reject])
        return Wealth(
            self.bets,
            tuple(map(add, self.promote, promote)),
            tuple(map(add, self.reject, reject)),
            self.conversations + times,
            self.sum_x + times * scaled,
            self.sum_xx + times * squared,
        )

    def add_all(self, counted: Mapping[float, int]) -> Wealth:
        """So many conversations of each mean harm: the same bits as one after the other, in a third of the time."""
        sums = [self.promote, self.reject, (self.conversations, self.sum_x, self.sum_xx)]
        rows: list[list[tuple[int, ...]]] = [[each] for each in sums]
        for x, times in counted.items():
            promote, reject, scaled, squared = self.bets.terms(x)
            if times != 1:
                checked_times(times)
                promote, reject = tuple([times * each for each in promote]), tuple([times * each for each in reject])
            rows[0].append(promote)
            rows[1].append(reject)
            rows[2].append((times, times * scaled, times * squared))
        added, lost, (conversations, sum_x, sum_xx) = (tuple(map(sum, zip(*each, strict=True))) for each in rows)
        return Wealth(self.bets, added, lost, conversations, sum_x, sum_xx)

    def merge(self, other: Wealth) -> Wealth:
        """Both together: of disjoint sets of conversations under the same bets."""
        if self.bets != other.bets:
            raise ValueError(f"bets differ ({self.bets!r}, {other.bets!r}): other bets are another experiment")
        return Wealth(
            self.bets,
            tuple(map(add, self.promote, other.promote)),
            tuple(map(add, self.reject, other.reject)),
            self.conversations + other.conversations,
            self.sum_x + other.sum_x,
            self.sum_xx + other.sum_xx,
        )

    def log_e(self, side: Side) -> float:
        """Natural logarithm of the mixture's wealth; evidence at level alpha once it reaches ln(1/alpha)."""
        return log_mixture(self.promote if side == "promote" else self.reject, self.bets.weights)

    def mean(self) -> float | None:
        """Mean of x; None without conversations."""
        return self.sum_x / (SCALE * self.conversations) if self.conversations else None

    def variance(self) -> float | None:
        """Variance of x around its mean; None without conversations."""
        if not self.conversations:
            return None
        exact = self.sum_xx * self.conversations * SCALE - self.sum_x * self.sum_x
        return max(exact, 0) / (SCALE * SCALE * self.conversations * self.conversations)


def log_mixture(log_wealth: Sequence[int], weights: Sequence[float]) -> float:
    """Logarithm of the weighted mean of wealths whose logarithms are given in units of 2**-32."""
    most = max(log_wealth)
    parts = [weight * math.exp((each - most) / SCALE) for each, weight in zip(log_wealth, weights, strict=True)]
    return most / SCALE + math.log(math.fsum(parts))
