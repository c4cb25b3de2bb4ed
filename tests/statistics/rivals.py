"""The rules that others decide by, as pure functions from streams of turns to the turn of promotion.

Re-implemented from their sources as rules about failure rates; all were made for infrastructure metrics and many
requests, not for rates of 2 %. Where they need a threshold they get production's rate and the margin. ``NEVER``: not
promoted.

=================  ==================================================================================================
kayenta            spinnaker/kayenta, NetflixACAJudge and MannWhitneyClassifier: fails when the lower end of the 98 %
                   interval of the shift exceeds a quarter of the Hodges-Lehmann estimate. 50 points of 20 turns a run;
                   each run has all points so far (the growing lookback).
                   The interval inverts the rank sum test (ties and continuity corrected) as R's does; the estimate is
                   the median of pairwise differences; its outlier filter is left out.
argo               argoproj/argo-rollouts, analysis.go, assessMetricStatus: fails once more than failureLimit
                   measurements failed, succeeds when ``count`` were taken: candidate's rates over 100 turns.
flagger            fluxcd/flagger, scheduler: ``iterations`` passed checks promote, ``threshold`` failed ones roll
                   back; ten each. A check: candidate's rate over 100 turns.
z_peeked           the textbook test of non-inferiority at 5 %, after every turn from the hundredth.
clusters_ignored   this project's own two tests, with turns as if they were independent.
=================  ==================================================================================================
"""

from __future__ import annotations

import math

import numpy as np
from scipy.special import ndtri

from shadow.gate.betting import SCALE, focused4
from tests.statistics.vector import NEVER, boundary, first

POINT = 20
POINTS = 50
MEASUREMENT = 100
COUNT = 10
FROM = 100
Z_98 = float(ndtri(0.99))
Z_95 = float(ndtri(0.95))


def kayenta(production: np.ndarray, candidate: np.ndarray, *, runs: int) -> np.ndarray:
    """Promoted at the end of the first ``runs`` runs if all of them pass."""
    passed = np.ones(len(production), dtype=bool)
    for run in range(1, runs + 1):
        shape = (len(production), run * POINTS, POINT)
        points = [side[:, : run * POINTS * POINT].reshape(shape).sum(axis=2) for side in (production, candidate)]
        passed &= ~kayenta_fails(*points)
    return np.where(passed, runs * POINTS * POINT, NEVER)


def kayenta_fails(control: np.ndarray, experiment: np.ndarray) -> np.ndarray:
    """Whether each row's counts are classified High."""
    below, above = (_histogram(side) for side in (control, experiment))
    top, total = below.shape[1] - 1, control.shape[1] + experiment.shape[1]
    pairs = control.shape[1] * experiment.shape[1]
    steps = np.arange(-top, top + 1)
    differences = np.stack([_pairs_apart(below, above, step) for step in steps.tolist()], axis=1)
    sums = np.cumsum(differences, axis=1)
    low, high = (sums >= pairs / 2).argmax(axis=1), (sums > pairs / 2).argmax(axis=1)
    shift = 0.25 * np.abs((low + high) / 2 - top)
    over = (differences * (steps > shift[:, None])).sum(axis=1)
    tied = (differences * (steps == shift[:, None])).sum(axis=1)
    excess = over + tied / 2 - pairs / 2
    whole = np.where(shift == np.round(shift), np.round(shift), -1).astype(int)
    ties = np.array([_ties(a, b, each) for a, b, each in zip(below, above, whole.tolist(), strict=True)])
    spread = np.sqrt(pairs / 12 * (total + 1 - ties / (total * (total - 1))))
    return excess - 0.5 * np.sign(excess) > Z_98 * np.maximum(spread, 1e-9)


def _pairs_apart(below: np.ndarray, above: np.ndarray, step: int) -> np.ndarray:
    """Pairs of a control and an experiment count, the latter ``step`` more."""
    size = below.shape[1]
    down, up = below[:, max(0, -step) : size - max(0, step)], above[:, max(0, step) : size - max(0, -step)]
    return (down * up).sum(axis=1)


def _histogram(counts: np.ndarray) -> np.ndarray:
    found = np.zeros((len(counts), POINT + 1), dtype=np.int64)
    np.add.at(found, (np.arange(len(counts))[:, None], counts), 1)
    return found


def _ties(control: np.ndarray, experiment: np.ndarray, shift: int) -> float:
    """Sum of t^3 - t over groups of equal values, the experiment's moved down by ``shift``; -1: none coincide."""
    if shift < 0:
        groups = np.concatenate([control, experiment])
    else:
        groups = np.concatenate([np.zeros(shift, dtype=np.int64), control])
        groups[: len(experiment)] += experiment
    return float((groups**3 - groups).sum())


def _rates(candidate: np.ndarray) -> np.ndarray:
    rows, turns = candidate.shape
    whole = turns // MEASUREMENT * MEASUREMENT
    return candidate[:, :whole].reshape(rows, -1, MEASUREMENT).mean(axis=2)


def argo(candidate: np.ndarray, *, threshold: float, failure_limit: int) -> np.ndarray:
    """``count`` 10: succeeds unless more than ``failure_limit`` of the first ten measurements failed."""
    failed = (_rates(candidate)[:, :COUNT] > threshold + 1e-12).sum(axis=1)
    return np.where(failed <= failure_limit, COUNT * MEASUREMENT, NEVER)


def flagger(candidate: np.ndarray, *, threshold: float) -> np.ndarray:
    """Ten passed checks before ten failed ones."""
    passed = _rates(candidate) <= threshold + 1e-12
    good, bad = first(np.cumsum(passed, axis=1) >= COUNT), first(np.cumsum(~passed, axis=1) >= COUNT)
    return np.where(good < bad, np.where(good == NEVER, 0, good) * MEASUREMENT, NEVER)


def z_peeked(production: np.ndarray, candidate: np.ndarray, *, margin: float) -> np.ndarray:
    """Without a discordant turn yet there is no standard error, and no promotion."""
    _, z = _standardised(production, candidate, margin)
    n = np.arange(1, z.shape[1] + 1)
    return first((n >= FROM) & (z >= Z_95 * np.sqrt(n)))


def asymptotic_ignoring_clusters(
    production: np.ndarray, candidate: np.ndarray, *, margin: float, alpha: float, rho: float
) -> np.ndarray:
    """The per-turn leg's boundary, a conversation being one turn."""
    _, z = _standardised(production, candidate, margin)
    return first(z >= boundary(alpha, rho, z.shape[1])[1:])


def betting_ignoring_clusters(
    production: np.ndarray, candidate: np.ndarray, *, margin: float, alpha: float, rate: float
) -> np.ndarray:
    """The bets, a conversation being one turn; planned for production's own noise."""
    bets = focused4(margin, 2 * rate * (1 - rate))
    worse, better, n = (
        np.cumsum(candidate & ~production, axis=1),
        np.cumsum(production & ~candidate, axis=1),
        np.arange(1, production.shape[1] + 1),
    )
    up, down, same = (bets.growth(x)[0] for x in (1.0, -1.0, 0.0))
    evidence = sum(
        weight * np.exp((worse * u + better * d + (n - worse - better) * s) / SCALE)
        for weight, u, d, s in zip(bets.weights, up, down, same, strict=True)
    )
    return first(evidence >= 1 / alpha)


def _standardised(production: np.ndarray, candidate: np.ndarray, margin: float) -> tuple[np.ndarray, np.ndarray]:
    """Running sums of the difference, and of margin minus difference over its standard deviation."""
    difference = candidate.astype(np.int8) - production.astype(np.int8)
    n = np.arange(1, difference.shape[1] + 1)
    total = np.cumsum(difference, axis=1, dtype=np.int32)
    variance = np.cumsum(difference != 0, axis=1, dtype=np.int32) / n - (total / n) ** 2
    with np.errstate(divide="ignore"):
        z = np.where(variance > 0, (margin * n - total) / np.sqrt(np.maximum(variance, 1e-300)), -math.inf)
    return total, z
