"""From turns to a conversation's pair value, and from guardrails to cells."""

from __future__ import annotations

import math
from functools import reduce

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shadow.gate.betting import spread5
from shadow.gate.conversations import Closed, TurnPair, close, close_events, close_values
from shadow.gate.evidence import BUDGET, PER_CONVERSATION, PER_TURN, Absolute, Paired, Tuning, log_mean_e
from shadow.gate.guardrails import (
    KINDS,
    OVERALL,
    Cell,
    Guardrail,
    excess_divergence,
    failure_margin,
    log_ratio_harm,
    ratio_margin,
    score_harm,
    slow_pair,
)

flags = st.sampled_from([None, True, False])
ratios = st.one_of(st.none(), st.floats(0, 1))
amounts = st.one_of(st.none(), st.floats(0, 1e300, exclude_min=False))
TUNING = Tuning(10.0, 10.0)


def test_a_conversation_by_hand():
    """Candidate worse once, better once, both wrong once, worse again: 1/4 of a failure more per turn."""
    turns = [TurnPair(False, True), TurnPair(True, False), TurnPair(True, True), TurnPair(False, True)]
    assert close(turns) == Closed(x=0.25, turns=4, harm=1, discordant=True)
    assert close([TurnPair(False, False)]) == Closed(x=0.0, turns=1, harm=0, discordant=False)
    assert close([]) is None


def test_a_reply_that_never_came_is_a_failure_of_its_side():
    assert close([TurnPair(False, None)]).x == 1.0
    assert close([TurnPair(None, False)]).x == -1.0
    assert close([TurnPair(None, None)]).x == 0.0


@given(st.lists(st.builds(TurnPair, flags, flags), min_size=1), st.randoms(use_true_random=False))
def test_x_is_bounded_and_the_order_of_turns_does_not_matter(turns, random):
    closed = close(turns)
    assert -1 <= closed.x <= 1
    assert abs(closed.harm) <= closed.turns == len(turns)
    assert closed.discordant == (closed.x != 0)
    random.shuffle(turns)
    assert close(turns) == closed


@given(st.lists(st.one_of(st.none(), st.floats(-1, 1))), st.randoms(use_true_random=False))
def test_a_mean_of_values_is_bounded_and_exact_in_any_order(values, random):
    mean = close_values(values)
    assert (mean is None) == all(value is None for value in values)
    assert mean is None or -1 <= mean <= 1
    random.shuffle(values)
    assert close_values(values) == mean


def test_an_event_in_any_turn_is_the_conversations_and_so_is_a_turn_not_examined():
    assert close_events([False, True, False]) is True
    assert close_events([False, False]) is False
    assert close_events([False, None]) is True
    assert close_events([]) is None


@given(ratios, ratios, amounts, amounts)
def test_every_pair_value_is_bounded(production, candidate, slow, fast):
    for value in (
        score_harm(production, candidate),
        excess_divergence(production, candidate),
        log_ratio_harm(slow, fast),
    ):
        assert value is None or -1 <= value <= 1


def test_pair_values_by_hand():
    assert score_harm(0.9, 0.6) == pytest.approx(0.3)
    assert excess_divergence(0.2, 0.5) == pytest.approx(0.3)
    assert log_ratio_harm(1.0, math.e) == pytest.approx(0.5)
    assert log_ratio_harm(1.0, 100.0) == 1.0
    assert log_ratio_harm(100.0, 1.0) == -1.0
    assert log_ratio_harm(1.0, 0.0) == -1.0
    assert slow_pair(1.0, 3.0, limit_s=2.0) == TurnPair(False, True)
    assert slow_pair(2.0, None, limit_s=2.0) == TurnPair(False, None)


@pytest.mark.parametrize("harm", [score_harm, excess_divergence, log_ratio_harm])
def test_a_missing_candidate_is_the_worst_and_a_missing_yardstick_leaves_the_turn_out(harm):
    assert harm(0.5, None) == 1.0
    assert harm(None, 0.5) is None
    assert harm(None, None) is None


def test_margins():
    assert failure_margin(0.02) == 0.01
    assert failure_margin(0.001) == 0.002
    assert ratio_margin(1.1) == pytest.approx(math.log(1.1) / 2)
    assert log_ratio_harm(1.0, 1.1) == pytest.approx(ratio_margin(1.1))


def test_cells_are_overall_and_slices_at_three_times_the_margin():
    assert Guardrail("wrong_action", "failure", 0.01, ("language=de", "tool_use")).cells() == (
        Cell("wrong_action", OVERALL, "failure", 0.01),
        Cell("wrong_action", "language=de", "failure", 0.03),
        Cell("wrong_action", "tool_use", "failure", 0.03),
    )


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_has_evidence_with_the_legs_that_promotion_needs(kind):
    [cell] = Guardrail("g", kind, 0.02).cells()
    evidence = Absolute(cell) if kind == "zero_tolerance" else Paired.none_yet(cell, spread5(0.02), TUNING)
    both = {PER_CONVERSATION, PER_TURN}
    expected = {"zero_tolerance": {BUDGET}, "failure": both, "slow": both}
    assert set(evidence.legs()) == expected.get(kind, {PER_CONVERSATION})
    assert (evidence.estimate(), evidence.bounds(0.05), evidence.conversations) == (None, None, 0)


conversations = st.integers(1, 9).flatmap(lambda m: st.tuples(st.just(m), st.integers(-m, m)))


@given(st.lists(conversations, max_size=40), st.data())
def test_evidence_is_the_same_however_it_was_split(pairs, data):
    [cell] = Guardrail("g", "failure", 0.02).cells()
    empty = Paired.none_yet(cell, spread5(0.02), TUNING)
    closed = [Closed(s / m, m, s, s != 0) for m, s in pairs]
    cut = data.draw(st.integers(0, len(closed)))
    first, second = (reduce(Paired.add, part, empty) for part in (closed[:cut], closed[cut:]))
    assert second.merge(first) == reduce(Paired.add, closed, empty)


@given(st.lists(conversations, max_size=60))
def test_adding_many_together_gives_the_same_bits(pairs):
    [cell] = Guardrail("g", "failure", 0.02).cells()
    empty = Paired.none_yet(cell, spread5(0.02), TUNING)
    closed = [Closed(s / m, m, s, s != 0) for m, s in pairs]
    assert empty.add_all(closed) == reduce(Paired.add, closed, empty)
    [score] = Guardrail("g", "score", 0.02).cells()
    start, values = Paired.none_yet(score, spread5(0.02), TUNING), [each.x for each in closed]
    assert start.add_all(values) == reduce(Paired.add, values, start)


@given(st.lists(st.lists(conversations, max_size=9), min_size=3, max_size=3))
def test_merge_is_associative_and_commutative(lists):
    [cell] = Guardrail("g", "slow", 0.02).cells()
    empty = Paired.none_yet(cell, spread5(0.02), TUNING)
    a, b, c = (empty.add_all(Closed(s / m, m, s, s != 0) for m, s in pairs) for pairs in lists)
    assert a.merge(b) == b.merge(a)
    assert a.merge(b).merge(c) == a.merge(b.merge(c))
    assert a.merge(empty) == a


def test_bounds_hold_the_estimate():
    [cell] = Guardrail("g", "score", 0.02).cells()
    evidence = reduce(Paired.add, [0.1, -0.1, 0.3, 0.0] * 100, Paired.none_yet(cell, spread5(0.02), TUNING))
    lower, upper = evidence.bounds(0.05)
    assert lower < evidence.estimate() < upper
    assert upper - lower < 0.2
    assert evidence.discordant is None


def test_the_mean_of_e_values():
    assert log_mean_e([math.log(30), math.log(10), math.log(2)]) == pytest.approx(math.log(14))
    assert log_mean_e([5_000.0, -5_000.0]) == pytest.approx(5_000 - math.log(2))


CELL = Cell("g", OVERALL, "failure", 0.02)
SCORE = Cell("g", OVERALL, "score", 0.02)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: Guardrail("g", "failure", 0.0), "margin of 'g' is 0.0"),
        (lambda: Guardrail("g", "failure", 0.4, ("a",)), r"slice margin \(3 x margin\) of 'g' is 1.2"),
        (lambda: Guardrail("g", "vibes", 0.1), "kind of 'g' is 'vibes': known are failure"),
        (lambda: Guardrail("g", "zero_tolerance", 0.6), "budget of 'g' is 0.6"),
        (lambda: Guardrail("g", "zero_tolerance", 0.1, ("a",)), "slices of 'g'"),
        (lambda: Guardrail("g", "failure", 0.1, ("a", "a")), "name each once"),
        (lambda: Guardrail("g", "failure", 0.1, (OVERALL,)), "name each once"),
        (lambda: ratio_margin(1.0), "ratio is 1.0"),
        (lambda: failure_margin(2.0), "base_rate is 2.0"),
        (lambda: score_harm(2.0, 1.5), "production is 2.0"),
        (lambda: excess_divergence(0.5, -0.1), "candidate is -0.1"),
        (lambda: log_ratio_harm(1.0, -1.0), "candidate is -1.0"),
        (lambda: log_ratio_harm(math.inf, 1.0), "production is inf"),
        (lambda: slow_pair(1.0, 1.0, limit_s=0.0), "limit_s is 0.0"),
        (lambda: close_values([1.5]), "a turn's value is 1.5"),
        (lambda: close_values([math.nan]), "a turn's value is nan"),
        (lambda: slow_pair(math.nan, 1.0, limit_s=2.0), "production_s is nan"),
        (lambda: slow_pair(1.0, -0.1, limit_s=2.0), "candidate_s is -0.1"),
        (lambda: slow_pair(1.0, 1.0, limit_s=math.nan), "limit_s is nan"),
        (lambda: Guardrail("g", "failure", -0.01), "margin of 'g' is -0.01"),
        (lambda: Guardrail("g", "failure", 1.0), "margin of 'g' is 1.0"),
        (lambda: Guardrail("g", "failure", math.nan), "margin of 'g' is nan"),
        (lambda: Guardrail("g", "zero_tolerance", math.nan), "budget of 'g' is nan"),
        (lambda: score_harm(math.nan, 0.5), "production is nan"),
        (lambda: log_ratio_harm(1.0, math.nan), "candidate is nan"),
        (lambda: failure_margin(math.nan), "base_rate is nan"),
        (lambda: Tuning(0.0, 1.0), "one_sided_rho is 0.0"),
        (lambda: Tuning(1.0, math.nan), "two_sided_rho is nan"),
        (lambda: Tuning.at(0, alpha=0.05), "conversations is 0"),
        (lambda: Tuning.at(100, alpha=1.0), "alpha is 1.0"),
        (lambda: Paired.none_yet(SCORE, spread5(0.02), TUNING).add(math.nan), "x is nan"),
        (lambda: Paired.none_yet(SCORE, spread5(0.02), TUNING).add(0.1, times=-1), "times is -1"),
        (lambda: Absolute(CELL), "use Paired"),
        (lambda: Paired.none_yet(Cell("g", OVERALL, "zero_tolerance", 0.02), spread5(0.02), TUNING), "use Absolute"),
        (lambda: Paired.none_yet(CELL, spread5(0.03), TUNING), "plan them alike"),
        (lambda: Paired.none_yet(CELL, spread5(0.02), TUNING).add(0.1), "takes the other form"),
        (lambda: Paired.none_yet(SCORE, spread5(0.02), TUNING).add(Closed(0.0, 1, 0, False)), "takes the other form"),
        (
            lambda: Paired.none_yet(CELL, spread5(0.02), TUNING).merge(Paired.none_yet(SCORE, spread5(0.02), TUNING)),
            "merge evidence of the same cell",
        ),
    ],
)
def test_what_cannot_be_is_named_with_its_value_and_remedy(call, message):
    with pytest.raises(ValueError, match=message):
        call()
