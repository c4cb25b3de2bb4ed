"""What ends an arm's part in a conversation, and how long it lasted."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shadow.comparator.prefix import agreed
from shadow.events import OUTCOME_KINDS, Score
from shadow.gate.prefix import of_both, prefixes

LIMITS = {"action": 0.0, "semantic": 0.3}
ABSTAINED, BROKEN = Score(abstained="no_tool_calls"), Score(abstained="plugin_error")


def scores(**values):
    return {name: value if isinstance(value, Score) else Score(value=value) for name, value in values.items()}


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (scores(semantic=0.3, action=0.0), True),
        (scores(semantic=0.300001, action=0.0), False),
        (scores(semantic=0.1, action=0.01), False),
        (scores(semantic=0.1, action=ABSTAINED, lexical=1.0), True),
        (scores(semantic=0.1), True),
        (scores(semantic=0.1, action=BROKEN), None),
        (scores(semantic=0.9, action=BROKEN), False),
        (scores(semantic=ABSTAINED, action=ABSTAINED), None),
        (scores(lexical=1.0), None),
    ],
)
def test_a_deciding_measure_above_its_limit_ends_it_and_no_other_does(given, expected):
    assert agreed("compared", given, LIMITS) is expected
    assert agreed("compared", dict(reversed(given.items())), dict(reversed(LIMITS.items()))) is expected


@pytest.mark.parametrize("outcome", [outcome for outcome in OUTCOME_KINDS if outcome != "compared"])
def test_no_reply_is_no_agreement_and_only_the_candidates_failure_is_its_own(outcome):
    assert agreed(outcome, {}, LIMITS) is (False if outcome == "candidate_failed" else None)


def test_a_prefix_is_valid_until_the_first_disagreement():
    assert prefixes([(0, True), (1, True), (2, False), (3, True), (4, None)]) == ["valid"] * 3 + ["broken"] * 2
    assert prefixes([(0, False)]) == ["valid"]
    assert prefixes([]) == []


def test_what_is_missing_or_not_comparable_leaves_it_unknown_unless_a_disagreement_is_known():
    assert prefixes([(0, True), (2, True)]) == ["valid", "unknown"]
    assert prefixes([(1, False), (2, True)]) == ["unknown", "broken"]
    assert prefixes([(0, None), (1, True), (2, False), (3, True)]) == ["valid", "unknown", "unknown", "broken"]


def test_turns_of_one_index_are_not_earlier_than_each_other():
    """As where production does not number its turns."""
    assert prefixes([(0, False), (0, True)]) == ["valid", "valid"]
    assert prefixes([(0, False), (1, True), (0, True)]) == ["valid", "broken", "valid"]
    assert prefixes([(0, None), (0, False), (1, True)]) == ["valid", "valid", "broken"]


@given(st.lists(st.tuples(st.integers(0, 6), st.sampled_from([True, False, None]))), st.randoms())
def test_the_order_in_which_turns_come_does_not_matter_and_the_rule_is_the_stated_one(turns, random):
    shuffled = list(turns)
    random.shuffle(shuffled)
    assert sorted(zip(turns, prefixes(turns), strict=True), key=repr) == sorted(
        zip(shuffled, prefixes(shuffled), strict=True), key=repr
    )
    for (index, _), found in zip(turns, prefixes(turns), strict=True):
        earlier = [agreed for other, agreed in turns if other < index]
        complete = {other for other, _ in turns if other < index} == set(range(index))
        stated = "broken" if False in earlier else "valid" if complete and None not in earlier else "unknown"
        assert found == stated


@pytest.mark.parametrize(
    ("pair", "worse"),
    [
        (("valid", "valid"), "valid"),
        (("valid", "broken"), "broken"),
        (("broken", "unknown"), "broken"),
        (("unknown", "valid"), "unknown"),
        (("unknown", None), "unknown"),
    ],
)
def test_of_two_arms_the_worse_prefix_counts(pair, worse):
    assert of_both(*pair) == worse
