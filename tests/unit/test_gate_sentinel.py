"""The A/A check on the control arm: exact in any order, silent where the arms are alike, and sure of its side."""

from __future__ import annotations

import math
from functools import reduce

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shadow.gate.betting import SCALE, spread5
from shadow.gate.sentinel import Sentinel, watch

pairs = st.integers(1, 20).flatmap(lambda m: st.integers(-m, m).map(lambda s: s / m))
starts = st.sampled_from([Sentinel.none_yet(), Sentinel.none_yet(bias=0.01, variance=0.02)])


def seen(start: Sentinel, values: list[float]) -> Sentinel:
    return reduce(Sentinel.add, values, start)


def test_the_bets_by_hand():
    """One stake of 1/2: x = 1 wins a half on "worse" and loses it on "better"; the evidence is their mean."""
    one = Sentinel((0.5,), (1.0,), (0,), (0,)).add(1.0)
    assert math.exp(one.log_e_of("control_worse")) == pytest.approx(1.5)
    assert math.exp(one.log_e_of("control_better")) == pytest.approx(0.5)
    assert math.exp(one.log_e()) == pytest.approx(1.0)
    assert (one.mean(), Sentinel.none_yet().mean()) == (1.0, None)


def test_it_is_the_reject_side_with_a_margin_of_nothing():
    """As the margin goes to 0 the gate's reject bets become the sentinel's."""
    values = [0.25, -0.5, 0.0, 1.0]
    nearly = spread5(1e-9)
    wealth = [sum(nearly.growth(x)[1][k] for x in values) for k in range(5)]
    assert [each / SCALE for each in wealth] == pytest.approx(
        [each / SCALE for each in seen(Sentinel.none_yet(), values).worse], abs=1e-7
    )


def test_stakes_are_planned_for_the_bias_that_matters():
    assert Sentinel.none_yet(bias=0.01, variance=0.01).stakes == pytest.approx((0.4, 0.7, 0.95, 0.95))


@given(starts, pairs)
def test_with_equal_arms_the_expected_evidence_does_not_grow(start, x):
    """x and -x alike: a mean of 0."""
    means = [
        (math.exp(start.add(x).log_e_of(side)) + math.exp(start.add(-x).log_e_of(side))) / 2
        for side in ("control_worse", "control_better")
    ]
    assert max(means) <= 1 + 1e-12


@given(starts, st.lists(pairs, max_size=40), st.data())
def test_any_partitioning_and_order_gives_the_same_bits(start, values, data):
    parts: list[list[float]] = [[] for _ in range(data.draw(st.integers(1, 5)))]
    for value in data.draw(st.permutations(values)):
        parts[data.draw(st.integers(0, len(parts) - 1))].append(value)
    merged = reduce(Sentinel.merge, data.draw(st.permutations([seen(start, part) for part in parts])))
    assert merged == seen(start, values)


@given(starts, st.lists(st.lists(pairs, max_size=9), min_size=3, max_size=3))
def test_merge_is_associative_and_commutative(start, lists):
    a, b, c = (seen(start, values) for values in lists)
    assert a.merge(b) == b.merge(a)
    assert a.merge(b).merge(c) == a.merge(b.merge(c))


@given(starts, pairs, st.integers(0, 9))
def test_adding_a_value_many_times_at_once_gives_the_same_bits(start, x, times):
    assert start.add(x, times=times) == seen(start, [x] * times)


@pytest.mark.parametrize(("x", "alarm"), [(0.5, "control_worse"), (-0.5, "control_better"), (0.0, None)])
def test_it_says_which_side_differs_once_the_evidence_is_one_over_alpha(x, alarm):
    quiet, loud = Sentinel.none_yet().add(x, times=3), Sentinel.none_yet().add(x, times=60)
    assert watch(quiet, alpha=0.05) is None
    assert watch(loud, alpha=0.05) == alarm


def test_the_boundary_is_exactly_one_over_alpha():
    start = Sentinel((0.5,), (1.0,), (0,), (0,))
    needed = next(n for n in range(1, 99) if start.add(1.0, times=n).log_e() >= math.log(20))
    assert math.exp(start.add(1.0, times=needed).log_e()) >= 20 > math.exp(start.add(1.0, times=needed - 1).log_e())
    assert watch(start.add(1.0, times=needed), alpha=0.05) == "control_worse"
    assert watch(start.add(1.0, times=needed - 1), alpha=0.05) is None


def test_an_alarm_stays_although_the_evidence_falls_again():
    fallen = Sentinel.none_yet().add(0.5, times=60).add(-0.5, times=60)
    assert watch(fallen, alpha=0.05) is None
    assert watch(fallen, alpha=0.05, before="control_worse") == "control_worse"


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: Sentinel.none_yet().add(math.nan), "x is nan"),
        (lambda: Sentinel.none_yet().add(1.5), "x is 1.5"),
        (lambda: Sentinel.none_yet().add(0.5, times=-1), "times is -1"),
        (lambda: Sentinel.none_yet(bias=0.0), "bias is 0.0"),
        (lambda: Sentinel.none_yet(bias=0.1, variance=math.nan), "variance is nan"),
        (lambda: Sentinel((), (), (), ()), "stakes has 0 entries"),
        (lambda: Sentinel((0.96,), (1.0,), (0,), (0,)), "stakes holds 0.96"),
        (lambda: Sentinel((0.5,), (1.5,), (0,), (0,)), "weights is"),
        (lambda: watch(Sentinel.none_yet(), alpha=math.nan), "alpha is nan"),
        (lambda: Sentinel.none_yet().merge(Sentinel.none_yet(bias=0.01, variance=0.02)), "another sentinel"),
    ],
)
def test_what_cannot_be_is_named_with_its_value_and_remedy(call, message):
    with pytest.raises(ValueError, match=message):
        call()
