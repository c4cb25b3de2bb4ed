"""Tool calls are compared as data."""

from __future__ import annotations

import pytest

from shadow.events import Message
from shadow.measures import Pair
from shadow.measures.action import Action
from tests.fixtures.events import turn


def message(*calls):
    made = [{"function": {"name": name, "arguments": arguments}} for name, arguments in calls]
    return Message.model_validate(
        {"role": "assistant", "content": "" if made else "Hello.", "tool_calls": made or None}
    )


def value(production, arm, **fields):
    [found] = Action().score([Pair(turn(**fields), message(*production), message(*arm))])
    return found.value


@pytest.mark.parametrize(
    ("left", "right", "expected"),
    [
        ('{"a": 5, "b": "x"}', '{ "b":"x","a":5.0 }', 0.0),
        ('{"status": "OPEN"}', '{"status": "open"}', 0.0),
        ('{"note": "a  b"}', '{"note": " a b "}', 0.0),
        ('{"note": "A b"}', '{"note": "a b"}', 0.0),
        ('{"a": 1}', '{"a": true}', 1.0),
        ('{"a": 1}', '{"a": "1"}', 1.0),
        ('{"a": 1, "b": 2}', '{"a": 1, "b": 3}', 0.5),
        ('{"a": 1}', '{"a": 1, "b": null}', 0.0),
        ('{"a": 1}', '{"a": 1, "b": false}', 0.5),
        ('{"a": {"x": [1, 2]}}', '{"a": {"x": [1.0, 2.0]}}', 0.0),
        ('{"a": [1, 2]}', '{"a": [2, 1]}', 1.0),
        ("", "{}", 0.0),
        ("{broken", "{broken ", 0.0),
        ("{broken", "{}", 1.0),
        ("[" * 5_000, "[" * 5_000, 0.0),
    ],
)
def test_arguments(left, right, expected):
    assert value([("refund", left)], [("refund", right)]) == expected


@pytest.mark.parametrize(
    ("production", "arm", "expected"),
    [
        ([("a", "{}")], [], 1.0),
        ([], [("a", "{}")], 1.0),
        ([("a", "{}")], [("b", "{}")], 1.0),
        ([("a", "{}"), ("b", "{}")], [("a", "{}")], 0.5),
        ([("a", "{}"), ("a", "{}")], [("a", "{}")], 0.5),
        ([("a", '{"x":1}'), ("a", '{"x":2}')], [("a", '{"x":2}'), ("a", '{"x":1}')], 0.0),
        ([("a", '{"x":1}'), ("a", '{"x":2}')], [("a", '{"x":2}'), ("a", '{"x":3}')], 0.5),
    ],
)
def test_calls(production, arm, expected):
    assert value(production, arm) == expected


def test_another_order_counts_a_little():
    assert 0 < value([("a", "{}"), ("b", "{}")], [("b", "{}"), ("a", "{}")]) <= 0.25


def test_it_abstains_where_nobody_calls():
    [found] = Action().score([Pair(turn(), message(), message())])
    assert found.abstained == "no_tool_calls"


TOOL = {
    "type": "function",
    "function": {
        "name": "find",
        "parameters": {
            "properties": {
                "city": {"type": "string", "default": "Berlin"},
                "unit": {"type": "string", "description": "Unit of length. Defaults to 'km'."},
                "limit": {"type": "integer", "description": "With 10 as default."},
                "rate": {"type": "number", "description": "The rate (default is 0.05)"},
                "strict": {"type": "boolean", "description": "Default value is false"},
                "where": {"type": "string", "default": "here"},
            },
            "required": ["where"],
        },
    },
}


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ('{"city": "berlin"}', 0.0),
        ('{"city": "Bonn"}', 1.0),
        ('{"unit": "km"}', 0.0),
        ('{"unit": "k"}', 1.0),
        ('{"limit": 10}', 0.0),
        ('{"limit": 1}', 1.0),
        ('{"rate": 0.05}', 0.0),
        ('{"rate": 0.0}', 1.0),
        ('{"strict": false}', 0.0),
        ('{"strict": true}', 1.0),
        ('{"where": "here"}', 1.0),
        ('{"city": "Berlin", "unit": "km", "limit": 10, "extra": 1}', 1.0),
    ],
)
def test_a_default_that_is_written_out_is_no_difference(given, expected):
    """Unless the tool demands the argument."""
    assert value([("find", "{}")], [("find", given)], tools=[TOOL]) == expected
    assert value([("find", given)], [("find", "{}")], tools=[TOOL]) == expected


@pytest.mark.parametrize("parameters", [None, [], "x", {"properties": []}, {"properties": {"a": 1}, "required": "a"}])
def test_a_broken_schema_knows_no_default(parameters):
    tool = {"type": "function", "function": {"name": "find", "parameters": parameters}}
    assert value([("find", "{}")], [("find", '{"a": 1}')], tools=[tool]) == 1.0
