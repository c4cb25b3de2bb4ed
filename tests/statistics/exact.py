"""The goals that are no simulation: certification without an event, exactness, cost."""

from __future__ import annotations

import math
import random
import timeit
from collections.abc import Callable, Iterator
from functools import reduce
from time import process_time

import numpy as np

from shadow.gate import budget
from shadow.gate.budget import EventCounts
from shadow.gate.conversations import Closed
from shadow.gate.evidence import Paired, Tuning
from shadow.gate.guardrails import OVERALL, Cell
from tests.statistics.catalogue import BASE, ICC, MARGIN
from tests.statistics.figures import Figure, Measured
from tests.statistics.population import Population, sample_turns
from tests.statistics.scenario import ALPHA

ALLOWED = (0.01, 0.001, 0.0005, 0.0001)
PARTITIONINGS = 20
CONVERSATIONS = 20_000
AT_A_TIME = 500
"""Closed conversations that a service would add together."""


def figures() -> Iterator[Figure]:
    yield from certification()
    yield from exactness()
    yield from cost()


def certification() -> Iterator[Figure]:
    """G9."""
    ratios = tuple(Measured(quiet_needed(p) / math.ceil(math.log(ALPHA) / math.log1p(-p)), 0, "x") for p in ALLOWED)
    what = "conversations without an event that certify 1, 0.1, 0.05, 0.01 %, over Clopper-Pearson's"
    yield Figure("G9", what, ratios, at_most=1.4)


def quiet_needed(allowed: float) -> int:
    """The least number of conversations without an event that certifies the budget."""
    low, high = 0, math.ceil(100 / allowed)
    while high - low > 1:
        middle = (low + high) // 2
        enough = budget.log_e(EventCounts(middle, 0), allowed, "promote") >= -math.log(ALPHA)
        low, high = (low, middle) if enough else (middle, high)
    return high


def conversations(count: int) -> list[Closed]:
    """Closed conversations of an equal candidate."""
    rng = np.random.default_rng(5)
    turns = sample_turns(rng, count)
    harm = Population(BASE, BASE, ICC).sample_harm(rng, turns)
    return [Closed(s / m, m, s, s != 0) for m, s in zip(turns.tolist(), harm.tolist(), strict=True)]


def empty() -> Paired:
    bets = Population(BASE, BASE, ICC).bets(MARGIN)
    return Paired.none_yet(Cell("wrong_action", OVERALL, "failure", MARGIN), bets, Tuning.at(1_000, alpha=ALPHA))


def split(closed: list[Closed], rng: random.Random) -> list[list[Closed]]:
    """Some other partitioning and order."""
    parts: list[list[Closed]] = [[] for _ in range(rng.randint(2, 16))]
    for each in rng.sample(closed, len(closed)):
        rng.choice(parts).append(each)
    return parts


def exactness() -> Iterator[Figure]:
    """G10: distinct results among twenty partitionings, of the gate's integers and of floating point sums."""
    closed, rng = conversations(2_000), random.Random(7)
    whole, exact, floating = reduce(Paired.add, closed, empty()), 0, set()
    for _ in range(PARTITIONINGS):
        parts = split(closed, rng)
        exact += reduce(Paired.merge, (empty().add_all(part) for part in parts)) == whole
        floating.add(sum(sum(math.log1p(0.5 * (MARGIN - each.x)) for each in part) for part in parts))
    share = Measured(exact / PARTITIONINGS, 0, "%")
    yield Figure("G10", "partitionings and orders that give the same bits", (share,), at_least=1.0)
    yield Figure("", f"distinct floating point sums in {PARTITIONINGS} partitionings", (Measured(len(floating), 0),))


def cost() -> Iterator[Figure]:
    """G10: processor time of a conversation and cell, both estimands, best of five; and what a cell is made of."""
    closed, start = conversations(CONVERSATIONS), empty()
    batches = [closed[at : at + AT_A_TIME] for at in range(0, len(closed), AT_A_TIME)]
    values = [each.x for each in closed]
    ways: dict[str, Callable[[], object]] = {
        "Wealth.add": lambda: reduce(type(start.wealth).add, values, start.wealth),
        "Paired.add, one by one": lambda: reduce(Paired.add, closed, start),
        f"Paired.add_all, {AT_A_TIME} at a time": lambda: reduce(Paired.add_all, batches, start),
    }
    for name, way in ways.items():
        spent = min(timeit.repeat(way, timer=process_time, number=1, repeat=5)) / len(closed) * 1e6
        yield Figure("G10", f"cost of {name}", (Measured(spent, 0, "us"),), at_most=5, timed=True)
    yield Figure("G10", "numbers of a cell, 8 bytes each", (Measured(8 * numbers(start), 0, "bytes"),), at_most=200)


def numbers(evidence: Paired) -> int:
    """Integers that change as conversations come in: all that must be kept and sent."""
    wealth, sums = evidence.wealth, evidence.sums
    return len(wealth.promote) + len(wealth.reject) + 3 + (len(sums.__slots__) if sums is not None else 0)
