"""The excess over the noise floor: paired, by conversation, on valid prefixes, and silent without a control."""

from __future__ import annotations

import math
import random
from collections import Counter
from functools import reduce

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shadow.gate.betting import SCALE
from shadow.gate.excess import GRID, STAKES, WEIGHTS, Excess, growth, steps
from shadow.gate.guardrails import OVERALL
from shadow.gate.noise_floor import NO_CONTROL, UNPAIRED, _excess, noise_floor
from shadow.gate.sides import Measured

ALPHA = 0.05


def measured(turn: int, *, size: int = 1, **fields) -> Measured:
    """Turn number ``turn`` of conversations that have ``size`` turns each."""
    scores = fields.pop("scores", None) or {name: fields.pop(name) for name in list(fields) if name in NAMES}
    return Measured(f"c{turn // size}", f"t{turn}", scores, **fields)


NAMES = ("semantic", "action", "facts")


def only(candidate, control, measure="semantic", slice_=OVERALL):
    found = noise_floor(candidate, control, alpha=ALPHA)
    [floor] = [each for each in found if (each.measure, each.slice) == (measure, slice_)]
    return floor


def test_it_is_the_mean_over_conversations_and_only_on_turns_that_both_answered():
    """One conversation of three turns counts as much as one of a single turn."""
    candidate = [
        measured(0, size=3, semantic=0.5),
        measured(1, size=3, semantic=0.7),
        measured(3, size=3, semantic=0.2),
    ]
    control = [measured(0, size=3, semantic=0.1), measured(1, size=3, semantic=0.1), measured(3, size=3, semantic=0.2)]
    unasked = measured(2, size=3, semantic=1.0)
    floor = only([*candidate, unasked], control)
    assert floor.excess == pytest.approx((0.5 + 0.0) / 2)
    assert floor.candidate == pytest.approx((0.6 + 0.2) / 2)
    assert floor.control == pytest.approx((0.1 + 0.2) / 2)
    assert (floor.turns, floor.conversations, floor.paired) == (3, 2, True)
    assert (floor.call, floor.reason) == ("not_enough_data", "2 of 100 conversations")
    assert (floor.lower, floor.upper) == (None, None)


def test_gibberish_is_told_within_a_dozen_conversations():
    """A constant reply: far from everything, while the model's own two samples are close."""
    rng = random.Random(1)
    control = [measured(turn, semantic=rng.betavariate(2, 12)) for turn in range(20)]
    gibberish = [measured(turn, semantic=rng.uniform(0.7, 1.0)) for turn in range(20)]
    calls = [only(gibberish[:n], control[:n]).call for n in range(1, 21)]
    assert calls.index("different") + 1 <= 12
    assert only(control, gibberish).call == "different"  # and as surely on the other side


def test_equal_arms_show_no_difference_with_an_interval_around_nothing():
    rng = random.Random(2)
    sides = [[measured(turn, semantic=rng.betavariate(2, 6)) for turn in range(400)] for _ in range(2)]
    floor = only(*sides)
    assert (floor.call, floor.reason) == ("no_difference", "")
    assert floor.lower < 0 < floor.upper
    assert floor.upper - floor.lower < 0.1


def test_a_steady_small_difference_is_told_by_the_interval():
    """Bounded stakes are slow where x hardly varies: one percent, always."""
    rng = random.Random(3)
    control = [measured(turn, semantic=0.2 + rng.gauss(0, 0.01)) for turn in range(120)]
    candidate = [measured(turn, semantic=0.21 + rng.gauss(0, 0.01)) for turn in range(120)]
    floor = only(candidate, control)
    assert floor.call == "different"
    assert 0 < floor.lower < 0.01 < floor.upper


def test_rare_differences_give_an_exact_bound_and_no_hasty_interval():
    """Three conversations of five hundred differ, all to one side."""
    control = [measured(turn, action=0.0) for turn in range(500)]
    candidate = [measured(turn, action=float(turn < 3)) for turn in range(500)]
    floor = only(candidate, control, "action")
    assert floor.call == "no_difference"
    assert floor.lower == -floor.upper
    assert 0.006 < floor.upper < 0.05


def test_a_turn_counts_only_where_both_arms_would_still_be_in_the_conversation():
    """The others are counted, and their means shown apart."""
    prefixes = [
        ("valid", "valid"),
        ("broken", "valid"),
        ("valid", "broken"),
        ("unknown", "valid"),
        ("unknown", "broken"),
    ]
    candidate = [measured(i, semantic=0.5 + i / 10, prefix=mine) for i, (mine, _) in enumerate(prefixes)]
    control = [measured(i, semantic=0.1, prefix=theirs) for i, (_, theirs) in enumerate(prefixes)]
    floor = only(candidate, control)
    assert floor.prefixes == {"valid": 1, "broken": 3, "unknown": 1}
    assert (floor.turns, floor.candidate) == (1, 0.5)
    assert floor.others == {"control": pytest.approx(0.1), "candidate": pytest.approx(0.75)}


def test_a_failure_to_answer_is_as_far_as_can_be_on_either_side():
    """Else a candidate that times out on hard turns would be measured on easy ones, and so would the control."""
    scored, failed = measured(0, semantic=0.25), measured(0, scores={}, failed=True)
    assert only([failed], [scored]).excess == 0.75
    assert only([scored], [failed]).excess == -0.75
    assert noise_floor([failed], [failed], alpha=ALPHA) == []


def test_a_call_that_only_one_arm_makes_is_seen():
    """The action measure abstains where neither production nor the arm calls: for the other arm that is agreement."""
    calls, silent = measured(0, action=1.0, semantic=0.2), measured(0, semantic=0.1)
    assert only([calls], [silent], "action").excess == 1.0
    assert only([silent], [calls], "action").excess == -1.0
    no_text = measured(0, action=0.0)
    assert only([calls], [no_text]).turns == 0  # semantic: there was nothing to embed, which says nothing


def test_slices_have_their_own_lines():
    candidate = [measured(i, semantic=0.9 if i % 2 else 0.1, slices=["odd"] * (i % 2)) for i in range(40)]
    control = [measured(i, semantic=0.1, slices=["odd"] * (i % 2)) for i in range(40)]
    assert only(candidate, control, slice_="odd").excess == pytest.approx(0.8, abs=1 / GRID)
    assert only(candidate, control, slice_="odd").call == "different"
    assert only(candidate, control).excess == pytest.approx(0.4, abs=1 / GRID)


def test_without_pairs_each_arm_stands_for_itself_and_says_so():
    rng = random.Random(4)
    control = [measured(10_000 + turn, semantic=rng.betavariate(2, 8)) for turn in range(600)]
    candidate = [measured(turn, semantic=rng.betavariate(5, 5)) for turn in range(600)]
    alike = [measured(turn, semantic=rng.betavariate(2, 8)) for turn in range(600)]
    floor, same = only(candidate, control), only(alike, control)
    assert (floor.call, floor.paired, floor.reason) == ("different", False, UNPAIRED)
    assert floor.lower < floor.excess < floor.upper
    assert (same.call, same.reason) == ("no_difference", UNPAIRED)
    assert only(candidate[:99], control).call == "not_enough_data"


def test_without_a_control_there_is_no_call():
    floor = only([measured(turn, semantic=0.9) for turn in range(500)], [])
    assert (floor.call, floor.reason) == ("not_enough_data", NO_CONTROL)
    assert floor.candidate == pytest.approx(0.9)
    assert (floor.control, floor.excess, floor.lower, floor.upper) == (None, None, None, None)
    assert noise_floor([], [], alpha=ALPHA) == []


def test_a_difference_outside_its_range_is_refused():
    for value in (1.01, math.nan):
        with pytest.raises(ValueError, match=r"must lie in -1\.\.1"):
            Excess().add(value)
    with pytest.raises(ValueError, match="alpha is"):
        Excess().bounds(alpha=0.7)


def test_the_stakes_are_fair_and_rounding_is_never_evidence():
    """A coin that shows x or -x: the expected wealth does not grow."""
    assert sum(WEIGHTS) == pytest.approx(1)
    for x in (0.001, 0.3, 1.0):
        up, down = (growth(steps(side)) for side in (x, -x))
        for stake, gain, loss in zip(STAKES, up, down, strict=True):
            assert (math.exp(gain / SCALE) + math.exp(loss / SCALE)) / 2 <= 1 + 1e-12
            assert gain <= math.log1p(stake * steps(x) / GRID) * SCALE


@given(st.floats(-1, 1))
def test_both_sides_are_rounded_alike(x):
    assert steps(-x) == -steps(x)


@given(st.lists(st.floats(-1, 1), max_size=40), st.data())
def test_any_partitioning_and_order_gives_the_same_bits(values, data):
    parts: list[list[float]] = [[] for _ in range(data.draw(st.integers(1, 5)))]
    for value in data.draw(st.permutations(values)):
        parts[data.draw(st.integers(0, len(parts) - 1))].append(value)
    merged = reduce(Excess.merge, [reduce(Excess.add, part, Excess()) for part in parts])
    assert merged == Excess.of(Counter(map(steps, values)), turns=len(values))


@given(st.lists(st.integers(-GRID, GRID), max_size=30))
def test_the_evidence_of_a_column_is_that_of_its_values(values: list[int]) -> None:
    """To the bit: what is added up at once, and what is added up value by value."""
    assert _excess(np.array(values, np.int64), turns=3) == Excess.of(Counter(values), turns=3)
