"""Streams of rare events against an absolute budget: nothing matters but when the events come."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache

import numpy as np
from scipy.stats import binom

from shadow.gate import budget
from shadow.gate.budget import EventCounts
from tests.statistics.scenario import ALPHA, STRICT, Result, Run
from tests.statistics.vector import NEVER


def rare_events(rate: float, allowed: float, horizon: int) -> Run:
    """Certifying a budget, rejecting it; and Clopper-Pearson's bound for one look, looked at all the time."""

    def run(rng: np.random.Generator, rows: int) -> Result:
        gaps = rng.geometric(rate, (rows, math.ceil(horizon * rate + 10 * math.sqrt(horizon * rate) + 10)))
        events = np.cumsum(gaps, axis=1)
        found = {}
        for name, needed in (
            ("certify", certified_at(allowed, events.shape[1], horizon)),
            ("clopper_pearson", clopper_pearson_at(allowed, events.shape[1], horizon)),
        ):
            quiet = needed[None, :] < events  # certified with k events, before the next one
            at = np.where(quiet & (needed <= horizon)[None, :], needed[None, :], NEVER)
            found[name] = at.min(axis=1)
        most = rejected_up_to(allowed, events.shape[1], horizon)
        over = np.where((events <= most[1:][None, : events.shape[1]]) & (events <= horizon), events, NEVER)
        return {**found, "reject": over.min(axis=1)}

    return run


def _least(holds: Callable[[int], bool], horizon: int) -> int:
    """The least n up to the horizon for which it holds, and from which on it holds; beyond it if none."""
    low, high = 0, horizon + 1
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if holds(middle) else (middle, high)
    return high


@cache
def certified_at(allowed: float, events: int, horizon: int) -> np.ndarray:
    """Conversations that certify the budget with 0, 1, ... events, by the gate's own e-value."""
    goal = -math.log(ALPHA)
    return np.array(
        [
            _least(lambda n, k=k: n >= k and budget.log_e(EventCounts(n, k), allowed, "promote") >= goal, horizon)
            for k in range(events)
        ]
    )


@cache
def clopper_pearson_at(allowed: float, events: int, horizon: int) -> np.ndarray:
    """Conversations at which Clopper and Pearson's upper bound, for one look, falls to the budget."""
    return np.array(
        [_least(lambda n, k=k: n > k and binom.cdf(k, n, allowed) <= ALPHA, horizon) for k in range(events)]
    )


@cache
def rejected_up_to(allowed: float, events: int, horizon: int) -> np.ndarray:
    """The most conversations among which 0, 1, ... events reject the budget at its own level; -1: never."""
    goal = -math.log(STRICT)
    return np.array(
        [
            _least(lambda n, k=k: n >= k and budget.log_e(EventCounts(n, k), allowed, "reject") < goal, horizon) - 1
            for k in range(events + 1)
        ]
    )
