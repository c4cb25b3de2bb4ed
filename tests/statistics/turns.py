"""Streams turn by turn, for rules that look at turns: who failed at which, and what that makes of each conversation."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tests.statistics.population import SAME_HARDNESS, Population, groups, rates, turn_chances
from tests.statistics.schedule import Schedule, schedule


@dataclass(frozen=True)
class TurnStreams:
    """One row per stream. ``harm``: of the schedule's closed conversations, in the order of closing."""

    production: np.ndarray
    candidate: np.ndarray
    schedule: Schedule
    harm: np.ndarray

    def last_candidate_failure(self) -> np.ndarray:
        """Per closed conversation the production turn of the candidate's last failure in it, from 1; 0 without one."""
        rows, turns = np.nonzero(self.candidate)
        found = np.zeros((len(self.candidate), self.schedule.conversations), dtype=np.int64)
        np.maximum.at(found, (rows, self.schedule.conversation_of_turn[rows, turns]), turns + 1)
        return found[:, : self.harm.shape[1]]


def draw(rng: np.random.Generator, population: Population, rows: int, horizon: int) -> TurnStreams:
    """The population of :mod:`population`, a turn at a time."""
    plan = schedule(rng, rows, horizon, per_turn=True)
    hardness = np.cumsum(groups())[:-1]
    shape = (rows, plan.conversations)
    one = hardness.searchsorted(rng.random(shape))
    other = np.where(rng.random(shape) < SAME_HARDNESS, one, hardness.searchsorted(rng.random(shape)))
    a = rates(population.production, population.icc)[one]
    b = rates(population.candidate, population.icc)[other]
    both = turn_chances(a, b).both
    at = plan.conversation_of_turn
    chance = rng.random((rows, horizon))
    candidate = chance < np.take_along_axis(b, at, axis=1)
    alone = ~candidate & (chance < np.take_along_axis(a + b - both, at, axis=1))
    production = alone | (candidate & (chance < np.take_along_axis(both, at, axis=1)))
    flat = at + np.arange(rows)[:, None] * plan.conversations
    size = rows * plan.conversations
    harm = np.bincount(flat[candidate], minlength=size) - np.bincount(flat[production], minlength=size)
    closed = harm.reshape(shape)[:, : plan.turns.shape[1]]
    return TurnStreams(production, candidate, plan, np.where(plan.turns > 0, closed, 0))
