"""Streams with many cells: six metrics on four slices, and harm that hides in a slice."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np

from shadow.gate.guardrails import SLICE_TIMES
from shadow.gate.verdict import certain_culprits
from tests.statistics.population import Population
from tests.statistics.scenario import ALPHA, Result, Run, harm_of, planned, verdicts
from tests.statistics.schedule import schedule
from tests.statistics.vector import NEVER, Seen, decide, first, latched, mean_e, promotion, turns_at

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
            drawn = {
                each: harm_of(rng, Population(production, production + each, grid.icc), plan) for each in set(extra)
            }
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
        legs = latched(cells, ALPHA)
        looks, overall = plan.turns.shape[1], len(METRICS)
        alone = first(mean_e(cells[:overall]) >= 1 / ALPHA)
        promote = promotion(legs, reject, None, looks)
        return {
            **found,
            **culprits(cells, reject, grid.cells().index((0, THIRD))),
            "promote": turns_at(promote, plan.closing),
            "overall_alone": turns_at(promotion(legs[: 2 * overall], alone, None, looks), plan.closing),
        }

    return run


def culprits(cells: list[Seen], reject: np.ndarray, guilty: int) -> Result:
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
        harm = np.where(where == 0, harm_of(rng, inside, plan), harm_of(rng, outside, plan))
        cells = [Seen(planned(0.08, icc, margin), plan.turns, harm)]
        for part, share in enumerate(slices):
            turned = np.where(where == part, plan.turns, 0)
            cell = planned(good if part else 0.20, icc, round(margin * SLICE_TIMES, 9), share)
            cells.append(Seen(cell, turned, np.where(turned > 0, harm, 0)))
        looks = decide(cells, ALPHA)
        return {
            **verdicts(looks, plan.closing),
            **culprits(cells, looks.reject, 1),
            "overall_alone": turns_at(decide(cells[:1], ALPHA).promote, plan.closing),
        }

    return run
