"""The wire format: what is read, what is refused, and why."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shadow.events import EVENTS, BrokenRecordError, Reply, Turn, decode
from tests.fixtures.events import NOW, reply, turn


def changed(event, **fields):
    return json.dumps({**json.loads(event.to_json()), **fields}).encode()


def test_an_event_survives_the_wire():
    assert decode(Turn, turn().to_json(), b"c1") == turn()
    assert decode(Reply, reply().to_json(), b"c1") == reply()


def test_a_newer_minor_version_is_read_and_its_new_fields_are_dropped():
    assert decode(Turn, changed(turn(), schema_version="1.9", novelty=3), b"c1").schema_version == "1.9"


def test_opentelemetry_names_stand_on_the_wire():
    assert json.loads(reply().to_json())["gen_ai"] == {
        "gen_ai.response.finish_reasons": ["stop"],
        "gen_ai.usage.output_tokens": 7,
    }


@pytest.mark.parametrize(
    ("value", "key", "reason", "detail"),
    [
        (b"", b"c1", "not_json", "Invalid JSON"),
        (b'{"type": "turn"', b"c1", "not_json", "Invalid JSON"),
        (b"\xff\xfe", b"c1", "not_json", "Invalid JSON"),
        (b"null", b"c1", "invalid", ""),
        (changed(turn(), schema_version="2.0"), b"c1", "unknown_version", "upgrade"),
        (changed(turn(), schema_version="x"), b"c1", "unknown_version", "MAJOR.MINOR"),
        (changed(turn(), turn_id="a\nb"), b"c1", "invalid", "turn_id"),
        (changed(turn(), turn_id="x" * 10_000), b"c1", "invalid", "at most 200 characters"),
        (changed(turn(), conversation_id="'; DROP TABLE comparisons; --"), b"c1", "invalid", "conversation_id"),
        (changed(turn(), conversation_id="../../etc/passwd"), b"c1", "invalid", "conversation_id"),
        (changed(turn(), conversation_id="a/../b"), b"a/../b", "invalid", "conversation_id"),
        (changed(turn(), turn_id=None), b"c1", "invalid", "turn_id"),
        (changed(turn(), messages=[]), b"c1", "invalid", "messages"),
        (changed(turn(), messages="hello"), b"c1", "invalid", "messages"),
        (changed(turn(), occurred_at=86_400.0), b"c1", "invalid", "occurred_at"),
        (changed(turn(), occurred_at=4_200_000_000.0), b"c1", "invalid", "occurred_at"),
        (changed(turn(), type="reply"), b"c1", "invalid", "type"),
        (turn().to_json(), b"c2", "key_mismatch", "conversation_id"),
        (turn().to_json(), None, "key_mismatch", "conversation_id"),
    ],
)
def test_a_broken_record_is_refused_with_reason_and_field(value, key, reason, detail):
    with pytest.raises(BrokenRecordError) as caught:
        decode(Turn, value, key)
    assert caught.value.reason == reason
    assert detail in caught.value.detail


def test_a_record_from_the_future_is_refused_and_an_old_one_is_not():
    with pytest.raises(BrokenRecordError, match="more than a day after"):
        decode(Turn, turn().to_json(), b"c1", arrived_s=NOW - 86_401)
    assert decode(Turn, turn().to_json(), b"c1", arrived_s=NOW + 1e7)


@pytest.mark.parametrize("fields", [{}, {"message": {"role": "assistant"}, "shed": "budget"}])
def test_a_reply_is_exactly_one_of_message_failure_and_shed(fields):
    bare = {key: value for key, value in json.loads(reply().to_json()).items() if key != "message"}
    with pytest.raises(BrokenRecordError, match="exactly one"):
        decode(Reply, json.dumps({**bare, **fields}).encode(), b"c1")


@given(st.binary(max_size=300), st.binary(max_size=20) | st.none())
def test_no_bytes_raise_anything_but_a_broken_record(value, key):
    for event in EVENTS.values():
        with pytest.raises(BrokenRecordError):
            decode(event, value, key)


@pytest.mark.parametrize("name", sorted(EVENTS))
def test_every_event_has_a_schema(name):
    assert EVENTS[name].model_json_schema(by_alias=True)["properties"]["schema_version"]
