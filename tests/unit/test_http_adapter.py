"""A service of one's own: what it may answer, and what is said of an answer that is none."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import orjson
import pytest
import pytest_asyncio
from aiohttp import web
from aiohttp.test_utils import TestServer

from shadow.adapters import Answer, ProviderError, create
from shadow.config import Arm
from shadow.events import Message, Turn

TURN = Turn(turn_id="t", conversation_id="c", occurred_at=1.7e9, messages=[Message(role="user", content="hi")])
ANSWER = web.AppKey("answer", dict)
Ask = Callable[[Any], Awaitable[Answer]]


async def service(request: web.Request) -> web.Response:
    return web.Response(**request.app[ANSWER])


@pytest_asyncio.fixture
async def ask() -> AsyncIterator[Ask]:
    """Asks a service that answers with that body."""
    app = web.Application()
    app.router.add_post("/answer", service)
    app[ANSWER] = {}
    async with TestServer(app) as server:
        adapter = {"type": "http", "url": str(server.make_url("/answer"))}
        made = create(Arm.model_validate({"name": "arm", "owner": "o", "adapter": adapter}), environ={})

        async def asked(body: Any, kind: str = "application/json") -> Answer:
            data = body if isinstance(body, bytes) else orjson.dumps(body)
            app[ANSWER].update(body=data, content_type=kind)
            return await made.answer(TURN)

        yield asked
        await made.close()


async def test_all_that_it_may_say(ask: Ask) -> None:
    call = {"id": "c1", "function": {"name": "refund", "arguments": {"amount": 5}}}
    said = {"content": "Grüße", "tool_calls": [call], "id": "r1", "model": "v7"}
    answer = await ask({**said, "usage": {"input_tokens": 3, "output_tokens": 4}})
    assert answer.message.content == "Grüße"
    assert [(c.id, c.function.name, c.function.arguments) for c in answer.message.tool_calls or []] == [
        ("c1", "refund", '{"amount":5}')
    ]
    gen_ai = answer.gen_ai
    assert (answer.finish_reason, gen_ai.input_tokens, gen_ai.output_tokens) == ("tool_calls", 3, 4)
    assert (gen_ai.response_id, gen_ai.response_model) == ("r1", "v7")


async def test_json_under_another_content_type_is_json(ask: Any) -> None:
    """What many servers send unless they are told."""
    assert (await ask({"content": "hello"}, "text/plain")).message.content == "hello"


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        ({}, "neither 'content' \\(text\\) nor 'tool_calls' \\(list\\)"),
        ({"content": 7}, "neither 'content'"),
        ({"tool_calls": [{"name": "refund"}]}, "tool_calls.0 has no 'function'"),
        ([], "not a JSON object"),
        (b"hello", "not JSON"),
        ({"error": "out of order"}, "out of order"),
    ],
)
async def test_what_is_no_reply_says_what_is_wrong(ask: Ask, body: Any, problem: str) -> None:
    with pytest.raises(ProviderError, match=problem):
        await ask(body)
