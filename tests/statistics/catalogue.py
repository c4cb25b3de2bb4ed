"""All scenarios by name. A name is also a seed: renaming a scenario draws other streams."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from itertools import chain, product

from shadow.gate.guardrails import SLICE_TIMES
from tests.statistics.cells import METRICS, SLICES, THIRD, Grid, hidden_slice, many_cells
from tests.statistics.population import Population
from tests.statistics.rare import rare_events
from tests.statistics.scenario import NIGHT, Run, Scenario, day_and_night, late, league, one_cell, sentinel

BASES = {0.02: 0.01, 0.005: 0.003, 0.002: 0.002}
"""Production's failure rate per turn, and the margin."""

CORRELATIONS = (0.0, 0.1, 0.2, 0.3)
HORIZON = {0.02: 20_000, 0.005: 55_000, 0.002: 55_000}
"""Production turns: about four times what an equal candidate needs."""

ICC = 0.2
BASE, MARGIN = 0.02, BASES[0.02]
DIFFERENCES = (-0.005, 0.0, 0.005, 0.01, 0.02)
CYCLES = {2_000: 20_000, 5_000: 20_000, 20_000: 60_000}
"""Production turns a day, and the horizon."""

NIGHT_HARM = 0.04
GRID_HORIZON = 60_000
BUDGET = 0.001
WATCHED, WATCHED_TURNS = 16_000, 100_000
"""Conversations that the sentinel is watched for, and the turns that have them."""


def informative() -> Population:
    """Better in short conversations, worse in long ones: per turn exactly at the margin, per conversation under it."""
    low, high = (Population(BASE, 0.005, ICC, long_candidate=each) for each in (0.05, 0.06))
    part = (MARGIN - low.harm_per_turn()) / (high.harm_per_turn() - low.harm_per_turn())
    return Population(BASE, 0.005, ICC, long_candidate=0.05 + 0.01 * part)


MARGINS = tuple((margin,) * len(SLICES) for _, margin in METRICS)


EQUAL = Population(BASE, BASE, ICC)
EDGE = Population(BASE, BASE + MARGIN, ICC)
USUAL = HORIZON[BASE]


@cache
def catalogue() -> dict[str, Scenario]:
    """Every scenario, in the order in which they are listed here."""
    parts = (rules(), one_metric(), order(), hours(), cells(), alarms())
    return {each.name: each for each in chain(*parts)}


def scenario(name: str, run: Run, *settings: object, rows: int = 50, share: float = 1.0) -> Scenario:
    """``settings`` stand for what ``run`` was made of."""
    return Scenario(name, run, {"settings": repr(settings)}, rows, share)


def rules() -> Iterator[Scenario]:
    """All rules on the same streams."""
    for difference, icc in [*((each, ICC) for each in DIFFERENCES), *((MARGIN, each) for each in (0.0, 0.1, 0.3))]:
        whom = Population(BASE, BASE + difference, icc)
        yield scenario(f"league {difference} {icc}", league(whom, MARGIN, USUAL), whom, MARGIN, USUAL)


def one_metric() -> Iterator[Scenario]:
    """At the margin, and equal."""
    for (base, margin), icc in product(BASES.items(), CORRELATIONS):
        for kind, candidate in (("edge", base + margin), ("equal", base)):
            whom, horizon = Population(base, candidate, icc), HORIZON[base]
            yield scenario(f"{kind} {base} {icc}", one_cell(whom, margin, horizon), whom, margin, horizon)


def order() -> Iterator[Scenario]:
    """Harm in long conversations, which close last; and failures that arrive late."""
    uneven = informative()
    yield scenario("informative", one_cell(uneven, MARGIN, USUAL), uneven, MARGIN, USUAL)
    by_chance = one_cell(uneven, MARGIN, USUAL, at_once=True)
    yield scenario("at once informative", by_chance, uneven, MARGIN, USUAL)
    yield scenario("late", late(EDGE, MARGIN, USUAL), EDGE, MARGIN, USUAL)


def hours() -> Iterator[Scenario]:
    """Harm at night, and none."""
    night = Population(BASE, BASE + NIGHT_HARM, ICC)
    for cycle, horizon in CYCLES.items():
        for name, dark in (("night", night), ("calm", EQUAL)):
            run = day_and_night(EQUAL, dark, MARGIN, cycle, horizon)
            yield scenario(f"{name} {cycle}", run, dark, MARGIN, cycle, horizon, NIGHT)


def cells() -> Iterator[Scenario]:
    """Many cells, where one stream costs many times the usual; and a bad slice."""
    for name, grid in grids().items():
        share = 0.2 if grid.promotes or grid.harm != MARGINS else 0.5
        yield scenario(f"grid {name}", many_cells(grid), grid, METRICS, SLICES, rows=25, share=share)
    yield scenario("hidden slice", hidden_slice(USUAL, ICC), USUAL, ICC)


def alarms() -> Iterator[Scenario]:
    """The sentinel and the budget."""
    half = Population(BASE, BASE + MARGIN / 2, ICC)
    for name, whom in (("same", EQUAL), ("biased", EDGE), ("half biased", half)):
        run = sentinel(whom, WATCHED, WATCHED_TURNS)
        yield scenario(f"sentinel {name}", run, whom, WATCHED, rows=20, share=0.5)
    for name, rate in (("edge", BUDGET), ("half", BUDGET / 2)):
        yield scenario(f"budget {name}", rare_events(rate, BUDGET, 40_000), rate, BUDGET, rows=500)


def grids() -> dict[str, Grid]:
    """Six metrics on four slices: the gate's own fourteen cells, and thirty that all have the overall margin."""
    none = tuple((0.0,) * len(SLICES) for _ in METRICS)

    def slice_harm(extra: float) -> tuple[tuple[float, ...], ...]:
        return (tuple(extra if part == THIRD else 0.0 for part in range(len(SLICES))), *none[1:])

    thirty = {"sliced": len(METRICS), "times": 1, "icc": ICC, "promotes": False}
    gate = {"sliced": 2, "times": SLICE_TIMES, "icc": ICC, "horizon": GRID_HORIZON, "promotes": True}
    return {
        "thirty at the margin": Grid(harm=MARGINS, horizon=GRID_HORIZON, **thirty),
        "thirty, slice +3 pp": Grid(harm=slice_harm(0.03), horizon=2 * GRID_HORIZON, **thirty),
        "gate at the margin": Grid(harm=MARGINS, **gate),
        "gate, slice +3 pp": Grid(harm=slice_harm(0.03), **gate),
        "gate, slice +6 pp": Grid(harm=slice_harm(0.06), **gate),
        "gate, equal": Grid(harm=none, **gate),
    }
