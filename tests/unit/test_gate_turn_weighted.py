"""The per-turn estimand and Robbins' mixtures, beside an implementation by somebody else."""

from __future__ import annotations

import math
import random
from functools import reduce

import numpy as np
import pytest
import ville
from hypothesis import given
from hypothesis import strategies as st
from ville._boundaries import best_rho, normal_mixture

from shadow.gate.robbins import (
    interval,
    log_e_half_normal,
    log_normal_cdf,
    one_sided_boundary,
    tightest_rho,
    two_sided_boundary,
)
from shadow.gate.turn_weighted import TurnSums, harm_interval, log_e, log_e_rare

conversations = st.integers(1, 20).flatmap(lambda m: st.tuples(st.just(m), st.integers(-m, m)))


def sums(pairs) -> TurnSums:
    return reduce(lambda have, pair: have.add(*pair), pairs, TurnSums())


@pytest.mark.parametrize("alpha", [0.05, 0.01])
@pytest.mark.parametrize("rho", [3.0, 120.0, 4_000.0])
def test_boundaries_equal_villes(alpha, rho):
    for n in (1, 20, 100, 1_000, 50_000):
        theirs = float(normal_mixture(n, alpha, rho, one_sided=True))
        assert one_sided_boundary(n, alpha, rho) == pytest.approx(theirs, rel=1e-6)
        assert two_sided_boundary(n, alpha, rho) == pytest.approx(float(normal_mixture(n, alpha, rho)), rel=1e-6)


@pytest.mark.parametrize(("boundary", "one_sided"), [(one_sided_boundary, True), (two_sided_boundary, False)])
@pytest.mark.parametrize("n", [300, 5_000])
def test_the_tightest_precision_is_villes(boundary, one_sided, n):
    mine, theirs = tightest_rho(boundary, n, 0.05), best_rho(n, 0.05, one_sided)
    assert mine == pytest.approx(theirs, rel=1e-3)  # both searched: the boundary is flat there
    assert boundary(n, 0.05, mine) == pytest.approx(boundary(n, 0.05, theirs), rel=1e-6)


def test_the_interval_equals_villes_asymptotic_sequence():
    values = np.random.default_rng(5).choice([-1.0, 0.0, 0.0, 0.0, 1.0], size=400)
    theirs = ville.AsymptoticCS(alpha=0.05, t_opt=500).fit(values)
    rho = tightest_rho(two_sided_boundary, 500, 0.05)
    spread = float(values.var()) * 400 / 399  # ville divides by n - 1
    lower, upper = interval(400, float(values.mean()), spread, alpha=0.05, rho=rho)
    assert (lower, upper) == pytest.approx((theirs.lower_[-1], theirs.upper_[-1]), abs=1e-6)


def test_evidence_is_one_over_alpha_on_the_boundary():
    for n in (100, 3_000):
        assert log_e_half_normal(one_sided_boundary(n, 0.05, 40.0), n, 40.0) == pytest.approx(math.log(20), abs=1e-9)


def test_without_a_sum_the_evidence_is_that_of_time_passing():
    """By hand: S = 0 leaves 2 * sqrt(rho / (n + rho)) * 1/2."""
    assert log_e_half_normal(0.0, 300.0, 100.0) == pytest.approx(math.log(0.5))


def test_the_normal_tail_is_smooth_where_its_series_begins():
    assert log_normal_cdf(0.0) == pytest.approx(math.log(0.5))
    assert log_normal_cdf(-29.999_999) == pytest.approx(log_normal_cdf(-30.000_001), rel=1e-6)
    assert log_normal_cdf(-500.0) == pytest.approx(-125_007.133_5, abs=1e-3)  # scipy.special.log_ndtr


def test_log_e_is_that_of_the_standardised_sum():
    """Against numpy on the conversations themselves."""
    rng = random.Random(3)
    pairs = [(m := rng.randint(1, 9), rng.choice([0, 0, 0, 1, -1]) * rng.randint(0, m)) for _ in range(400)]
    y = np.array([0.1 * m - s for m, s in pairs])
    assert log_e(sums(pairs), 0.1, rho=50.0) == pytest.approx(log_e_half_normal(y.sum() / y.std(), 400, 50.0))


@pytest.mark.parametrize(("n", "discordant", "admissible"), [(99, 20, False), (100, 19, False), (100, 20, True)])
def test_it_is_admissible_after_100_conversations_with_20_discordant(n, discordant, admissible):
    """With fewer, an asymptotic statement about rare failures promotes far too often."""
    made = sums([(3, -1)] * discordant + [(3, 0)] * (n - discordant))
    assert (log_e(made, 0.5, rho=10.0) is not None) == admissible
    assert (harm_interval(made, alpha=0.05, rho=10.0) is not None) == admissible


def test_with_conversations_of_one_length_harm_per_turn_is_the_mean_over_conversations():
    """Then both estimands are the same, and so are their intervals."""
    harm = [-1] * 30 + [0] * 300 + [2] * 70
    x = np.array(harm) / 4
    expected = interval(400, float(x.mean()), float(x.var()), alpha=0.05, rho=80.0)
    assert harm_interval(sums([(4, each) for each in harm]), alpha=0.05, rho=80.0) == pytest.approx(expected)


def test_harm_in_long_conversations_is_seen_per_turn():
    """Per conversation the mean is under the margin of 0.1; per turn it is 0.25."""
    pairs = [(1, 0)] * 900 + [(27, 9)] * 100
    assert sum(s / m for m, s in pairs) / 1000 < 0.1
    made = sums(pairs)
    assert made.mean() == 0.25
    assert log_e(made, 0.1, rho=100.0) < 0
    lower, upper = harm_interval(made, alpha=0.05, rho=100.0)
    assert 0.1 < lower < 0.25 < upper


@given(st.lists(conversations, max_size=60), st.data())
def test_any_partitioning_and_order_gives_the_same_sums(pairs, data):
    parts: list[list[tuple[int, int]]] = [[] for _ in range(data.draw(st.integers(1, 6)))]
    for pair in data.draw(st.permutations(pairs)):
        parts[data.draw(st.integers(0, len(parts) - 1))].append(pair)
    assert reduce(TurnSums.merge, data.draw(st.permutations([sums(part) for part in parts]))) == sums(pairs)


@given(st.lists(st.lists(conversations, max_size=9), min_size=3, max_size=3))
def test_merge_is_associative_and_commutative(lists):
    a, b, c = (sums(pairs) for pairs in lists)
    assert a.merge(b) == b.merge(a)
    assert a.merge(b).merge(c) == a.merge(b.merge(c))


@given(conversations, st.integers(0, 9))
def test_adding_a_conversation_many_times_at_once_gives_the_same_sums(pair, times):
    assert TurnSums().add(*pair, times=times) == sums([pair] * times)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: TurnSums().add(3, 1, times=-2), "times is -2"),
        (lambda: log_e(TurnSums(), 0.0, rho=1.0), "margin is 0.0"),
        (lambda: log_e(TurnSums(), math.nan, rho=1.0), "margin is nan"),
        (lambda: log_e(TurnSums(), 0.1, rho=0.0), "rho is 0.0"),
        (lambda: log_e(TurnSums(), 0.1, rho=math.nan), "rho is nan"),
        (lambda: one_sided_boundary(9, 1.0, 3.0), "alpha is 1.0"),
        (lambda: tightest_rho(one_sided_boundary, math.nan, 0.05), "conversations is nan"),
    ],
)
def test_what_cannot_be_is_named_with_its_value(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.parametrize(("turns", "harm"), [(0, 0), (3, 4), (3, -4)])
def test_an_impossible_conversation_is_refused(turns, harm):
    with pytest.raises(ValueError, match=f"harm is {harm} in {turns} turns"):
        TurnSums().add(turns, harm)


def test_where_hardly_anything_fails_an_exact_test_takes_over():
    """Two candidates without a single failure must not wait for ever; one whose harm is rare and long must."""
    clean = TurnSums(4_000, 0, 12_000, 0, 40_000, 0, 0)
    assert log_e(clean, 0.01, rho=10.0) is None
    assert log_e_rare(clean, 0.01) > math.log(20)
    assert log_e_rare(TurnSums(99, 0, 297, 0, 900, 0, 0), 0.01) is None
    assert log_e_rare(TurnSums(4_000, 20, 12_000, 0, 40_000, 0, 0), 0.01) is None


@pytest.mark.parametrize("longest", [1, 5, 20])
def test_the_exact_test_keeps_the_level_against_the_worst_case(longest):
    """All harm in a few conversations that fail on every turn, at the margin per turn; a look at each hundred."""
    rng = random.Random(longest)
    margin, wrong, streams = 0.02, 0, 400
    chance = margin * 3 / (longest * (1 - margin) + 3 * margin)  # of a harmed one, all others having three turns
    for _ in range(streams):
        sums = TurnSums()
        for _look in range(40):
            harmed = sum(rng.random() < chance for _ in range(100))
            if harmed:
                sums = sums.add(longest, longest, times=harmed)
            sums = sums.add(3, 0, times=100 - harmed)
            found = log_e_rare(sums, margin)
            if found is not None and found >= math.log(20):
                wrong += 1
                break
    assert wrong / streams <= 0.05
