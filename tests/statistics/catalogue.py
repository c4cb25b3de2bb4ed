"""All scenarios by name. A name is also a seed: renaming a scenario draws other streams."""

from __future__ import annotations

from functools import cache
from itertools import product

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
WATCHED = 5_000
"""Conversations that the sentinel is watched for."""


def informative() -> Population:
    """Better in short conversations, worse in long ones: per turn exactly at the margin, per conversation under it."""
    low, high = (Population(BASE, 0.005, ICC, long_candidate=each) for each in (0.05, 0.06))
    part = (MARGIN - low.harm_per_turn()) / (high.harm_per_turn() - low.harm_per_turn())
    return Population(BASE, 0.005, ICC, long_candidate=0.05 + 0.01 * part)


MARGINS = tuple((margin,) * len(SLICES) for _, margin in METRICS)


@cache
def catalogue() -> dict[str, Scenario]:
    """Every scenario, in the order in which they are run."""
    found: list[Scenario] = []

    def put(name: str, run: Run, *settings: object, rows: int = 50, share: float = 1.0) -> None:
        found.append(Scenario(name, run, {"settings": repr(settings)}, rows, share))

    for difference, icc in [*((each, ICC) for each in DIFFERENCES), *((MARGIN, each) for each in (0.0, 0.1, 0.3))]:
        population = Population(BASE, BASE + difference, icc)
        horizon = HORIZON[BASE]
        put(f"league {difference} {icc}", league(population, MARGIN, horizon), population, MARGIN, horizon)
    for (base, margin), icc in product(BASES.items(), CORRELATIONS):
        for kind, candidate in (("edge", base + margin), ("equal", base)):
            population = Population(base, candidate, icc)
            run = one_cell(population, margin, HORIZON[base])
            put(f"{kind} {base} {icc}", run, population, margin, HORIZON[base])
    uneven = informative()
    put("informative", one_cell(uneven, MARGIN, HORIZON[BASE]), uneven, MARGIN, HORIZON[BASE])
    edge = Population(BASE, BASE + MARGIN, ICC)
    put("late", late(edge, MARGIN, HORIZON[BASE]), edge, MARGIN, HORIZON[BASE])
    equal = Population(BASE, BASE, ICC)
    night = Population(BASE, BASE + NIGHT_HARM, ICC)
    for cycle, horizon in CYCLES.items():
        for name, dark in (("night", night), ("calm", equal)):
            run = day_and_night(equal, dark, MARGIN, cycle, horizon)
            put(f"{name} {cycle}", run, dark, MARGIN, cycle, horizon, NIGHT)
    for name, grid in grids().items():
        share = 0.2 if grid.promotes or grid.harm != MARGINS else 0.5
        put(f"grid {name}", many_cells(grid), grid, METRICS, SLICES, rows=25, share=share)
    put("hidden slice", hidden_slice(HORIZON[BASE], ICC), HORIZON[BASE], ICC)
    half = Population(BASE, BASE + MARGIN / 2, ICC)
    for name, population in (("same", equal), ("biased", edge), ("half biased", half)):
        put(f"sentinel {name}", sentinel(population, WATCHED, 32_000), population, WATCHED)
    for name, rate in (("edge", BUDGET), ("half", BUDGET / 2)):
        put(f"budget {name}", rare_events(rate, BUDGET, 40_000), rate, BUDGET, rows=500)
    return {each.name: each for each in found}


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
