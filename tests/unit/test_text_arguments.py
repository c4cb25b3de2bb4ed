"""What a call's arguments mean, whoever wrote them."""

from __future__ import annotations

import time

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shadow.text.arguments import arguments, distance, without_defaults

SAME = [
    ("round_trip", "Round-Trip"),
    ("R_vs_Adams", "R vs Adams"),
    ("O'Hare", "OHARE"),
    ("2026-05-03", "May 3, 2026"),
    ("3 May 2026", "3. Mai 2026"),
    (["wifi", "Pool"], ["pool", "WiFi"]),
    (5, 5.0),
]
OTHER = [
    ("AB-123", "AB-124"),
    ("1.5", "15"),
    ("2026-05-03", "2026-05-04"),
    ("03/05/2026", "2026-05-03"),
    ("5", 5),
    (1, True),
    ([1, 2], [2, 1]),
    ("Boston", "Austin"),
]


def read(value):
    return arguments(orjson.dumps({"a": value}).decode())


@pytest.mark.parametrize(("left", "right"), SAME)
def test_the_same(left, right):
    assert distance(read(left), read(right)) == 0.0


@pytest.mark.parametrize(("left", "right"), OTHER)
def test_another(left, right):
    assert distance(read(left), read(right)) == 1.0


def test_free_text_counts_by_its_wording_and_fully_by_its_numbers():
    said = "the customer wants 20 dollars back for the lamp"
    assert 0.0 < distance(read(said), read("the client wants 20 dollars back for her lamp")) < 0.3
    assert distance(read(said), read("the customer wants 30 dollars back for the lamp")) == 1.0


def test_an_empty_argument_is_none():
    assert without_defaults(read(""), {}) == {} == without_defaults(read(None), None)
    assert without_defaults(read(0), {}) == {"a": 0}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
)


@given(JSON, JSON)
def test_a_distance_is_symmetric_and_within_bounds(left, right):
    one, other = read(left), read(right)
    assert 0.0 <= distance(one, other) == distance(other, one) <= 1.0
    assert distance(one, one) == 0.0


def test_what_is_long_or_deep_takes_no_time():
    began = time.process_time()
    arguments("[" * 20_000)
    arguments('{"a": ' * 5_000 + "1" + "}" * 5_000)
    without_defaults(read("x" * 10_000), {"properties": {"a": {"description": "default " * 100_000}}})
    assert time.process_time() - began < 0.5
