"""The OpenAI adapter against servers that lie, stop, babble and never end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shadow.adapters import AdapterConfigError, AdapterError, Answer, ProviderError, RateLimited, ReplyTimeout, create
from shadow.adapters.endpoint import retry_after
from shadow.adapters.event_stream import MAX_LINE_BYTES
from shadow.adapters.reply_stream import ReplyStream
from shadow.config import Arm
from shadow.events import Message, Turn

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
TURN = Turn(turn_id="t", conversation_id="c", occurred_at=1.7e9, messages=[Message(role="user", content="hi")])
SSE = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n"
JSON = SSE.replace(b"text/event-stream", b"application/json")


def chunk(delta: dict[str, Any] | None = None, **fields: Any) -> bytes:
    choice = {"index": 0, "delta": delta or {}, "finish_reason": fields.pop("finish", None)}
    return b"data: " + orjson.dumps({"id": "r1", "model": "m-1", "choices": [choice], **fields}) + b"\n\n"


def tool(index: int, **function: str) -> bytes:
    return chunk({"tool_calls": [{"index": index, "id": f"c{index}", "function": function}]})


STREAM = b"".join((
    b": a comment\r\n\r\n",
    chunk({"role": "assistant", "content": ""}),
    chunk({"content": "Grüße, "}).replace(b"\n", b"\r\n"),
    b"event: message\n",
    chunk({"content": "客户 👋"}),
    tool(1, name="b", arguments=""),
    tool(0, name="a", arguments='{"x"'),
    chunk({"tool_calls": [{"index": 0, "function": {"arguments": ": 1}"}}]}),
    chunk(finish="tool_calls"),
    b"data: " + orjson.dumps({"id": "r1", "choices": [], "usage": {"prompt_tokens": 7, "completion_tokens": 9}}),
    b"\n\ndata: [DONE]\n\n",
))  # fmt: skip


def check(answer: Answer) -> None:
    assert answer.message.content == "Grüße, 客户 👋"
    assert [(c.id, c.function.name, c.function.arguments) for c in answer.message.tool_calls or []] == [
        ("c0", "a", '{"x": 1}'),
        ("c1", "b", ""),
    ]
    assert answer.finish_reason == "tool_calls"
    gen_ai = answer.gen_ai
    assert (gen_ai.input_tokens, gen_ai.output_tokens) == (7, 9)
    assert (gen_ai.response_id, gen_ai.response_model, gen_ai.request_model) == ("r1", "m-1", "m")


@asynccontextmanager
async def asked(handler: Handler, **settings: Any) -> AsyncIterator[Callable[[], Awaitable[Answer]]]:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
            handle.request = head, orjson.loads(await reader.readexactly(length))  # type: ignore[attr-defined]
            await handler(reader, writer)
        except (ConnectionError, asyncio.CancelledError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
    spec = {"type": "openai", "base_url": url, "model": "m", **settings.pop("adapter", {})}
    arm = Arm.model_validate({"name": "arm", "owner": "o", "adapter": spec, **settings})
    adapter = create(arm, environ={"KEY": "secret"})

    async def ask(turn: Turn = TURN) -> Answer:
        ask.sent = handle  # type: ignore[attr-defined]
        return await adapter.answer(turn)

    try:
        yield ask
    finally:
        await adapter.close()
        server.close()


def says(*parts: bytes, then: float = 0.0) -> Handler:
    async def handler(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for part in parts:
            writer.write(part)
            await writer.drain()
        await asyncio.sleep(then)

    return handler


def test_a_stream_split_at_any_byte_reads_the_same() -> None:
    for cut in range(len(STREAM) + 1):
        stream = ReplyStream(10_000)
        stream.feed(STREAM[:cut])
        stream.feed(STREAM[cut:])
        stream.end()
        check(stream.answer("openai", "m"))


def test_a_stream_byte_by_byte_reads_the_same() -> None:
    stream = ReplyStream(10_000)
    for byte in STREAM:
        stream.feed(bytes([byte]))
    stream.end()
    check(stream.answer("openai", "m"))


@given(st.lists(st.binary() | st.sampled_from([b"data:", b"\n", b"{}", b'{"choices":[{}]}', b"[DONE]", STREAM])))
def test_any_bytes_end_in_an_answer_or_an_adapter_error(parts: list[bytes]) -> None:
    stream = ReplyStream(1_000)
    try:
        for part in parts:
            stream.feed(part)
        stream.end()
    except AdapterError:
        return
    assert isinstance(stream.answer("p", "m"), Answer)


JUNK = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["choices", "delta", "content", "tool_calls", "function", "index", "id", "usage", "error"]),
            inner,
        )
    ),
)


@given(JUNK, JUNK, JUNK)
def test_wrong_types_anywhere_end_in_an_answer_or_an_adapter_error(delta: Any, choices: Any, body: Any) -> None:
    for junk in ({"choices": [{"delta": delta}]}, {"choices": choices, "usage": delta}, body):
        stream = ReplyStream(1_000)
        try:
            stream.feed(b"data: " + orjson.dumps(junk) + b"\n\ndata: [DONE]\n\n")
            stream.end()
            assert stream.answer("p", "m").message.to_json().startswith(b'{"role":"assistant"')
        except AdapterError:
            continue
        try:
            ReplyStream(1_000).whole(orjson.dumps(junk))
        except AdapterError:
            continue


async def test_a_real_connection_gives_the_same_answer_and_times_the_first_token() -> None:
    async with asked(says(SSE, STREAM)) as ask:
        answer = await ask()
    check(answer)
    assert answer.time_to_first_token_s is not None
    assert answer.time_to_first_token_s >= 0


async def test_a_server_that_does_not_stream_is_read_too_without_a_first_token() -> None:
    body = {"id": "r", "model": "m", "usage": {"prompt_tokens": 1, "completion_tokens": 2}}
    body["choices"] = [{"message": {"role": "assistant", "content": "whole"}, "finish_reason": "stop"}]
    async with asked(says(JSON, orjson.dumps(body))) as ask:
        answer = await ask()
    assert (answer.message.content, answer.finish_reason) == ("whole", "stop")
    assert (answer.time_to_first_token_s, answer.gen_ai.output_tokens) == (None, 2)


@pytest.mark.parametrize(
    ("raw", "kind", "retryable"),
    [
        (b"", ProviderError, True),
        (b"garbage\r\n\r\n", ProviderError, None),
        (SSE, ProviderError, True),
        (SSE + chunk({"content": "half"}), ProviderError, True),
        (SSE + b"data: {broken\n\n", ProviderError, False),
        (SSE + b'data: {"error": {"message": "overloaded", "type": "server_error"}}\n\n', ProviderError, True),
        (SSE + b'data: {"error": {"message": "slow down", "code": "rate_limit_exceeded"}}\n\n', RateLimited, True),
        (SSE + b"data: " + b"x" * (MAX_LINE_BYTES + 100_000), ProviderError, False),
        (JSON + b"[]", ProviderError, False),
        (JSON + b'{"choices": []}', ProviderError, False),
        (b"HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n", ProviderError, True),
        (b"HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n", ProviderError, False),
        (b"HTTP/1.1 307 No\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n", ProviderError, False),
        (b"HTTP/1.1 429 No\r\nRetry-After: 7\r\nContent-Length: 0\r\n\r\n", RateLimited, True),
        (b"HTTP/1.1 504 No\r\nContent-Length: 0\r\n\r\n", ReplyTimeout, True),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\nContent-Type: text/event-stream\r\n\r\n", ProviderError, True),
    ],
)
async def test_a_broken_server_is_a_named_failure(raw: bytes, kind: type, *, retryable: bool | None) -> None:
    async with asked(says(raw)) as ask:
        with pytest.raises(kind) as caught:
            await ask()
    assert retryable is None or caught.value.retryable == retryable
    if b"Retry-After" in raw:
        assert caught.value.retry_after_s == 7.0


async def test_a_closed_port_is_a_retryable_provider_error() -> None:
    async with asked(says(), adapter={"base_url": "http://127.0.0.1:1/v1"}) as ask:
        with pytest.raises(ProviderError) as caught:
            await ask()
    assert caught.value.retryable


@pytest.mark.parametrize("head", [b"", SSE, SSE + chunk({"content": "a"})])
async def test_a_call_to_a_server_that_stops_in_the_middle_can_be_abandoned(head: bytes) -> None:
    async with asked(says(head, then=600)) as ask:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.3):
                await ask()


@pytest.mark.parametrize("part", [chunk({"content": "bla" * 100}), b": comment\n" * 1_000, tool(0, arguments="x" * 99)])
async def test_an_endless_stream_is_cut_at_the_limit(part: bytes) -> None:
    async def babble(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(SSE)
        while True:
            writer.write(part)
            await writer.drain()

    async with asked(babble, limits={"max_reply_bytes": 5_000}) as ask:
        answer = await asyncio.wait_for(ask(), 120)
    assert answer.truncated_by_limit
    assert answer.finish_reason == "length"
    assert len(answer.message.text) <= 5_000


async def test_only_the_arms_own_key_and_settings_travel() -> None:
    """P1: nothing that identifies the caller or its customer is sent, and the adapter's own params win."""
    params = {"user": "u-1", "metadata": {"a": "b"}, "extra_headers": {"X": "y"}, "stream": False, "n": 5, "model": "p"}
    params |= {"temperature": 0.9, "max_tokens": 50, "api_key": "sk-caller", "tool_choice": "auto", "store": True}
    turn = TURN.model_copy(update={"params": params, "metadata": {"customer": "7"}, "trace_id": "a" * 32})
    settings = {"api_key_env": "KEY", "params": {"temperature": 0.0}}
    async with asked(says(SSE, STREAM), adapter=settings) as ask:
        await ask(turn)  # type: ignore[call-arg]
        head, body = ask.sent.request  # type: ignore[attr-defined]
    assert body == {
        "messages": [{"role": "user", "content": "hi"}],
        "temperature": 0.0,
        "max_tokens": 50,
        "model": "m",
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    names = {line.split(b":")[0].lower() for line in head.split(b"\r\n")[1:] if line}
    assert names <= {
        b"host",
        b"content-type",
        b"accept",
        b"accept-encoding",
        b"authorization",
        b"user-agent",
        b"content-length",
    }
    assert b"Bearer secret" in head


def test_a_missing_key_names_arm_variable_and_fix() -> None:
    spec = {"type": "openai", "base_url": "http://x", "model": "m", "api_key_env": "CANDIDATE_KEY"}
    arm = Arm.model_validate({"name": "blue", "owner": "o", "adapter": spec})
    with pytest.raises(AdapterConfigError, match=r"'blue'.*\$CANDIDATE_KEY.*not set; export CANDIDATE_KEY"):
        create(arm, environ={})


@pytest.mark.parametrize(
    ("value", "wait_s"),
    [
        *[("5", 5.0), ("-1", 0.0), ("0.5", 0.5), ("soon", None), ("", None), (None, None), ("nan", None)],
        *[("Tue, 14 Nov 2023 22:13:30 GMT", 10.0), ("Tue, 14 Nov 2000 22:13:30 GMT", 0.0), ("inf", None)],
    ],
)
def test_retry_after_is_seconds_or_a_date(value: str | None, wait_s: float | None) -> None:
    assert retry_after(value, 1_700_000_000.0) == wait_s
