"""The kinds of streams, each as a function from a random generator to what the rules did on so many of them.

A result is one number per stream and thing: the production turn at which it happened, ``NEVER`` if it did not.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cache

import numpy as np

from shadow.gate.evidence import Tuning
from shadow.gate.plan import conversations_needed
from shadow.gate.sentinel import Sentinel
from tests.statistics import rivals, turns
from tests.statistics.population import Population
from tests.statistics.schedule import Schedule, schedule
from tests.statistics.vector import (
    NEVER,
    Cell,
    Seen,
    cycle_ends,
    decide,
    first,
    index,
    log_mixture,
    log_wealth,
    sentinel_terms,
    turns_at,
)

ALPHA = 0.05
STRICT = 0.01
Result = dict[str, np.ndarray]
Run = Callable[[np.random.Generator, int], Result]


@dataclass(frozen=True)
class Scenario:
    """Streams of one kind, and how many at a time: what fits into the caches of a processor."""

    name: str
    run: Run
    settings: Mapping[str, object]
    rows: int = 50
    share: float = 1.0
    """Of the replications of a run: below 1 where one stream costs many times the usual."""


@cache
def planned(production: float, icc: float, margin: float, share: float = 1.0) -> Cell:
    """Bets and precision planned from the control arm; ``share``: of the conversations that the cell sees."""
    control = Population(production, production, icc)
    bets = control.bets(margin)
    needed = conversations_needed(bets, control.control(), alpha=ALPHA, side="promote")
    return Cell(bets, Tuning.at(needed * share if needed else 1_000, alpha=ALPHA))


def harm_of(rng: np.random.Generator, population: Population, plan: Schedule) -> np.ndarray:
    return np.where(plan.turns > 0, population.sample_harm(rng, plan.turns), 0)


def verdicts(looks, closing: np.ndarray, prefix: str = "") -> Result:
    found = {"promote": looks.promote, "reject": looks.reject}
    return {prefix + name: turns_at(each, closing) for name, each in found.items()}


def one_cell(population: Population, margin: float, horizon: int, *, at_once: bool = False) -> Run:
    """One metric, all conversations: the verdict, and each leg alone.

    ``at_once``: as if conversations closed as soon as they began, so that the short ones do not come in first.
    """

    def run(rng: np.random.Generator, rows: int) -> Result:
        plan = schedule(rng, rows, horizon)
        if at_once:
            by_chance = np.argsort(np.where(plan.turns > 0, rng.random(plan.turns.shape), 2), axis=1)
            lengths = np.take_along_axis(plan.turns, by_chance, axis=1)
            plan = replace(plan, turns=lengths, closing=np.cumsum(lengths, axis=1))
        cell = planned(population.production, population.icc, margin)
        looks = decide([Seen(cell, plan.turns, harm_of(rng, population, plan))], ALPHA)
        legs = {
            name: turns_at(leg, plan.closing)
            for name, leg in zip(("leg_conversation", "leg_turn"), looks.legs, strict=True)
        }
        return {**verdicts(looks, plan.closing), **legs, "promote_conversations": looks.promote}

    return run


def league(population: Population, margin: float, horizon: int) -> Run:
    """The gate and the others' rules on the same streams."""

    def run(rng: np.random.Generator, rows: int) -> Result:
        streams = turns.draw(rng, population, rows, horizon)
        plan, a, b = streams.schedule, streams.production, streams.candidate
        rate, threshold = population.production, population.production + margin
        rho = Tuning.at(rivals.POINT * rivals.POINTS, alpha=ALPHA).one_sided_rho
        looks = decide([Seen(planned(rate, population.icc, margin), plan.turns, streams.harm)], ALPHA)
        return {
            **verdicts(looks, plan.closing),
            "kayenta_first": rivals.kayenta(a, b, runs=1),
            "kayenta_three": rivals.kayenta(a, b, runs=3),
            "argo_3": rivals.argo(b, threshold=threshold, failure_limit=3),
            "argo_0": rivals.argo(b, threshold=threshold, failure_limit=0),
            "flagger": rivals.flagger(b, threshold=threshold),
            "z_peeked": rivals.z_peeked(a, b, margin=margin),
            "sequence_turns": rivals.asymptotic_ignoring_clusters(a, b, margin=margin, alpha=ALPHA, rho=rho),
            "betting_turns": rivals.betting_ignoring_clusters(a, b, margin=margin, alpha=ALPHA, rate=rate),
        }

    return run


LAGS = (50, 200, 500, 1_000)
DEADLINE = 1_000


def late(population: Population, margin: float, horizon: int) -> Run:
    """Candidate failures that arrive late: counted on arrival, and as the gate does, at close plus the deadline."""

    def run(rng: np.random.Generator, rows: int) -> Result:
        streams = turns.draw(rng, population, rows, horizon)
        plan, cell = streams.schedule, planned(population.production, population.icc, margin)
        looks = decide([Seen(cell, plan.turns, streams.harm)], ALPHA)
        closing = np.where(plan.turns > 0, plan.closing + DEADLINE, horizon + DEADLINE)
        found = verdicts(looks, closing)
        last = streams.last_candidate_failure()
        for lag in LAGS:
            arrival = np.where(plan.turns > 0, np.maximum(plan.closing, np.where(last > 0, last + lag, 0)), NEVER)
            order = np.argsort(arrival, axis=1, kind="stable")
            seen = [np.take_along_axis(each, order, axis=1) for each in (plan.turns, streams.harm)]
            found[f"on_arrival_{lag}"] = decide([Seen(cell, *seen)], ALPHA).promote
        return found

    return run


NIGHT = 0.3
"""Of a day's turns: its end."""


def day_and_night(day: Population, night: Population, margin: float, cycle: int, horizon: int) -> Run:
    """The gate at the ends of whole days; and as it must not be: no cycle, and legs latched within the day."""

    def run(rng: np.random.Generator, rows: int) -> Result:
        plan = schedule(rng, rows, horizon)
        dark = (plan.closing - 1) % cycle >= (1 - NIGHT) * cycle
        harm = np.where(dark, harm_of(rng, night, plan), harm_of(rng, day, plan))
        seen = [Seen(planned(day.production, day.icc, margin), plan.turns, harm)]
        ends = cycle_ends(plan.closing, cycle, horizon)
        found = verdicts(decide(seen, ALPHA, cycle_end=ends), plan.closing)
        found["no_cycle"] = turns_at(decide(seen, ALPHA).promote, plan.closing)
        within = decide(seen, ALPHA, cycle_end=ends, latch_always=True)
        return {**found, "latched_within": turns_at(within.promote, plan.closing)}

    return run


def sentinel(population: Population, conversations: int, horizon: int) -> Run:
    """The control arm's A/A check over so many conversations: its alarm, and the one-sided REJECT at margin 0."""

    def run(rng: np.random.Generator, rows: int) -> Result:
        plan = schedule(rng, rows, horizon)
        kept = slice(0, conversations)
        at = index(plan.turns, harm_of(rng, population, plan))[:, kept]
        empty = Sentinel.none_yet()  # as :class:`shadow.gate.watch.Watch` has it
        worse, better = (log_mixture(log_wealth(table, at), empty.weights) for table in sentinel_terms(empty))
        both = (np.exp(np.minimum(worse, 600)) + np.exp(np.minimum(better, 600))) / 2
        return {
            "alarm": first(both >= 1 / STRICT),
            "reject_at_0": first(worse >= -math.log(ALPHA)),
            "wrong_side": np.where(
                (both >= 1 / STRICT).any(axis=1) & (worse.max(axis=1) < better.max(axis=1)), 1, NEVER
            ),
        }

    return run
