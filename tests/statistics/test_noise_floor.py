"""The noise floor looked at after every conversation: equal arms are seldom called different, and gibberish at once.

Synthetic divergences with fixed seeds (STATISTICS: shared Beta(2, 5) of a conversation, N(0, 0.12) of each arm's turn).
The streams run in numpy over the evidence's own growth and boundary; some run through the evidence itself, conversation
by conversation, and must come to the same.
"""

from __future__ import annotations

import math

import numpy as np
import pytest

from shadow.gate.betting import SCALE
from shadow.gate.excess import GRID, WEIGHTS, Excess, _rho, growth
from shadow.gate.noise_floor import noise_floor
from shadow.gate.prefix import prefixes
from shadow.gate.robbins import two_sided_boundary
from shadow.gate.sides import Measured
from shadow.gate.turn_weighted import LEAST_CONVERSATIONS, LEAST_DISCORDANT

ALPHA = 0.05
HORIZON = 3_000
COUNT = 1_500
CHUNK = 250
MOST_TURNS = 12
NEVER = np.iinfo(np.int64).max
TABLE = np.array([growth(x) for x in range(-GRID, GRID + 1)])


def divergences(rng: np.random.Generator, shape, excess: float = 0.0):
    """Mean differences of conversations of 1 + Poisson(5) turns, in steps."""
    turns = np.minimum(1 + rng.poisson(5, shape), MOST_TURNS)
    shared = rng.beta(2, 5, (*shape, MOST_TURNS))
    sides = [np.clip(shared + each + rng.normal(0, 0.12, shared.shape), 0, 1) for each in (excess, 0.0)]
    counted = np.arange(MOST_TURNS) < turns[..., None]
    means = np.where(counted, sides[0] - sides[1], 0.0).sum(axis=-1) / turns
    return np.rint(means * GRID).astype(np.int64)


def rare(rng: np.random.Generator, shape, rate: float):
    """An action that each arm takes otherwise in so many conversations: 1, -1 or mostly 0."""
    sides = [rng.random(shape) < rate for _ in range(2)]
    return (sides[0].astype(np.int64) - sides[1]) * GRID


def called_different(x: np.ndarray, alpha: float = ALPHA) -> np.ndarray:
    """After how many conversations each stream (a row) is first called different."""
    n = np.arange(1, x.shape[1] + 1)
    wealth = np.cumsum(TABLE[x + GRID], axis=1)
    most = wealth.max(axis=2)
    log_e = most / SCALE + np.log(np.exp((wealth - most[:, :, None]) / SCALE) @ np.array(WEIGHTS))
    mean = np.cumsum(x, axis=1) / (GRID * n)
    variance = np.maximum(np.cumsum(x * x, axis=1) / (GRID * GRID * n) - mean**2, 0)
    radius = np.sqrt(variance) * np.array([two_sided_boundary(each, alpha / 2, _rho(alpha / 2)) for each in n]) / n
    enough = (n >= LEAST_CONVERSATIONS) & (np.cumsum(x != 0, axis=1) >= LEAST_DISCORDANT)
    return first((log_e >= math.log(2 / alpha)) | (enough & (np.abs(mean) > radius)))


def first(reached: np.ndarray) -> np.ndarray:
    """Per stream, at which conversation it was first reached; ``NEVER`` if it was not."""
    return np.where(reached.any(axis=1), reached.argmax(axis=1) + 1, NEVER)


def streams(seed: int, make, count: int = COUNT) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return np.concatenate([called_different(make(rng, (CHUNK, HORIZON))) for _ in range(count // CHUNK)])


def share(found: np.ndarray) -> float:
    return float((found != NEVER).mean())


AGAINST_ITSELF = {
    "divergence": divergences,
    "an action in 1 of 20": lambda rng, shape: rare(rng, shape, 0.05),
    "an action in 1 of 200": lambda rng, shape: rare(rng, shape, 0.005),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", list(AGAINST_ITSELF))
def test_a_control_against_a_second_control_is_seldom_called_different(name):
    """A/A: at most alpha of the streams, ever, looked at after each of 3,000 conversations."""
    found = streams(11, AGAINST_ITSELF[name])
    print(f"A/A, {name}: called different in {share(found):.4f} of {COUNT} streams of {HORIZON} conversations")
    assert share(found) <= ALPHA


@pytest.mark.parametrize("excess", [0.02, 0.05])
def test_a_real_excess_is_called(excess):
    found = streams(12, lambda rng, shape: divergences(rng, shape, excess), count=500)
    print(f"excess {excess}: {share(found):.3f} called, median after {np.median(found):.0f} conversations")
    assert share(found) >= 0.99


def test_gibberish_is_called_within_twenty_conversations():
    """Nine tenths of what could be, against a model that differs from itself by a Beta(2, 9)."""
    rng = np.random.default_rng(13)
    x = np.rint((rng.beta(18, 2, (2_000, 40)) - rng.beta(2, 9, (2_000, 40))) * GRID).astype(np.int64)
    found = called_different(x)
    print(f"gibberish: median {np.median(found):.0f}, slowest {found.max()} conversations")
    assert found.max() <= 20


def test_the_evidence_itself_comes_to_the_same_conversation_by_conversation():
    """The simulation above is of the evidence, not of something like it."""
    rng = np.random.default_rng(14)
    x = np.concatenate([divergences(rng, (3, 600), 0.03), rare(rng, (3, 600), 0.1)])
    expected = called_different(x)
    assert (expected != NEVER).any()
    for row, when in zip(x, expected, strict=True):
        evidence, calls = Excess(), []
        for step in row.tolist():
            evidence = evidence.merge(Excess.of({step: 1}, turns=1))
            calls.append(evidence.call(alpha=ALPHA))
        assert (calls.index("different") + 1 if "different" in calls else NEVER) == when


def test_being_picked_by_ones_own_agreement_is_no_advantage():
    """A/A where an arm that is close stays close: picked by both prefixes equal arms are equal, by one they are not."""
    rng = np.random.default_rng(15)
    habit = rng.beta(2, 6, (2, 4_000))  # of each arm in each conversation
    scores = np.clip(habit[:, :, None] + rng.normal(0, 0.1, (2, 4_000, 4)), 0, 1)
    agreed = scores <= 0.3
    sides = [
        [
            Measured(f"c{c}", f"c{c}:{t}", {"semantic": float(scores[arm, c, t])}, prefix=prefix)
            for c in range(4_000)
            for t, prefix in enumerate(prefixes(list(enumerate(agreed[arm, c].tolist()))))
        ]
        for arm in range(2)
    ]
    careless = [Measured(row.conversation_id, row.turn_id, row.scores) for row in sides[1]]
    [fair], [unfair] = noise_floor(*sides, alpha=ALPHA), noise_floor(sides[0], careless, alpha=ALPHA)
    print(f"picked by both {fair.excess:+.4f} ({fair.call}), by the candidate's alone {unfair.excess:+.4f}")
    assert fair.call == "no_difference"
    assert unfair.call == "different"
