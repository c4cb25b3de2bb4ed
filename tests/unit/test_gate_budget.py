"""The absolute budget: exact, and certified after hardly more conversations than with one look."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shadow.gate.budget import EventCounts, log_e, rate_interval

GOAL = math.log(20)


def test_factors_by_hand():
    """One quiet conversation, budget 1/5: the bets win theta / 4; one with an event: they lose theta."""
    quiet, event = EventCounts(1, 0), EventCounts(1, 1)
    thetas = (0.25, 0.5, 0.75, 0.95)
    assert math.exp(log_e(quiet, 0.2, "promote")) == pytest.approx(sum(1 + theta / 4 for theta in thetas) / 4)
    assert math.exp(log_e(event, 0.2, "promote")) == pytest.approx(sum(1 - theta for theta in thetas) / 4)
    assert math.exp(log_e(event, 0.001, "reject")) == pytest.approx((2 + 5 + 20 + 100) / 4)
    ratios = [(1 - 0.001 * times) / 0.999 for times in (2, 5, 20, 100)]
    assert math.exp(log_e(quiet, 0.001, "reject")) == pytest.approx(sum(ratios) / 4)


@pytest.mark.parametrize(("budget", "needed"), [(0.01, 406), (0.001, 4_078), (0.0005, 8_158), (0.0001, 40_795)])
def test_conversations_without_an_event_that_certify_a_budget(budget, needed):
    """1.36 times the number for a single look (Clopper-Pearson), for looking at any time."""
    assert log_e(EventCounts(needed, 0), budget, "promote") >= GOAL
    assert log_e(EventCounts(needed - 1, 0), budget, "promote") < GOAL
    assert needed / math.ceil(math.log(0.05) / math.log(1 - budget)) < 1.37


@pytest.mark.parametrize(("n", "events"), [(100, 2), (300, 4), (1_000, 6), (3_000, 10), (10_000, 21)])
def test_events_that_reject_a_budget_of_one_in_a_thousand(n, events):
    """At the level 0.05."""
    assert log_e(EventCounts(n, events), 0.001, "reject") >= GOAL
    assert log_e(EventCounts(n, events - 1), 0.001, "reject") < GOAL


@given(st.floats(0.0001, 0.49), st.sampled_from(["promote", "reject"]))
def test_at_the_budget_the_expected_evidence_does_not_grow(budget, side):
    factors = [math.exp(log_e(EventCounts(1, event), budget, side)) for event in (0, 1)]
    assert (1 - budget) * factors[0] + budget * factors[1] <= 1 + 1e-12


@given(st.integers(1, 5_000), st.integers(0, 5_000))
def test_the_interval_holds_what_is_not_decided(n, events):
    counts = EventCounts(n, min(events, n))
    lower, upper = rate_interval(counts, alpha=0.05)
    assert 0 <= lower <= counts.mean() <= upper <= 1
    if 0.0001 < upper < 0.49:
        assert log_e(counts, upper * 1.001, "promote") >= GOAL > log_e(counts, upper * 0.999, "promote")
    if 0.0001 < lower < 0.49:
        assert log_e(counts, lower * 1.001, "reject") < GOAL <= log_e(counts, lower * 0.999, "reject")


def test_without_an_event_the_rate_may_be_nought_and_without_data_anything():
    assert rate_interval(EventCounts(50, 0), alpha=0.05)[0] == 0
    assert rate_interval(EventCounts(), alpha=0.05) == (0, 1)
    assert EventCounts().mean() is None


@given(st.lists(st.booleans()), st.lists(st.booleans()))
def test_merge_is_the_count_of_both(first, second):
    def count(events: list[bool]) -> EventCounts:
        counts = EventCounts()
        for event in events:
            counts = counts.add(event=event)
        return counts

    assert count(first).merge(count(second)) == count(second + first)


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), min_size=3, max_size=3))
def test_merge_is_associative_and_commutative(pairs):
    a, b, c = (EventCounts(quiet + events, events) for quiet, events in pairs)
    assert a.merge(b) == b.merge(a)
    assert a.merge(b).merge(c) == a.merge(b.merge(c))
    assert a.merge(EventCounts()) == a


@pytest.mark.parametrize(("conversations", "events"), [(1, 2), (5, -1), (-1, 0)])
def test_impossible_counts_are_refused(conversations, events):
    with pytest.raises(ValueError, match=f"events is {events} of {conversations} conversations"):
        EventCounts(conversations, events)


@pytest.mark.parametrize("alpha", [0.0, 0.5, 1.0, -0.1, math.nan])
def test_an_impossible_level_is_refused(alpha):
    with pytest.raises(ValueError, match=f"alpha is {alpha}"):
        rate_interval(EventCounts(9, 1), alpha=alpha)


@pytest.mark.parametrize("budget", [0.0, 0.5, -0.1, 2.0, math.nan])
def test_an_impossible_budget_is_refused(budget):
    with pytest.raises(ValueError, match=f"budget is {budget}: it must be more than 0 and less than 0.5"):
        log_e(EventCounts(), budget, "promote")
