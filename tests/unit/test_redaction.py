"""No personal data leaves production once redaction is on: whatever the record and its shape."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import orjson
import pytest

from shadow import events, topology
from shadow.tap import Tap
from shadow.tap.redaction import pseudonym
from shadow.text import pii
from shadow.text.pseudonyms import PSEUDONYM
from tests.fixtures.redaction import (
    CARD,
    KEY,
    LIMIT,
    MAIL,
    ON,
    PHONE,
    STRICT,
    Client,
    environment,
    redacted,
    sends,
    still_worker,
    turn_of,
)
from tests.unit.test_pii import FOUND

__all__ = ["environment"]

EVENTS = {topology.TURNS: events.Turn, topology.REPLIES: events.Reply, topology.OUTCOMES: events.Outcome}


EVERYWHERE: dict[str, Callable[[str], dict[str, Any]]] = {
    "system": lambda text: {"messages": [{"role": "system", "content": text}, {"role": "user", "content": "hi"}]},
    "assistant": lambda text: {"messages": [{"role": "assistant", "content": text}, {"role": "user", "content": "?"}]},
    "parts": lambda text: {"messages": [{"role": "user", "content": [{"type": "text", "text": text}]}]},
    "tool result": lambda text: {
        "messages": [{"role": "tool", "tool_call_id": "t", "content": json.dumps({"a": text})}]
    },
    "escaped tool result": lambda text: {
        "messages": [{"role": "tool", "tool_call_id": "t", "content": json.dumps({"a": text}).replace("@", "\\u0040")}]
    },
    "a key of a tool result": lambda text: {
        "messages": [{"role": "tool", "tool_call_id": "t", "content": json.dumps([{text: 1}])}]
    },
    "JSON in JSON": lambda text: {
        "messages": [{"role": "tool", "tool_call_id": "t", "content": json.dumps({"a": json.dumps({"b": text})})}]
    },
    "arguments": lambda text: {
        "messages": [
            {"role": "assistant", "tool_calls": [{"function": {"name": "f", "arguments": json.dumps({"to": [text]})}}]}
        ]
    },
    "broken arguments": lambda text: {
        "messages": [{"role": "assistant", "tool_calls": [{"function": {"name": "f", "arguments": "{" + text}}]}]
    },
    "metadata": lambda text: {"messages": [{"role": "user", "content": "hi"}], "metadata": {"contact": text}},
    "parameters": lambda text: {"messages": [{"role": "user", "content": "hi"}], "params": {"user": text}},
    "tools": lambda text: {
        "messages": [{"role": "user", "content": "hi"}],
        "tools": [{"type": "function", "function": {"name": "f", "description": text}}],
    },
}


@pytest.mark.usefixtures("environment")
@pytest.mark.parametrize("place", list(EVERYWHERE))
@pytest.mark.parametrize("value", [MAIL, PHONE, CARD])
def test_nothing_of_it_is_in_the_bytes_that_the_tap_sends(place: str, value: str) -> None:
    [record], dropped = sends(lambda tap: tap.turn(conversation_id="c", **EVERYWHERE[place](f"It is {value} now")))
    assert dropped == {}
    assert value.encode() not in record
    assert b"mail.example" not in record
    assert b"1111 1111" not in record  # four ones alone may be the clock's
    assert b"23456789" not in record
    assert PSEUDONYM.search(record.decode())
    events.decode(events.Turn, record, b"c")


@pytest.mark.usefixtures("environment")
def test_replies_failures_and_outcomes_too_with_the_same_pseudonym() -> None:
    def calls(tap: Tap) -> None:
        tap.turn(conversation_id="c", messages=[{"role": "user", "content": f"I am {MAIL}"}], turn_index=0)
        with tap.call(
            conversation_id="c", messages=[{"role": "user", "content": MAIL.upper()}], turn_index=9, known=["Ada L"]
        ) as call:
            call.reply(f"Dear Ada L, we wrote to {MAIL.lower()}")
        tap.reply(conversation_id="c", turn_id="c:1", failure=("provider_error", f"no such user {MAIL} " + "x" * 600))
        tap.outcome(conversation_id="c", turn_id="c:1", name="comment", value=f"call {MAIL}")
        tap.turn(conversation_id="other", messages=[{"role": "user", "content": f"I am {MAIL}"}], turn_index=0)

    records, dropped = sends(calls)
    assert (len(records), dropped) == (6, {})
    assert not any(b"mail.example" in record.lower() or b"Ada" in record for record in records)
    found = [set(PSEUDONYM.findall(record.decode())) for record in records]
    name = pseudonym(KEY, "c", "email", MAIL.lower())
    ours = [names for record, names in zip(records, found, strict=True) if b'"c"' in record]
    assert len(ours) == 5
    assert all(name in names for names in ours)
    assert sum(name in names for names in found) == 5
    for record in records:
        body = orjson.loads(record)
        kind = {"turn": events.Turn, "reply": events.Reply, "outcome": events.Outcome}[body["type"]]
        events.decode(kind, record, body["conversation_id"].encode())


@pytest.mark.usefixtures("environment")
def test_off_sends_what_it_is_given_and_loads_nothing() -> None:
    [record], dropped = sends(
        lambda tap: tap.turn(conversation_id="c", messages=[{"role": "user", "content": MAIL}], known=["Ada"]), None
    )
    assert MAIL.encode() in record
    assert b"known" not in record
    assert dropped == {}


@pytest.mark.parametrize("text", list(FOUND))
def test_every_kind_is_replaced(text: str) -> None:
    kind, value = FOUND[text]
    left = redacted(text)
    assert pseudonym(KEY, "c", kind, value) in left
    assert pii.personal_data(left) == []


@pytest.mark.usefixtures("environment")
def test_a_record_that_is_sent_again_is_the_same() -> None:
    """Two different turns under one id would be a conflict; a name that was learnt in between must not make them so."""

    def calls(tap: Tap) -> None:
        tap.turn(conversation_id="c", messages=[{"role": "user", "content": "I am Mei"}], turn_index=0)
        tap.turn(conversation_id="c", messages=[{"role": "tool", "content": '{"first_name": "Mei"}'}], turn_index=1)

    tap = Tap("127.0.0.1:1", redaction="on")
    tap._started = True
    calls(tap)
    sent = []
    for _ in range(2):
        worker = still_worker(tap)
        worker._producer = Client(answers=False)
        worker._send_waiting()
        sent.append(worker._producer.sent)
        assert tap._buffer.recall() == 2
    assert sent[0] == sent[1] != []
    buffer = tap._buffer
    assert buffer.bytes == sum(len(value) + len(key) + 256 for _, _, key, value in buffer._lanes[topology.TURNS])
    tap.close(0)
    assert (buffer.bytes, buffer.records, buffer.in_flight, buffer.in_flight_bytes) == (0, 0, 0, 0)


def test_tools_with_every_form_of_schema_pass_as_they_are() -> None:
    properties = {"a": {"type": ["string", "null"], "enum": ["file", None, 3]}, "first_name": {"type": "file"}}
    parameters = {"type": "object", "properties": properties}
    tool = {"type": "function", "function": {"name": "f", "parameters": parameters}}
    for redaction_of in (ON, STRICT):
        assert orjson.loads(redaction_of.apply(turn_of("hi", tools=[tool]), limit=LIMIT))["tools"] == [tool]


@pytest.mark.usefixtures("environment")
def test_an_error_that_was_cut_in_the_middle_of_an_address_leaves_no_half_of_it() -> None:
    def calls(tap: Tap) -> None:
        for size in range(260, 520, 7):
            tap.reply(conversation_id="c", turn_id="c:1", failure=("timeout", "x" * size + " " + MAIL * 3))
            with pytest.raises(OSError, match="x"), tap.call(conversation_id="c", messages=[{"role": "user"}]):
                raise OSError("x" * size + " " + MAIL)

    records, dropped = sends(calls)
    assert dropped == {}
    assert not any(b"Ada" in record for record in records)


@pytest.mark.parametrize("depth", [10, 200, 400, 900, 50_000])
def test_text_that_is_nested_without_sense_is_redacted_too(depth: int) -> None:
    text = "[" * depth + f'{{"a": "{MAIL}"}}' + "]" * depth
    assert redacted(text) == text.replace(MAIL, pseudonym(KEY, "c", "email", MAIL.lower()))


def test_half_a_letter_in_a_tools_result_is_no_reason_to_drop_it() -> None:
    found = redacted('{"a": "\\ud800", "b": "' + MAIL + '"}')
    assert "mail.example" not in found
    assert "\\ud800" in found


def test_a_number_in_json_is_replaced_by_text_and_other_numbers_stay() -> None:
    given = '{"phone": 4915123456789, "cardNumber": 4111111111111111, "amount": 49.10, "n": 5, "ok": true, "x": null}'
    found = json.loads(redacted(given))
    assert (found["amount"], found["n"], found["ok"], found["x"]) == (49.10, 5, True, None)
    assert [found[name][:6] for name in ("phone", "cardNumber")] == ["<PHONE", "<CARD_"]
    assert redacted('{"amount":49.10,"n":5}') == '{"amount":49.10,"n":5}'  # untouched, to the byte
