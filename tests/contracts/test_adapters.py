"""What every adapter promises, run over each built-in one; those that speak HTTP against real servers."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any

import orjson
import pytest
import pytest_asyncio
from aiohttp import web
from aiohttp.test_utils import TestServer

from shadow.adapters import Adapter, AdapterError, Answer, ProviderError, ReplyTimeout, create
from shadow.config import Arm
from shadow.events import Message, Reply, ToolCall, Turn

KEY = "the-arms-own-key"
SEEN: list[Turn] = []
REQUESTS = web.AppKey("requests", list)
RELEASED = threading.Event()
"""Set by the test that asks `slow`, once it has seen what it wanted to see meanwhile."""

PATIENCE_S = 60.0


def turn(text: str = "say", **fields: Any) -> Turn:
    return Turn(
        turn_id="t:1",
        conversation_id="t",
        occurred_at=1.7e9,
        messages=[Message(role="user", content=text)],
        **fields,
    )


async def answer_async(seen: Turn) -> Message:
    return await asyncio.to_thread(answer_sync, seen)


def answer_sync(seen: Turn) -> Message:
    """What the arm says, chosen by the customer's message; the same on every path."""
    SEEN.append(seen)
    text = seen.messages[-1].text
    if text == "fail":
        raise RuntimeError("boom")
    if text == "timeout":
        raise TimeoutError("model")
    if text == "slow":
        RELEASED.wait(2 * PATIENCE_S)
    if text == "tool":
        call = {"id": "c1", "function": {"name": "refund", "arguments": '{"amount": 4}'}}
        return Message(role="assistant", tool_calls=[ToolCall.model_validate(call)])
    return Message(role="assistant", content="ü" * 5_000 if text == "long" else f"echo {text}")


async def chat(request: web.Request) -> web.StreamResponse:
    asked = await request.json()
    request.app[REQUESTS].append((dict(request.headers), asked))
    seen = turn(asked["messages"][-1]["content"], tools=asked.get("tools", []))
    try:
        message = await answer_async(seen)
    except (TimeoutError, RuntimeError) as error:
        return failed(error)
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
    await response.prepare(request)
    delta = message.model_dump(exclude_none=True)
    for index, call in enumerate(delta.get("tool_calls", [])):
        call["index"] = index
    for choice in ({"delta": delta}, {"delta": {}, "finish_reason": "tool_calls" if message.tool_calls else "stop"}):
        chunk = {"id": "r1", "model": "m-2024", "choices": [{"index": 0, **choice}]}
        await response.write(b"data: " + orjson.dumps(chunk) + b"\n\n")
    await response.write(b"data: [DONE]\n\n")
    return response


def failed(error: Exception) -> web.Response:
    """How all of the servers say that there is no answer."""
    if isinstance(error, TimeoutError):
        return web.Response(status=504)
    return web.json_response({"error": {"message": str(error)}}, status=500)


async def messages(request: web.Request) -> web.StreamResponse:
    """Anthropic's format."""
    asked = await request.json()
    request.app[REQUESTS].append((dict(request.headers), asked))
    try:
        message = await answer_async(turn(asked["messages"][-1]["content"][0]["text"], tools=offered(asked)))
    except (TimeoutError, RuntimeError) as error:
        return failed(error)
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
    await response.prepare(request)
    events: list[dict[str, Any]] = [{"type": "message_start", "message": {"id": "r1", "model": "m-2024"}}]
    if message.content:
        events.append({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}})
        events.append(
            {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": message.text}}
        )
    for index, call in enumerate(message.tool_calls or [], 1):
        block = {"type": "tool_use", "id": call.id, "name": call.function.name, "input": {}}
        delta = {"type": "input_json_delta", "partial_json": call.function.arguments}
        events.append({"type": "content_block_start", "index": index, "content_block": block})
        events.append({"type": "content_block_delta", "index": index, "delta": delta})
    reason = "tool_use" if message.tool_calls else "end_turn"
    events += [{"type": "message_delta", "delta": {"stop_reason": reason}}, {"type": "message_stop"}]
    for event in events:
        await response.write(f"event: {event['type']}\n".encode() + b"data: " + orjson.dumps(event) + b"\n\n")
    return response


def offered(asked: dict[str, Any]) -> list[dict[str, Any]]:
    """The tools of a request in Anthropic's format, in OpenAI's."""
    return [{"type": "function", "function": {"name": each["name"]}} for each in asked.get("tools", [])]


async def service(request: web.Request) -> web.StreamResponse:
    """A service of one's own."""
    asked = await request.json()
    request.app[REQUESTS].append((dict(request.headers), asked))
    try:
        message = await answer_async(Turn.model_validate({**asked, "occurred_at": 1.7e9}, strict=False))
    except (TimeoutError, RuntimeError) as error:
        return failed(error)
    return web.json_response(message.model_dump(exclude_none=True))


@dataclass
class Subject:
    make: Callable[..., Adapter]
    requests: list[tuple[dict[str, str], dict[str, Any]]] = field(default_factory=list)


@pytest_asyncio.fixture(params=["openai", "anthropic", "http", "callable-async", "callable-sync"])
async def subject(request: pytest.FixtureRequest) -> AsyncIterator[Subject]:
    SEEN.clear()
    app = web.Application()
    app[REQUESTS] = []
    app.router.add_post("/v1/chat/completions", chat)
    app.router.add_post("/v1/messages", messages)
    app.router.add_post("/answer", service)
    made: list[Adapter] = []
    async with TestServer(app) as server:
        adapters = {
            "openai": {"type": "openai", "base_url": str(server.make_url("/v1")), "model": "m", "api_key_env": "KEY"},
            "anthropic": {
                "type": "anthropic",
                "base_url": str(server.make_url("")),
                "model": "m",
                "api_key_env": "KEY",
            },
            "http": {"type": "http", "url": str(server.make_url("/answer")), "api_key_env": "KEY"},
            "callable-async": {"type": "callable", "target": f"{__name__}:answer_async"},
            "callable-sync": {"type": "callable", "target": f"{__name__}:answer_sync"},
        }

        def make(**settings: Any) -> Adapter:
            arm = {"name": "arm", "owner": "team", "adapter": adapters[request.param], **settings}
            made.append(create(Arm.model_validate(arm), environ={"KEY": KEY}))
            return made[-1]

        yield Subject(make, app[REQUESTS])
        for adapter in made:
            await adapter.close()


async def test_an_answer_is_a_message_that_a_reply_is_built_from(subject: Subject) -> None:
    adapter = subject.make()
    assert isinstance(adapter, Adapter)
    answer = await adapter.answer(turn("hello"))
    assert isinstance(answer, Answer)
    assert answer.message == Message(role="assistant", content="echo hello")
    reply = Reply(turn_id="t:1", conversation_id="t", occurred_at=1.7e9, message=answer.message, gen_ai=answer.gen_ai)
    assert Reply.model_validate_json(reply.to_json()) == reply


async def test_tool_calls_come_through_and_nothing_runs_them(subject: Subject) -> None:
    [call] = (await subject.make().answer(turn("tool"))).message.tool_calls or []
    assert (call.id, call.function.name, call.function.arguments) == ("c1", "refund", '{"amount": 4}')


async def test_every_failure_is_an_adapter_error_of_a_known_kind(subject: Subject) -> None:
    adapter = subject.make()
    with pytest.raises(ProviderError, match="boom"):
        await adapter.answer(turn("fail"))
    with pytest.raises(ReplyTimeout) as caught:
        await adapter.answer(turn("timeout"))
    assert isinstance(caught.value, AdapterError)
    assert (caught.value.kind, caught.value.retryable) == ("timeout", True)
    assert (await adapter.answer(turn("again"))).message.text == "echo again"


async def test_a_reply_is_cut_at_its_limit_on_a_whole_character(subject: Subject) -> None:
    answer = await subject.make(limits={"max_reply_bytes": 1_001}).answer(turn("long"))
    assert answer.truncated_by_limit
    assert answer.finish_reason == "length"
    assert answer.gen_ai.finish_reasons == ["length"]
    assert answer.message.text == "ü" * 500


@pytest.mark.parametrize("policy", ["record", "strip"])
async def test_tools_are_offered_only_to_an_arm_that_records_them(subject: Subject, policy: str) -> None:
    tools = [{"type": "function", "function": {"name": "refund"}}]
    await subject.make(tools=policy).answer(turn("hello", tools=tools, params={"tool_choice": "auto"}))
    assert SEEN[-1].tools == (tools if policy == "record" else [])
    for _, asked in subject.requests:
        choice = "tool_choice" in {**asked, **asked.get("params", {})}
        assert (bool(asked.get("tools")), choice) == (policy == "record",) * 2


async def test_calls_run_at_once_and_one_cancelled_leaves_the_others_alone(subject: Subject) -> None:
    adapter = subject.make()
    RELEASED.clear()
    slow = [asyncio.create_task(adapter.answer(turn("slow"))) for _ in range(4)]
    try:
        async with asyncio.timeout(PATIENCE_S):
            while len(SEEN) < len(slow):  # noqa: ASYNC110 (they arrive on threads)
                await asyncio.sleep(0.01)
            quick = await adapter.answer(turn("quick"))
        slow[0].cancel()
    finally:
        RELEASED.set()
    results = await asyncio.gather(*slow, return_exceptions=True)
    assert quick.message.text == "echo quick"
    assert isinstance(results[0], asyncio.CancelledError)
    assert all(isinstance(result, Answer) for result in results[1:])


async def test_close_gives_back_what_was_held(subject: Subject) -> None:
    adapter = subject.make()
    await adapter.answer(turn("hello"))
    await adapter.close()
    await adapter.close()
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("arm-") and thread.daemon]


async def test_only_the_arms_own_key_travels_and_nothing_of_the_caller(subject: Subject) -> None:
    params = {"user": "the-customer", "extra_headers": {"x-secret": "production"}, "api_key": "productions-key"}
    await subject.make().answer(turn("hello", params={**params, "temperature": 0.5}))
    for headers, asked in subject.requests:
        assert KEY in (headers.get("Authorization", "").removeprefix("Bearer "), headers.get("x-api-key"))
        sent = json.dumps([headers, asked])
        assert "temperature" in sent
        assert not [word for word in ("the-customer", "x-secret", "productions-key") if word in sent]
