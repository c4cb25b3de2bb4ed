"""The bets: exact to the bit in any order and partitioning, and never better than they should be."""

from __future__ import annotations

import math
import random
from dataclasses import replace
from fractions import Fraction
from functools import reduce

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shadow.gate.betting import REMEMBERED, SCALE, Bets, Wealth, focused4, largest_stake, log_mixture, spread5

ONE_BET = Bets(0.5, (0.5,), (0.5,), (1.0,))

margins = st.floats(0.001, 0.9)
pairs = st.integers(1, 20).flatmap(lambda m: st.integers(-m, m).map(lambda s: s / m))
grids = st.one_of(margins.map(spread5), st.builds(focused4, margins, st.floats(1e-4, 1.0)))


def wealth(bets: Bets, values: list[float]) -> Wealth:
    return reduce(Wealth.add, values, Wealth.none_yet(bets))


def test_wealth_is_the_product_of_the_bets_factors():
    """By hand: lambda 1/2, margin 1/2; x = 0 wins a quarter on the promote side and loses it on the reject side."""
    two = wealth(ONE_BET, [0.0, 0.0])
    assert math.exp(two.log_e("promote")) == pytest.approx(1.25 * 1.25, rel=1e-8)
    assert math.exp(two.log_e("reject")) == pytest.approx(0.75 * 0.75, rel=1e-8)
    worst = wealth(ONE_BET, [1.0])
    assert math.exp(worst.log_e("promote")) == pytest.approx(0.75, rel=1e-8)
    assert math.exp(worst.log_e("reject")) == pytest.approx(1.25, rel=1e-8)


def test_the_mixture_is_the_weighted_mean_of_the_wealths():
    assert log_mixture([round(math.log(8) * SCALE), 0], [0.25, 0.75]) == pytest.approx(math.log(2 + 0.75), rel=1e-9)
    assert log_mixture([2_000 * SCALE, -9_000 * SCALE], [0.5, 0.5]) == pytest.approx(2_000 + math.log(0.5))


def test_focused4_lies_around_margin_over_variance():
    bets = focused4(0.01, 0.015)
    assert bets.promote == pytest.approx([0.4 * 2 / 3, 0.7 * 2 / 3, 1.1 * 2 / 3, 0.95 / 0.99])
    assert bets.reject == pytest.approx([0.4 * 2 / 3, 0.7 * 2 / 3, 1.1 * 2 / 3, 0.95 / 1.01])
    assert bets.weights == (0.15, 0.25, 0.45, 0.15)


def test_spread5_covers_the_range():
    bets = spread5(0.05)
    assert bets.promote == pytest.approx([part * 0.95 / 0.95 for part in (0.12, 0.25, 0.5, 0.75, 1.0)])
    assert bets.reject == pytest.approx([part * 0.95 / 1.05 for part in (0.12, 0.25, 0.5, 0.75, 1.0)])
    assert sum(bets.weights) == pytest.approx(1)


@given(grids, st.sampled_from([-1.0, 1.0]))
def test_no_conversation_ruins_a_bet(bets, x):
    """No factor is below 0.05, so an int64 holds seven hundred million conversations."""
    least = min(min(side) for side in bets.growth(x))
    assert least >= math.floor(math.log(0.05 - 1e-12) * SCALE)
    assert 2**63 // -math.floor(math.log(0.05) * SCALE) > 700_000_000


@given(grids, pairs)
def test_terms_are_rounded_down(bets, x):
    """Rounding up would be evidence from nothing."""
    promote, _ = bets.growth(x)
    for stake, term in zip(bets.promote, promote, strict=True):
        exact = math.log1p(stake * (bets.margin - x))
        assert Fraction(term, SCALE) <= Fraction(exact) < Fraction(term + 1, SCALE)


@given(grids, pairs)
def test_at_the_margin_the_expected_wealth_does_not_grow(bets, x):
    """A two-point conversation whose mean is the margin: the expected factor of each bet is 1 at most."""
    low = min(x, bets.margin)
    share = (bets.margin - low) / (1 - low)  # of x = 1; the rest is ``low``
    for side in (0, 1):
        worst, best = bets.growth(1.0)[side], bets.growth(low)[side]
        for up, down in zip(worst, best, strict=True):
            assert share * math.exp(up / SCALE) + (1 - share) * math.exp(down / SCALE) <= 1 + 1e-12


@given(grids, st.lists(pairs, max_size=60), st.data())
def test_any_partitioning_and_order_gives_the_same_bits(bets, values, data):
    parts: list[list[float]] = [[] for _ in range(data.draw(st.integers(1, 6)))]
    for value in data.draw(st.permutations(values)):
        parts[data.draw(st.integers(0, len(parts) - 1))].append(value)
    merged = reduce(Wealth.merge, data.draw(st.permutations([wealth(bets, part) for part in parts])))
    whole = wealth(bets, values)
    assert merged == whole
    assert merged.log_e("promote").hex() == whole.log_e("promote").hex()
    assert merged.log_e("reject").hex() == whole.log_e("reject").hex()


@given(grids, st.lists(st.lists(pairs, max_size=9), min_size=3, max_size=3))
def test_merge_is_associative_and_commutative(bets, lists):
    a, b, c = (wealth(bets, values) for values in lists)
    assert a.merge(b) == b.merge(a)
    assert a.merge(b).merge(c) == a.merge(b.merge(c))
    assert a.merge(Wealth.none_yet(bets)) == a


@given(grids, pairs, st.integers(0, 9))
def test_adding_a_value_many_times_at_once_gives_the_same_bits(bets, x, times):
    assert Wealth.none_yet(bets).add(x, times=times) == wealth(bets, [x] * times)


@given(grids, pairs)
def test_a_remembered_term_is_the_computed_one(bets, x):
    again = replace(bets)  # the same bets, with nothing remembered
    assert bets.terms(x) == bets.terms(x) == again.terms(x)
    assert (bets, hash(bets), repr(bets)) == (again, hash(again), repr(again))


def test_what_is_remembered_is_bounded():
    """Scores hardly repeat; a gate that runs for a year must not grow with them."""
    bets = spread5(0.1)
    for n in range(REMEMBERED + 50):
        bets.growth(n / 10_000)
    assert len(bets._known) == REMEMBERED
    assert bets.growth(0.9) == spread5(0.1).growth(0.9)


@pytest.mark.parametrize("side", ["promote", "reject"])
def test_under_the_null_the_evidence_ever_reaches_a_level_no_more_often_than_the_level_says(side):
    """Ville's inequality at several levels: 400 long streams at the margin, looked at after every conversation."""
    rng, bets, highest = random.Random(12), spread5(0.2), []
    for _ in range(400):
        have, most = Wealth.none_yet(bets), -math.inf
        for _ in range(500):
            have = have.add(1.0 if rng.random() < 0.2 else 0.0)
            most = max(most, have.log_e(side))
        highest.append(most)
    for level in (0.5, 0.2, 0.05, 0.01):
        share = sum(most >= -math.log(level) for most in highest) / len(highest)
        assert share <= level + 3 * math.sqrt(level * (1 - level) / len(highest))
    assert max(highest) > 1  # evidence does move


def test_mean_and_variance_and_no_data():
    assert (Wealth.none_yet(ONE_BET).mean(), Wealth.none_yet(ONE_BET).variance()) == (None, None)
    some = wealth(ONE_BET, [0.5, -0.5, 0.0, 0.0])
    assert (some.mean(), some.variance()) == (0.0, 0.125)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: spread5(0.0), "margin is 0.0: it must be more than 0"),
        (lambda: spread5(1.0), "margin is 1.0"),
        (lambda: spread5(math.nan), "margin is nan"),
        (lambda: focused4(0.01, 0.0), "variance is 0.0.*use the default grid"),
        (lambda: focused4(0.01, math.inf), "variance is inf"),
        (lambda: ONE_BET.growth(1.0001), r"x is 1.0001: it must lie in -1..1"),
        (lambda: ONE_BET.growth(math.nan), "x is nan"),
        (lambda: spread5(-0.01), "margin is -0.01"),
        (lambda: spread5(1.5), "margin is 1.5"),
        (lambda: focused4(0.01, math.nan), "variance is nan"),
        (lambda: Wealth.none_yet(ONE_BET).add(0.1, times=-1), "times is -1"),
        (lambda: Wealth.none_yet(ONE_BET).add(0.1, times=1.5), "times is 1.5"),
        (lambda: Bets(0.5, (math.nan,), (0.5,), (1.0,)), "promote holds nan"),
        (lambda: Bets(0.5, (0.5,), (0.5,), (math.nan,)), "weights is"),
        (lambda: Bets(0.5, (), (), ()), "one lambda of each side per weight"),
        (lambda: Bets(0.5, (2.0,), (0.5,), (1.0,)), "promote holds 2.0: a lambda must be"),
        (lambda: Bets(0.5, (0.5,), (1.0,), (1.0,)), "reject holds 1.0: a lambda must be"),
        (lambda: Bets(0.5, (0.5,), (0.5,), (1.1,)), "weights is"),
        (lambda: Bets(0.5, (0.5,), (0.5,), (0.5, 0.5)), "one lambda of each side per weight"),
        (lambda: Wealth.none_yet(spread5(0.1)).merge(Wealth.none_yet(spread5(0.2))), "another experiment"),
    ],
)
def test_what_cannot_be_is_named_with_its_value_and_remedy(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_the_largest_stake_keeps_a_twentieth():
    assert 1 + largest_stake(0.2, "promote") * (0.2 - 1) == pytest.approx(0.05)
    assert 1 + largest_stake(0.2, "reject") * (-1 - 0.2) == pytest.approx(0.05)
