"""P7: false PROMOTE and false REJECT at or under the stated rate with a look after every conversation.

``test_simulate_short.py`` measures the rates in numpy. Here: what it measures is this gate. The same streams run
through :mod:`shadow.gate` itself, conversation by conversation: the same bits, the same verdict at the same look.
"""

from __future__ import annotations

from functools import reduce

import numpy as np
import pytest

from shadow.gate import budget
from shadow.gate import guardrails as gate_cells
from shadow.gate.assemble import TurnRows
from shadow.gate.betting import spread5
from shadow.gate.budget import EventCounts
from shadow.gate.conversations import Closed
from shadow.gate.evidence import Paired, Tuning
from shadow.gate.rules import Latch, Rule, Situation
from shadow.gate.sentinel import Sentinel, watch
from shadow.gate.verdict import decide
from shadow.gate.watch import Watch
from tests.fixtures import gate_rows
from tests.statistics import vector
from tests.statistics.population import Population
from tests.statistics.rare import certified_at, rejected_up_to
from tests.statistics.scenario import ALPHA
from tests.statistics.schedule import schedule

BASE, MARGIN, ICC = 0.10, 0.05, 0.2
HORIZON = 7_200
CYCLE = 3_600
"""By day it has more than the least number of conversations."""

EQUAL = Population(BASE, BASE, ICC)
CELL = vector.Cell(EQUAL.bets(MARGIN), Tuning.at(150, alpha=ALPHA))
SLICE = vector.Cell(EQUAL.bets(0.15), Tuning.at(60, alpha=ALPHA))
PARTS = 2


def streams(candidate: float, rows: int):
    """Conversations in the order of closing, and the slice of each."""
    rng = np.random.default_rng(17)
    plan = schedule(rng, rows, HORIZON)
    harm = np.where(plan.turns > 0, Population(BASE, candidate, ICC).sample_harm(rng, plan.turns), 0)
    return plan, harm, rng.integers(0, PARTS, harm.shape)


def closed(turns: int, harm: int) -> Closed:
    return Closed(harm / turns, turns, harm, harm != 0)


@pytest.mark.parametrize("bets", [CELL.bets, SLICE.bets, spread5(0.01), Population(0.02, 0.02, 0.3).bets(0.01)])
def test_log_wealth_is_the_gates_to_the_bit(bets):
    plan, harm, _ = streams(2 * BASE, 3)
    promote, reject = (vector.log_wealth(table, vector.index(plan.turns, harm)) for table in vector.terms(bets))
    cell = gate_cells.Cell("g", gate_cells.OVERALL, "failure", bets.margin)
    for row in range(len(harm)):
        evidence = Paired.none_yet(cell, bets, CELL.tuning)
        for look, (turns, each) in enumerate(zip(plan.turns[row].tolist(), harm[row].tolist(), strict=True)):
            if turns:
                evidence = evidence.add(closed(turns, each))
            assert evidence.wealth.promote == tuple(promote[:, row, look].tolist())
            assert evidence.wealth.reject == tuple(reject[:, row, look].tolist())


@pytest.mark.parametrize("whole_days", [False, True])
@pytest.mark.parametrize("candidate", [BASE, BASE + MARGIN, 2 * BASE])
def test_the_rule_comes_to_the_same_verdict_at_the_same_conversation(candidate, whole_days):
    """Three cells, both legs, the mean of harm e-values, and the ends of whole days or every look."""
    plan, harm, where = streams(candidate, 6)
    ends = vector.cycle_ends(plan.closing, CYCLE, HORIZON) if whole_days else None
    looks = vector.decide(cells_of(plan, harm, where), ALPHA, cycle_end=ends)
    seen = set()
    for row in range(len(harm)):
        found = gate_verdicts(plan, harm, where, row, ends)
        expected = {"PROMOTE": int(looks.promote[row]), "REJECT": int(looks.reject[row])}
        assert found == {name: look for name, look in expected.items() if look != vector.NEVER}
        seen |= set(found)
    assert seen == {BASE: {"PROMOTE"}, 2 * BASE: {"REJECT"}}.get(candidate, seen)


def test_a_candidate_that_fails_at_night_has_nothing_latched_by_day():
    """Equal by day, three times the failures at night: the ends of days decide, in the simulation and in the gate."""
    plan, calm, where = streams(BASE, 8)
    dark = (plan.closing - 1) % CYCLE >= 0.6 * CYCLE
    bad = Population(BASE, 3 * BASE, ICC).sample_harm(np.random.default_rng(2), plan.turns)
    harm = np.where(dark & (plan.turns > 0), bad, calm)
    ends = vector.cycle_ends(plan.closing, CYCLE, HORIZON)
    looks, by_day = (
        vector.decide(cells_of(plan, harm, where), ALPHA, cycle_end=ends, latch_always=always)
        for always in (False, True)
    )
    assert (by_day.promote != vector.NEVER).sum() >= 4  # the streams tell the two rules apart
    for row in range(len(harm)):
        found = gate_verdicts(plan, harm, where, row, ends)
        assert found.get("PROMOTE", vector.NEVER) == looks.promote[row] == vector.NEVER
        assert found.get("REJECT", vector.NEVER) == looks.reject[row]


def cells_of(plan, harm, where) -> list[vector.Seen]:
    cells = [vector.Seen(CELL, plan.turns, harm)]
    for part in range(PARTS):
        inside = np.where(where == part, plan.turns, 0)
        cells.append(vector.Seen(SLICE, inside, np.where(inside > 0, harm, 0)))
    return cells


def gate_verdicts(plan, harm, where, row, ends) -> dict[str, int]:
    """The first look with each verdict of :func:`shadow.gate.verdict.decide`."""
    names = [gate_cells.OVERALL, *(f"part={part}" for part in range(PARTS))]
    evidence = [
        Paired.none_yet(gate_cells.Cell("g", name, "failure", cell.bets.margin), cell.bets, cell.tuning)
        for name, cell in zip(names, [CELL, *[SLICE] * PARTS], strict=True)
    ]
    rule, latch, found = Rule(max_conversations=10**6, alpha=ALPHA), Latch(), {}
    for look, turns in enumerate(plan.turns[row].tolist(), start=1):
        if turns:
            each = closed(turns, int(harm[row, look - 1]))
            for at in (0, 1 + int(where[row, look - 1])):
                evidence[at] = evidence[at].add(each)
        situation = Situation(look, 1, 1, at_cycle_end=ends is None or bool(ends[row, look - 1]))
        ruling = decide(evidence, rule=rule, situation=situation, latch=latch)
        latch = ruling.latch
        if ruling.verdict != "HOLD":
            found.setdefault(ruling.verdict, look)
    return found


@pytest.mark.parametrize("candidate", [BASE, 2 * BASE, BASE / 4])
def test_the_sentinel_is_the_gates(candidate):
    plan, harm, _ = streams(candidate, 4)
    empty, bench = Sentinel.none_yet(), gate_rows.experiment().gate.model_copy(update={"sentinel_alpha": ALPHA})
    worse, better = (vector.log_wealth(table, vector.index(plan.turns, harm)) for table in vector.sentinel_terms(empty))
    logs = [vector.log_mixture(wealth, empty.weights) for wealth in (worse, better)]
    alarms = vector.first((np.exp(logs[0]) + np.exp(logs[1])) / 2 >= 1 / ALPHA)
    for at in range(len(harm)):
        state, raised, watched = empty, vector.NEVER, Watch(bench)
        for look, (turns, each) in enumerate(zip(plan.turns[at].tolist(), harm[at].tolist(), strict=True), start=1):
            state = state.add(each / turns) if turns else state
            watched.count(float(look), rows_of(turns, each))
            if raised == vector.NEVER and watch(state, alpha=ALPHA) is not None:
                raised = look
        assert state.worse == tuple(worse[:, at, -1].tolist())
        assert state.better == tuple(better[:, at, -1].tolist())
        assert raised == alarms[at] == (vector.NEVER if watched.alarm is None else watched.alarm.at)
        assert watched.sentinels == [state]


def rows_of(turns: int, harm: int) -> list[TurnRows]:
    """A conversation of control's of so many turns and so much harm, as the ledger has it."""
    side = "failures" if harm > 0 else "production_failures"
    rows = [gate_rows.row(0, turn, **({side: ["refusal"]} if turn < abs(harm) else {})) for turn in range(turns)]
    return [TurnRows(each, "valid", None, "valid", {}) for each in rows]


@pytest.mark.parametrize("rate", [0.005, 0.02])
def test_the_budget_is_certified_and_rejected_at_the_same_conversation(rate):
    """The tables of the simulation beside the gate's e-values, looked at after every conversation."""
    allowed, rng = 0.01, np.random.default_rng(3)
    certified, rejected = certified_at(allowed, 99, 2_000), rejected_up_to(allowed, 99, 2_000)
    for _ in range(10):
        counts = EventCounts()
        for event in (rng.random(2_000) < rate).tolist():
            counts = counts.add(event=event)
            shown = budget.log_e(counts, allowed, "promote") >= np.log(1 / ALPHA)
            assert shown == (counts.conversations >= certified[counts.events])
            over = budget.log_e(counts, allowed, "reject") >= np.log(100)
            assert over == (counts.conversations <= rejected[counts.events])


def test_any_order_of_a_long_stream_gives_the_same_bits():
    """Twenty partitionings are counted by ``make simulate``; here one, against numpy's sums."""
    plan, harm, _ = streams(BASE, 1)
    pairs = [(m, s) for m, s in zip(plan.turns[0].tolist(), harm[0].tolist(), strict=True) if m]
    cell = gate_cells.Cell("g", gate_cells.OVERALL, "failure", MARGIN)
    empty = Paired.none_yet(cell, CELL.bets, CELL.tuning)
    mixed = np.random.default_rng(4).permutation(len(pairs)).tolist()
    parts = [empty.add_all(closed(*pairs[at]) for at in mixed[start::7]) for start in range(7)]
    whole = reduce(Paired.merge, parts)
    promote, _ = (vector.log_wealth(table, vector.index(plan.turns, harm)) for table in vector.terms(CELL.bets))
    assert whole.wealth.promote == tuple(promote[:, 0, -1].tolist())
    assert (whole.sums.sum_m, whole.sums.sum_s) == (int(plan.turns.sum()), int(harm.sum()))
