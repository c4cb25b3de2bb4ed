"""The kinds of streams, each as a function from a random generator to what the rules did on so many of them.

A result is one number per stream and thing: the production turn at which it happened, ``NEVER`` if it did not.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from itertools import product

import numpy as np

from shadow.gate import budget
from shadow.gate.budget import EventCounts
from shadow.gate.evidence import Tuning
from shadow.gate.guardrails import SLICE_TIMES
from shadow.gate.plan import conversations_needed
from shadow.gate.sentinel import Sentinel
from shadow.gate.verdict import certain_culprits
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
    mean_e,
    promotion,
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


def _harm(rng: np.random.Generator, population: Population, plan: Schedule) -> np.ndarray:
    return np.where(plan.turns > 0, population.sample_harm(rng, plan.turns), 0)


def _verdicts(looks, closing: np.ndarray, prefix: str = "") -> Result:
    found = {"promote": looks.promote, "reject": looks.reject}
    return {prefix + name: turns_at(each, closing) for name, each in found.items()}


def one_cell(population: Population, margin: float, horizon: int) -> Run:
    """One metric, all conversations: the verdict, and each leg alone."""

    def run(rng: np.random.Generator, rows: int) -> Result:
        plan = schedule(rng, rows, horizon)
        cell = planned(population.production, population.icc, margin)
        looks = decide([Seen(cell, plan.turns, _harm(rng, population, plan))], ALPHA)
        legs = {
            name: turns_at(leg, plan.closing)
            for name, leg in zip(("leg_conversation", "leg_turn"), looks.legs, strict=True)
        }
        return {**_verdicts(looks, plan.closing), **legs}

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
            **_verdicts(looks, plan.closing),
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
        found = _verdicts(looks, closing)
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
        harm = np.where(dark, _harm(rng, night, plan), _harm(rng, day, plan))
        seen = [Seen(planned(day.production, day.icc, margin), plan.turns, harm)]
        ends = cycle_ends(plan.closing, cycle, horizon)
        found = _verdicts(decide(seen, ALPHA, cycle_end=ends), plan.closing)
        found["no_cycle"] = turns_at(decide(seen, ALPHA).promote, plan.closing)
        within = decide(seen, ALPHA, cycle_end=ends, latch_always=True)
        return {**found, "latched_within": turns_at(within.promote, plan.closing)}

    return run


METRICS = ((0.02, 0.01), (0.02, 0.01), (0.01, 0.005), (0.01, 0.005), (0.005, 0.003), (0.005, 0.003))
"""Production's failure rate and the margin of each metric."""

SLICES = (0.6, 0.25, 0.1, 0.05)
THIRD = 2
"""The slice of one conversation in ten."""


@dataclass(frozen=True)
class Grid:
    """Six metrics, each overall and on the slices of the first ``sliced`` ones; harm per metric and slice."""

    sliced: int
    times: int
    icc: float
    horizon: int
    harm: tuple[tuple[float, ...], ...]
    """Per metric, per slice: how much more often the candidate fails per turn."""
    promotes: bool
    """Whether promotion is looked at: it costs three times as much."""

    def cells(self) -> list[tuple[int, int | None]]:
        """Metric and slice; None: overall."""
        overall: list[tuple[int, int | None]] = [(metric, None) for metric in range(len(METRICS))]
        return overall + list(product(range(self.sliced), range(len(SLICES))))


def many_cells(grid: Grid) -> Run:
    """Metrics are independent of each other; a conversation lies in one slice."""

    def run(rng: np.random.Generator, rows: int) -> Result:
        plan = schedule(rng, rows, grid.horizon)
        where = np.searchsorted(np.cumsum(SLICES)[:-1], rng.random(plan.turns.shape))
        harms = []
        for (production, _), extra in zip(METRICS, grid.harm, strict=True):
            drawn = {each: _harm(rng, Population(production, production + each, grid.icc), plan) for each in set(extra)}
            harms.append(np.choose(where, [drawn[each] for each in extra]))
        cells = []
        for metric, part in grid.cells():
            production, margin = METRICS[metric]
            times, share = (1, 1.0) if part is None else (grid.times, SLICES[part])
            cell = planned(production, grid.icc, round(margin * times, 9), share)
            inside = plan.turns if part is None else np.where(where == part, plan.turns, 0)
            cells.append(Seen(cell, inside, np.where(inside > 0, harms[metric], 0)))
        reject = first(mean_e(cells) >= 1 / ALPHA)
        found = {
            "reject": turns_at(reject, plan.closing),
            "uncorrected": np.min([first(each.e_reject >= 1 / ALPHA) for each in cells], axis=0),
        }
        if not grid.promotes:
            return found
        legs = [first(leg) for each in cells for leg in each.legs(ALPHA)]
        looks, overall = plan.turns.shape[1], len(METRICS)
        alone = first(mean_e(cells[:overall]) >= 1 / ALPHA)
        promote = promotion(legs, reject, None, looks)
        return {
            **found,
            **_culprits(cells, reject, grid.cells().index((0, THIRD))),
            "promote": turns_at(promote, plan.closing),
            "overall_alone": turns_at(promotion(legs[: 2 * overall], alone, None, looks), plan.closing),
        }

    return run


def _culprits(cells: list[Seen], reject: np.ndarray, guilty: int) -> Result:
    """Whether the guilty cell is named for certain at the look of REJECT, and whether an innocent one is: 1, NEVER."""
    named, innocent = np.full(len(reject), NEVER), np.full(len(reject), NEVER)
    for row, look in enumerate(reject.tolist()):
        if look != NEVER:
            certain = certain_culprits([float(cell.log_reject[row, look - 1]) for cell in cells], ALPHA)
            named[row] = 1 if guilty in certain else NEVER
            innocent[row] = 1 if set(certain) - {guilty} else NEVER
    return {"culprit": named, "innocent": innocent}


BAD_SLICE = 0.12


def hidden_slice(horizon: int, icc: float) -> Run:
    """A slice whose success falls 80 -> 55 % inside 92 -> 89 % overall: the harm is within the overall margin."""
    slices = (BAD_SLICE, 0.25, 0.40, 1 - BAD_SLICE - 0.65)
    good = (0.08 - 0.20 * BAD_SLICE) / (1 - BAD_SLICE)
    margin = 0.04  # half the overall failure rate of 8 %
    outside, inside = Population(good, good, icc), Population(0.20, 0.45, icc)

    def run(rng: np.random.Generator, rows: int) -> Result:
        plan = schedule(rng, rows, horizon)
        where = np.searchsorted(np.cumsum(slices)[:-1], rng.random(plan.turns.shape))
        harm = np.where(where == 0, _harm(rng, inside, plan), _harm(rng, outside, plan))
        cells = [Seen(planned(0.08, icc, margin), plan.turns, harm)]
        for part, share in enumerate(slices):
            turned = np.where(where == part, plan.turns, 0)
            cell = planned(good if part else 0.20, icc, round(margin * SLICE_TIMES, 9), share)
            cells.append(Seen(cell, turned, np.where(turned > 0, harm, 0)))
        looks = decide(cells, ALPHA)
        return {
            **_verdicts(looks, plan.closing),
            **_culprits(cells, looks.reject, 1),
            "overall_alone": turns_at(decide(cells[:1], ALPHA).promote, plan.closing),
        }

    return run


def sentinel(population: Population, conversations: int, horizon: int) -> Run:
    """The control arm's A/A check over so many conversations: its alarm, and the one-sided REJECT at margin 0."""

    def run(rng: np.random.Generator, rows: int) -> Result:
        plan = schedule(rng, rows, horizon)
        kept = slice(0, conversations)
        at = index(plan.turns, _harm(rng, population, plan))[:, kept]
        quiet = Population(population.production, population.production, population.icc)
        empty = Sentinel.none_yet(bias=0.01, variance=quiet.variance_x())
        worse, better = (log_mixture(log_wealth(table, at), empty.weights) for table in sentinel_terms(empty))
        both = (np.exp(np.minimum(worse, 600)) + np.exp(np.minimum(better, 600))) / 2
        return {
            "alarm": first(both >= 1 / ALPHA),
            "reject_at_0": first(worse >= -math.log(ALPHA)),
            "wrong_side": np.where(
                (both >= 1 / ALPHA).any(axis=1) & (worse.max(axis=1) < better.max(axis=1)), 1, NEVER
            ),
        }

    return run


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
    from scipy.stats import binom  # noqa: PLC0415 (a second to import, for this alone)

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
