"""P7: false PROMOTE and false REJECT at or under the stated rate with a look after every conversation.

Simulated with fixed seeds. The many streams run in numpy, over the gate's own growth of the bets and its own boundary;
the first streams run through the gate itself, conversation by conversation, and must come to the same.
"""

from __future__ import annotations

import math

import numpy as np
import pytest

from shadow.gate.conversations import Closed
from shadow.gate.evidence import Paired, Tuning
from shadow.gate.guardrails import OVERALL, Cell
from shadow.gate.plan import conversations_needed, physical_limit, plan_bets
from shadow.gate.rules import Latch, Rule, Situation
from shadow.gate.verdict import decide
from tests.fixtures.streams import NEVER, Looks, Streams, draw, look_after_each

ALPHA = 0.05
MARGIN = 0.01
BASE = 0.02
CHUNK = 250
HORIZON = 3_400  # about 20,000 turns
LEAST = 200
TUNING = Tuning.at(1_000, alpha=ALPHA)
CORRELATIONS = [0.0, 0.2]


def planned(icc: float):
    """Bets planned from production asked twice, in another stream."""
    control = draw(np.random.default_rng(1), 1, 4_000, production=BASE, candidate=BASE, icc=icc).values[0].tolist()
    return plan_bets(MARGIN, control)


def simulate(candidate: float, icc: float, *, count: int, seed: int) -> tuple[Looks, Streams]:
    rng, bets = np.random.default_rng(seed), planned(icc)
    parts, streams = [], []
    for _ in range(count // CHUNK):
        streams.append(draw(rng, CHUNK, HORIZON, production=BASE, candidate=candidate, icc=icc))
        parts.append(look_after_each(streams[-1], bets, alpha=ALPHA, rho=TUNING.one_sided_rho))
    columns = ("per_conversation", "per_turn", "reject")
    return Looks(*(np.concatenate([getattr(part, name) for part in parts]) for name in columns)), streams[0]


def share(first: np.ndarray) -> float:
    return float((first != NEVER).mean())


def allowed(rate: float, count: int) -> float:
    """The rate and three standard errors of this many streams."""
    return rate + 3 * math.sqrt(rate * (1 - rate) / count)


def report(name: str, looks: Looks, streams: Streams) -> None:
    promoted, rejected = looks.promote(least=LEAST), looks.reject
    turns = np.cumsum(streams.turns, axis=1).mean(axis=0)
    parts = [name]
    for what, first in (("promoted", promoted), ("rejected", rejected)):
        reached = first[first != NEVER]
        median = f", median {np.median(reached):.0f} conversations" if len(reached) else ""
        parts.append(f"{what} {share(first):.4f}{median}")
    print("; ".join(parts), f"({turns[-1]:.0f} turns at most, {len(rejected)} streams)")


@pytest.mark.parametrize("icc", CORRELATIONS)
def test_a_candidate_at_the_margin_is_seldom_promoted_and_seldom_rejected(icc):
    """2 % against 3 % at a margin of one point: the truth lies on the boundary of both hypotheses."""
    looks, streams = simulate(BASE + MARGIN, icc, count=1_500, seed=7)
    report(f"at the margin, ICC {icc}", looks, streams)
    assert share(looks.promote(least=LEAST)) <= ALPHA  # both estimands must err together
    assert share(looks.per_conversation) <= allowed(ALPHA, 1_500)
    assert share(looks.per_turn) <= allowed(ALPHA, 1_500)
    assert share(looks.reject) <= allowed(ALPHA, 1_500)


@pytest.mark.parametrize("icc", CORRELATIONS)
def test_a_candidate_that_fails_twice_as_often_is_rejected_and_not_promoted(icc):
    looks, streams = simulate(2 * BASE, icc, count=500, seed=8)
    report(f"2 % to 4 %, ICC {icc}", looks, streams)
    assert share(looks.promote(least=LEAST)) <= 0.002
    assert share(looks.reject) >= 0.95


@pytest.mark.parametrize("icc", CORRELATIONS)
def test_an_equal_candidate_is_promoted_not_long_after_the_limit(icc):
    looks, streams = simulate(BASE, icc, count=500, seed=9)
    report(f"equal, ICC {icc}", looks, streams)
    bets, values = planned(icc), streams.values.ravel().tolist()
    promoted = looks.promote(least=LEAST)
    mean = float(np.minimum(promoted, HORIZON).mean())
    limit = physical_limit(values, MARGIN, alpha=ALPHA)
    needed = conversations_needed(bets, values, alpha=ALPHA, side="promote")
    print(f"mean {mean:.0f} conversations; limit {limit:.0f}, ratio {mean / limit:.2f}; planned {needed:.0f}")
    assert share(promoted) >= 0.98
    assert share(looks.reject) <= 0.01
    assert mean <= 1.3 * limit
    assert needed == pytest.approx(mean, rel=0.35)


def test_the_gate_itself_comes_to_the_same_conversation_by_conversation():
    """The simulation above is of the gate, not of something like it."""
    bets = planned(0.2)
    cell, rule = Cell("wrong_action", OVERALL, "failure", MARGIN), Rule(max_conversations=HORIZON + 1, alpha=ALPHA)
    for candidate in (BASE, 2 * BASE):
        streams = draw(np.random.default_rng(4), 4, HORIZON, production=BASE, candidate=candidate, icc=0.2)
        looks = look_after_each(streams, bets, alpha=ALPHA, rho=TUNING.one_sided_rho)
        promoted = looks.promote(least=LEAST)
        for row in range(len(streams.turns)):
            verdicts = list(gate_verdicts(Paired.none_yet(cell, bets, TUNING), rule, streams, row))
            for verdict, expected in (("PROMOTE", promoted[row]), ("REJECT", looks.reject[row])):
                if verdict == "PROMOTE" or verdicts[-1] == "REJECT":
                    found = verdicts.index(verdict) + 1 if verdict in verdicts else NEVER
                    assert found == expected, (candidate, row, verdict)


def gate_verdicts(evidence: Paired, rule: Rule, streams: Streams, row: int):
    latch = Latch()
    for turns, harm in zip(streams.turns[row].tolist(), streams.harm[row].tolist(), strict=True):
        evidence = evidence.add(Closed(harm / turns, turns, harm, harm != 0))
        situation = Situation(evidence.conversations, 1, 1, at_cycle_end=True)
        ruling = decide([evidence], rule=rule, situation=situation, latch=latch)
        latch = ruling.latch
        yield ruling.verdict
        if ruling.verdict != "HOLD":
            return
