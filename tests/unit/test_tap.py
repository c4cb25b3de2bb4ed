"""The Tap is a guest in production: cheap to import, never raises, never grows, loses nothing silently."""

from __future__ import annotations

import asyncio
import logging
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shadow import events, topology
from shadow.tap import Tap, fields, wire
from shadow.tap.call import failure_of

BODY = [{"role": "user", "content": "Where is my order?"}]
EVENTS = {topology.TURNS: events.Turn, topology.REPLIES: events.Reply, topology.OUTCOMES: events.Outcome}


@pytest.fixture
def tap() -> Iterator[Tap]:
    """A Tap whose thread never starts: what it was given stays to be looked at."""
    made = still(Tap("127.0.0.1:1"))
    yield made
    made.close(0)


def still(tap: Tap) -> Tap:
    tap._started = True
    return tap


def written(tap: Tap) -> list[events.Event]:
    """Everything that waits in the Tap, decoded as its event: the contract of the wire format."""
    items = sorted(item for lane in tap._buffer._lanes.values() for item in lane)
    return [events.decode(EVENTS[topic], value, key) for _, topic, key, value in items]


def test_importing_it_loads_nothing_that_production_did_not_ask_for() -> None:
    heavy = ["faust", "numpy", "wordllama", "aiohttp", "sqlalchemy", "pydantic", "structlog", "aiokafka", "yaml"]
    heavy += ["phonenumbers", "stdnum", "cryptography"]
    code = f"import shadow.tap, sys; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_what_the_wire_repeats_is_what_the_events_say() -> None:
    assert wire.SCHEMA_VERSION == events.SCHEMA_VERSION
    assert wire.PRODUCTION == events.PRODUCTION
    assert set(events.FAILURE_KINDS) == wire.FAILURE_KINDS
    assert (fields.EARLIEST_CLOCK_S, fields.LATEST_CLOCK_S) == (events.EARLIEST_CLOCK_S, events.LATEST_CLOCK_S)
    assert set(events.Message.model_fields["role"].annotation.__args__) == fields.ROLES  # type: ignore[union-attr]
    assert {name: field.alias for name, field in events.GenAI.model_fields.items()} == fields.GEN_AI


class Dumped:
    """As the openai library returns them."""

    def __init__(self, data: Any) -> None:
        self.data = data

    def model_dump(self, **_: Any) -> Any:
        return self.data


class Hostile:
    """Raises wherever it is touched."""

    def __getattribute__(self, name: str) -> Any:
        raise RuntimeError(name)

    def __repr__(self) -> str:
        raise RuntimeError("repr")

    def __bool__(self) -> bool:
        raise RuntimeError("bool")

    def __eq__(self, other: object) -> bool:
        raise RuntimeError("eq")

    def __hash__(self) -> int:
        raise RuntimeError("hash")


def circular() -> list[Any]:
    ring: list[Any] = []
    ring.append({"role": "user", "content": ring})
    return ring


KEYS = st.sampled_from(
    [
        "role",
        "content",
        "name",
        "tool_calls",
        "tool_call_id",
        "id",
        "type",
        "function",
        "arguments",
        "text",
        "gen_ai.usage.input_tokens",
        "input_tokens",
        "finish_reasons",
        "channel",
        "x",
    ]
)
LEAF = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.binary(max_size=3)
    | st.sampled_from(["user", "assistant", "function", "c-1", "provider_error", "a" * 32, "\ud800", "..", "a\nb"])
    | st.builds(Hostile)
    | st.builds(circular)
    | st.just(object())
)
GARBAGE = st.recursive(
    LEAF,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.tuples(inner, inner)
        | st.dictionaries(KEYS, inner, max_size=4)
        | st.builds(Dumped, inner)
    ),
    max_leaves=8,
)
TURN = ["conversation_id", "messages", "turn_id", "turn_index", "tools", "response_format", "params", "metadata"]
TURN += ["gen_ai", "trace_id"]
REPLY = ["conversation_id", "turn_id", "message", "failure", "latency_s", "cost_usd", "gen_ai", "occurred_at"]
OUTCOME = ["conversation_id", "turn_id", "name", "value", "arm", "outcome_id"]
GOOD = {
    "turn": {"conversation_id": "c", "messages": BODY},
    "reply": {"conversation_id": "c", "turn_id": "c:0", "message": "hi"},
    "outcome": {"conversation_id": "c", "turn_id": "c:0", "name": "solved", "value": 1},
}


@settings(max_examples=400)
@given(st.data())
def test_garbage_never_raises_and_whatever_is_written_is_its_event(data: st.DataObject) -> None:
    """Each call either writes a record that decodes, or counts it: nothing third."""
    tap = still(Tap("127.0.0.1:1"))
    verb, fields = data.draw(st.sampled_from([("turn", TURN), ("reply", REPLY), ("outcome", OUTCOME)]))
    garbage = data.draw(st.dictionaries(st.sampled_from(fields), GARBAGE, min_size=1, max_size=3))
    getattr(tap, verb)(**{**GOOD[verb], **garbage})
    stats = tap.stats()
    assert len(written(tap)) + sum(stats.dropped.values()) == 1
    assert set(stats.dropped) <= {"invalid"}
    tap.close(0)


MESSAGE = st.one_of(
    st.builds(lambda role, text: {"role": role, "content": text}, st.sampled_from(sorted(fields.ROLES)), st.text()),
    st.builds(lambda text: Dumped({"role": "user", "content": [{"type": "text", "text": text}]}), st.text()),
    st.builds(
        lambda name, text: {
            "role": "assistant",
            "tool_calls": [Dumped({"id": "c", "type": "function", "function": {"name": name, "arguments": text}})],
        },
        st.text(),
        st.text(),
    ),
)


@given(
    st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9_:#@+=~/-]{0,150}", fullmatch=True),
    st.lists(MESSAGE, min_size=1),
    st.integers(0, 10_000),
    st.dictionaries(st.text(max_size=5), st.text(max_size=5), max_size=32),
)
def test_every_good_turn_arrives_as_it_was_given(
    conversation: str, messages: list[Any], index: int, metadata: dict[str, str]
) -> None:
    tap = still(Tap("127.0.0.1:1"))
    turn_id = tap.turn(conversation_id=conversation, messages=messages, turn_index=index, metadata=metadata)
    [turn] = written(tap)
    assert isinstance(turn, events.Turn)
    assert (turn.turn_id, turn.conversation_id, turn.metadata) == (turn_id, conversation, metadata)
    assert turn_id == f"{conversation}:{index}"
    assert [m.role for m in turn.messages] == [(m.data if isinstance(m, Dumped) else m)["role"] for m in messages]
    tap.close(0)


def test_a_change_after_the_call_changes_nothing_that_is_sent(tap: Tap) -> None:
    messages = [dict(BODY[0])]
    metadata = {"tier": "free"}
    tap.turn(conversation_id="c", messages=messages, metadata=metadata)
    messages[0]["content"] = "changed"
    messages.clear()
    metadata["tier"] = "changed"
    [turn] = written(tap)
    assert isinstance(turn, events.Turn)
    assert (turn.messages[0].text, turn.metadata) == (BODY[0]["content"], {"tier": "free"})


def test_the_oldest_are_dropped_first_and_counted() -> None:
    tap = still(Tap("127.0.0.1:1", max_queue_records=10))
    for index in range(25):
        tap.turn(conversation_id="c", messages=BODY, turn_index=index)
        tap.reply(conversation_id="c", turn_id=f"c:{index}", message="hi")
    kept = [event.turn_id for event in written(tap) if isinstance(event, events.Turn)]
    assert kept == [f"c:{index}" for index in range(20, 25)]
    stats = tap.stats()
    assert (stats.queued, stats.dropped) == (10, {"queue_full": 40})
    tap.close(0)
    assert (tap.stats().queued, tap.stats().dropped) == (0, {"queue_full": 40, "closed": 10})


def test_memory_is_bounded_in_bytes_too() -> None:
    tap = still(Tap("127.0.0.1:1", max_queue_bytes=50_000))
    for index in range(200):
        tap.turn(conversation_id="c", messages=[{"role": "user", "content": "x" * 1_000}], turn_index=index)
        assert tap.stats().queued_bytes <= 50_000
    assert tap.stats().queued + tap.stats().dropped["queue_full"] == 200
    tap.close(0)


def test_a_record_larger_than_the_whole_queue_is_dropped_and_nothing_stops() -> None:
    tap = still(Tap("127.0.0.1:1", max_queue_bytes=1_000))
    tap.turn(conversation_id="c", messages=[{"role": "user", "content": "x" * 2_000}])
    assert (tap.stats().queued, tap.stats().dropped) == (0, {"queue_full": 1})
    tap.close(0)


@pytest.mark.parametrize("shape", ["content", "parts", "tools", "many"])
def test_ten_megabytes_are_refused_before_they_are_serialised(
    tap: Tap, shape: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wire.orjson, "dumps", lambda *_, **__: pytest.fail("serialised"))
    big = "x" * 10_000_000
    messages: dict[str, list[dict[str, Any]]] = {
        "content": [{"role": "user", "content": big}],
        "parts": [{"role": "user", "content": [{"type": "text", "text": big}]}],
        "many": [{"role": "user", "content": "x" * 1_000}] * 10_000,
    }
    tools = [{"type": "function", "function": {"name": "f", "description": big}}] if shape == "tools" else None
    tap.turn(conversation_id="c", messages=messages.get(shape, BODY), tools=tools)
    assert tap.stats().dropped == {"too_large": 1}


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"conversation_id": "a\nb"}, "turn_id"),
        ({"conversation_id": "a\nb", "turn_id": "t"}, "conversation_id"),
        ({"messages": []}, "messages: is empty"),
        ({"messages": [{"content": "x"}]}, "messages.role: must be one of"),
        ({"metadata": {"a": []}}, "metadata.a: must be text"),
        ({"trace_id": "XYZ"}, "trace_id: must be 32"),
        ({"params": {"a": object()}}, "is not JSON serializable: object"),
        ({"gen_ai": {"input_tokens": -1}}, "gen_ai.usage.input_tokens: must be a whole number"),
    ],
)
def test_a_refused_record_is_logged_with_field_and_fix_once_a_minute(
    tap: Tap, fields: dict[str, Any], named: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, "shadow.tap"):
        for _ in range(3):
            tap.turn(**{"conversation_id": "c", "messages": BODY, **fields})
    [line] = caplog.messages
    assert named in line
    assert tap.stats().dropped == {"invalid": 3}


def test_a_clock_of_1970_is_refused_and_named(
    tap: Tap, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("shadow.tap.client.time.time", lambda: 12.0)
    tap.turn(conversation_id="c", messages=BODY)
    assert "set the machine's clock" in caplog.text


def test_a_call_is_a_turn_and_a_timed_reply(tap: Tap) -> None:
    with tap.call(conversation_id="c", messages=BODY, turn_index=2) as call:
        call.first_token()
        call.reply(Dumped({"role": "assistant", "content": "hi", "refusal": None}), cost_usd=0.1)
    turn, reply = written(tap)
    assert isinstance(turn, events.Turn)
    assert isinstance(reply, events.Reply)
    assert turn.turn_id == reply.turn_id == call.turn_id == "c:2"
    assert reply.message is not None
    assert (reply.message.text, reply.cost_usd, reply.arm) == ("hi", 0.1, events.PRODUCTION)
    assert reply.latency_s is not None
    assert reply.time_to_first_token_s is not None
    assert reply.time_to_first_token_s <= reply.latency_s


class StatusError(Exception):
    status_code = 429


class APITimeoutError(Exception):
    pass


class BrokenStr(Exception):  # noqa: N818
    def __str__(self) -> str:
        raise RuntimeError("no text")


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (TimeoutError("t"), "timeout"),
        (type("ReadTimeout", (Exception,), {})(), "timeout"),
        (APITimeoutError("x"), "timeout"),
        (StatusError("x" * 10_000), "rate_limited"),
        (ValueError("bad"), "provider_error"),
        (BrokenStr(), "provider_error"),
        (KeyboardInterrupt(), "provider_error"),
    ],
)
def test_an_exception_inside_is_productions_failure_and_goes_on_unchanged(
    tap: Tap, error: BaseException, kind: str
) -> None:
    with pytest.raises(type(error)) as caught, tap.call(conversation_id="c", messages=BODY):
        raise error
    assert caught.value is error
    reply = written(tap)[1]
    assert isinstance(reply, events.Reply)
    assert reply.failure is not None
    assert reply.failure.kind == kind == failure_of(error)[0]
    assert reply.failure.detail.startswith(type(error).__name__)
    assert len(reply.failure.detail) <= wire.MAX_DETAIL


async def test_leaving_without_a_reply_is_an_empty_one_also_in_async_code(tap: Tap) -> None:
    async with tap.call(conversation_id="c", messages=BODY):
        await asyncio.sleep(0)
    reply = written(tap)[1]
    assert isinstance(reply, events.Reply)
    assert reply.failure == events.Failure(kind="empty")


def test_a_closed_tap_counts_and_says_nothing_more(tap: Tap) -> None:
    tap.close(0)
    tap.turn(conversation_id="c", messages=BODY)
    assert tap.stats().dropped == {"closed": 1}


def test_a_log_handler_that_fails_is_not_productions_problem(tap: Tap, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any, **__: Any) -> None:
        raise OSError("disk full")

    monkeypatch.setattr("shadow.tap.client.LOG.warning", broken)
    tap.turn(conversation_id="", messages=BODY)
    tap.turn(conversation_id="c", messages=orjson.loads('[{"role":"user","content":"x"}]'))
    assert (tap.stats().queued, tap.stats().dropped) == (1, {"invalid": 1})
