"""What is said before the candidate starts."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shadow.gate.betting import Bets, focused4, spread5
from shadow.gate.plan import conversations_needed, kl_inf, physical_limit, plan_bets, remaining, variance

RARE = [1.0] * 2 + [-1.0] * 2 + [0.0] * 196


def test_variance_by_hand():
    assert variance([0.5, -0.5]) == 0.25
    assert variance([]) is None


def test_bets_are_planned_from_enough_conversations_that_differ():
    assert plan_bets(0.01, RARE) == focused4(0.01, 0.02)
    assert plan_bets(0.01, RARE[:99]) == spread5(0.01)
    assert plan_bets(0.01, [0.0] * 500) == spread5(0.01)


def test_conversations_needed_by_hand():
    """One bet of 1/2 on margin 1/2 gains ln(1.25) per equal conversation, and ln 20 is needed."""
    bets = Bets(0.5, (0.5,), (0.5,), (1.0,))
    assert conversations_needed(bets, [0.0], alpha=0.05, side="promote") == pytest.approx(math.log(20) / math.log(1.25))
    assert conversations_needed(bets, [1.0], alpha=0.05, side="reject") == pytest.approx(math.log(20) / math.log(1.25))
    assert conversations_needed(bets, [1.0], alpha=0.05, side="promote") is None
    assert conversations_needed(bets, [], alpha=0.05, side="promote") is None


def test_a_weight_must_be_made_up_for():
    whole, tenth = (Bets(0.5, (0.5,), (0.5,), (weight,)) for weight in (1.0, 0.1))
    ratio = conversations_needed(tenth, [0.0], alpha=0.05, side="promote") / conversations_needed(
        whole, [0.0], alpha=0.05, side="promote"
    )
    assert ratio == pytest.approx(math.log(200) / math.log(20))


def test_kl_inf_of_two_points_is_the_divergence_of_two_coins():
    """x in {-1, 1} with mean 0 against mean 1/2: half the sum of ln(1/2 / (1/4)) and ln(1/2 / (3/4))."""
    assert kl_inf([-1.0, 1.0], 0.5) == pytest.approx(0.5 * math.log(2) + 0.5 * math.log(2 / 3))
    assert physical_limit([-1.0, 1.0], 0.5, alpha=0.05) == pytest.approx(math.log(20) / kl_inf([-1.0, 1.0], 0.5))


def test_for_small_margins_the_limit_is_the_gaussian_one():
    """2 * variance * ln(20) / margin**2, as 5.99 variance / gap**2 at 0.05."""
    values = [0.5] * 10 + [-0.5] * 10 + [0.0] * 80
    assert physical_limit(values, 0.001, alpha=0.05) == pytest.approx(5.99 * 0.05 / 0.001**2, rel=0.01)


def test_harm_over_the_margin_is_never_shown_to_be_under_it():
    assert kl_inf([0.2], 0.1) == 0
    assert physical_limit([0.2], 0.1, alpha=0.05) is None
    assert physical_limit([], 0.1, alpha=0.05) is None


@given(st.lists(st.floats(-1, 1), min_size=1, max_size=12), st.floats(0.01, 0.9), st.floats(1e-3, 1))
def test_no_bets_undercut_the_limit(values, margin, spread):
    limit = physical_limit(values, margin, alpha=0.05)
    for bets in (spread5(margin), focused4(margin, spread)):
        needed = conversations_needed(bets, values, alpha=0.05, side="promote")
        assert needed is None or needed >= limit * (1 - 1e-6)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: plan_bets(0.0, RARE), "margin is 0.0"),
        (lambda: variance([math.nan]), "x is nan"),
        (lambda: kl_inf(RARE, 1.0), "margin is 1.0"),
        (lambda: physical_limit(RARE, 0.01, alpha=math.nan), "alpha is nan"),
        (lambda: conversations_needed(spread5(0.01), RARE, alpha=0.0, side="promote"), "alpha is 0.0"),
        (lambda: remaining(math.nan, 800.0, alpha=0.05), "log_e is nan"),
        (lambda: remaining(0.0, math.nan, alpha=0.05), "needed is nan"),
    ],
)
def test_what_cannot_be_is_named_with_its_value(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_what_remains_shrinks_with_the_evidence():
    assert remaining(0.0, 800.0, alpha=0.05) == 800
    assert remaining(math.log(20) / 4, 800.0, alpha=0.05) == pytest.approx(600)
    assert remaining(99.0, 800.0, alpha=0.05) == 0
    assert remaining(-math.log(20), 800.0, alpha=0.05) == pytest.approx(1_600)
