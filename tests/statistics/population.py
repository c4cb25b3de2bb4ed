"""Whom the streams are drawn from: a finite population of conversations, whose means are exact.

A conversation has 1 + Poisson(5) turns, 20 at most. Each arm's failure rate varies between conversations as a beta
distribution with intra-class correlation ``icc``; half of the conversations are as hard for one arm as for the other.
Four in ten turns are decided by the same chance for both arms. Rates are means of groups of conversations of like
hardness, so the population is a table: what a stream is tested against is known, not estimated.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache

import numpy as np

from shadow.gate.plan import plan_bets
from shadow.gate.robbins import maximise

MOST_TURNS = 20
WIDTH = 2 * MOST_TURNS + 1
SAME_CHANCE = 0.4
SAME_HARDNESS = 0.5
GROUPS = 120
DRAWN = 400_000
CONTROL = 2_000
"""Conversations of the control arm that the bets are planned from."""


@cache
def length_shares() -> np.ndarray:
    """Share of conversations with 0, 1, ... 20 turns."""
    poisson = [math.exp(-5) * 5**n / math.factorial(n) for n in range(MOST_TURNS - 1)]
    return np.array([0.0, *poisson, 1 - sum(poisson)])


@cache
def groups() -> np.ndarray:
    """Shares of conversations by hardness, easiest first: the hardest in small groups, as failures are theirs."""
    edges = np.concatenate([[0.0], 1 - np.geomspace(1, 1 / 20_000, GROUPS)[1:], [1.0]])
    return np.diff(edges)


@cache
def rates(mean: float, icc: float) -> np.ndarray:
    """A conversation's failure rate, by group of hardness; their mean is ``mean``."""
    shares = groups()
    if icc == 0:
        return np.full(len(shares), mean)
    times = (1 - icc) / icc
    table = np.sort(np.random.default_rng(20).beta(mean * times, (1 - mean) * times, DRAWN))
    ends = np.round(np.cumsum(shares) * DRAWN).astype(int)
    starts = np.concatenate([[0], ends[:-1]])
    found = np.array([table[low:high].mean() for low, high in zip(starts, ends, strict=True)])
    for _ in range(30):
        found = np.clip(found * (mean / (shares @ found)), 0, 1)
    return found


@dataclass(frozen=True)
class Turns:
    """Of one turn of a conversation: chances that both fail, the candidate alone, production alone."""

    both: np.ndarray
    candidate: np.ndarray
    production: np.ndarray


def turn_chances(a: np.ndarray, b: np.ndarray) -> Turns:
    """From production's and the candidate's rates in that conversation."""
    both = SAME_CHANCE * np.minimum(a, b) + (1 - SAME_CHANCE) * a * b
    return Turns(both, b - both, a - both)


@dataclass(frozen=True)
class Population:
    """Production's rate per turn, the candidate's by length of the conversation, their correlation within one."""

    production: float
    candidate: float
    icc: float
    long_candidate: float | None = None
    """The candidate's rate in conversations of more turns than six, where it differs."""

    def candidate_rate(self, turns: int) -> float:
        return self.candidate if self.long_candidate is None or turns <= 6 else self.long_candidate

    def harm_shares(self) -> np.ndarray:
        """Share of each sum of harm (-20 to 20) among conversations of 0 to 20 turns: one row per length."""
        return _harm_shares(self)

    def cell_shares(self) -> np.ndarray:
        """Share of each (turns, harm) among all conversations."""
        return self.harm_shares() * length_shares()[:, None]

    def values(self) -> np.ndarray:
        """Mean harm x of a conversation of so many turns and so much harm."""
        turns = np.maximum(np.arange(MOST_TURNS + 1), 1)
        return np.clip((np.arange(WIDTH) - MOST_TURNS) / turns[:, None], -1, 1)

    def mean_x(self) -> float:
        """Harm per conversation."""
        return float((self.cell_shares() * self.values()).sum())

    def mean_turns(self) -> float:
        return float(length_shares() @ np.arange(MOST_TURNS + 1))

    def harm_per_turn(self) -> float:
        return float((self.cell_shares() * (np.arange(WIDTH) - MOST_TURNS)).sum()) / self.mean_turns()

    def variance_x(self) -> float:
        return float((self.cell_shares() * self.values() ** 2).sum()) - self.mean_x() ** 2

    def limit_turns(self, margin: float, alpha: float) -> float:
        """Production turns that no rule of level alpha can undercut on average: ln(1/alpha) / KL_inf conversations."""
        shares, values = self.cell_shares(), self.values()

        def growth(stake: float) -> float:
            return float((shares * np.log1p(stake * (margin - values))).sum())

        best = growth(maximise(growth, 0.0, (1 - 1e-9) / (1 - margin)))
        return -math.log(alpha) / best * self.mean_turns()

    def fixed_turns(self, margin: float) -> float:
        """Turns of a test with one look, level 5 %, power 80 %, that knows the variance."""
        return self.fixed_conversations(margin) * self.mean_turns()

    def fixed_conversations(self, margin: float) -> float:
        """Its closed conversations."""
        return (1.6449 + 0.8416) ** 2 * self.variance_x() / margin**2

    def control(self) -> list[float]:
        """Conversations of production asked twice, to plan from: a stream of its own."""
        rng = np.random.default_rng(11)
        turns = sample_turns(rng, CONTROL)
        return (Population(self.production, self.production, self.icc).sample_harm(rng, turns) / turns).tolist()

    def bets(self, margin: float):
        return plan_bets(margin, self.control())

    def sample_harm(self, rng: np.random.Generator, turns: np.ndarray) -> np.ndarray:
        """Sum of harm of conversations of so many turns."""
        return _ladder(self).searchsorted(turns + rng.random(turns.shape), side="right") % WIDTH - MOST_TURNS


def sample_turns(rng: np.random.Generator, shape) -> np.ndarray:
    return np.minimum(1 + rng.poisson(5, shape), MOST_TURNS)


@cache
def _ladder(population: Population) -> np.ndarray:
    """All cumulative shares in one ascending row: length m's lie in m .. m + 1."""
    sums = np.cumsum(population.harm_shares(), axis=1)
    sums[:, -1] = 1
    return (np.minimum(sums, 1) + np.arange(MOST_TURNS + 1)[:, None]).ravel()


@cache
def _harm_shares(population: Population) -> np.ndarray:
    shares = groups()
    found = np.zeros((MOST_TURNS + 1, WIDTH))
    found[0, MOST_TURNS] = 1
    weights = (1 - SAME_HARDNESS) * np.outer(shares, shares)
    weights[np.diag_indices(len(shares))] += SAME_HARDNESS * shares
    a = rates(population.production, population.icc)
    for candidate in {population.candidate_rate(1), population.candidate_rate(MOST_TURNS)}:
        chances = turn_chances(a[:, None], rates(candidate, population.icc)[None, :])
        up, down = chances.candidate.ravel(), chances.production.ravel()
        sums = np.zeros((len(up), WIDTH))
        sums[:, MOST_TURNS] = 1
        for turns in range(1, MOST_TURNS + 1):
            after = sums * (1 - up - down)[:, None]
            after[:, 1:] += sums[:, :-1] * up[:, None]
            after[:, :-1] += sums[:, 1:] * down[:, None]
            sums = after
            if population.candidate_rate(turns) == candidate:
                found[turns] = weights.ravel() @ sums
    return found
