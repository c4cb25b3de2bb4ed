"""The simulated server, as a real process, keeps the promises of OpenAI's wire format."""

from __future__ import annotations

import asyncio
import io
import json
import re
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Any

import aiohttp
import pytest

from shadow.simulate.customers import TOOLS
from tests.fixtures.brokers import ended

ASK = [{"role": "user", "content": "I want a refund of $49.90 for order AB-12345."}]


@contextmanager
def serving(*options: str) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """A server process of its own; yields its address once it says that it is ready."""
    code = "import sys; from shadow.cli import main; main()"
    command = [sys.executable, "-c", code, "simulate", "serve", *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        try:
            assert process.stdout is not None
            ready = process.stdout.readline()
            found = re.search(r"http://\S+(?=/v1)", ready)
            assert found, ready
            yield found.group(), process
        finally:
            ended(process)


@pytest.fixture(scope="module")
def base() -> Iterator[str]:
    with serving("--port", "0", "--latency", "0") as (address, _):
        yield address


@pytest.fixture
async def session(base: str) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(base, timeout=aiohttp.ClientTimeout(90)) as made:
        yield made
        async with made.put("/faults", json={}) as response:
            assert response.status == 200


async def chat(session: aiohttp.ClientSession, **fields: Any) -> tuple[int, Any, Any]:
    """Status, headers and decoded body of one call."""
    body = {"model": "support-prod", "messages": ASK, "seed": 1, **fields}
    async with session.post("/v1/chat/completions", json=body) as response:
        return response.status, response.headers, await response.json()


async def stream(session: aiohttp.ClientSession, **fields: Any) -> list[Any]:
    """The events of a streamed call, ``[DONE]`` included."""
    body = {"model": "support-prod", "messages": ASK, "seed": 1, "stream": True, **fields}
    async with session.post("/v1/chat/completions", json=body) as response:
        assert response.headers["Content-Type"] == "text/event-stream"
        parts = (await response.text()).split("\n\n")
    assert parts.pop() == ""
    assert all(part.startswith("data: ") for part in parts)
    return [part if part == "data: [DONE]" else json.loads(part[6:]) for part in parts]


async def faults(session: aiohttp.ClientSession, **rates: float) -> None:
    async with session.put("/faults", json={"support-prod": rates}) as response:
        assert await response.json() == {"support-prod": rates}


async def test_whole_reply(session: aiohttp.ClientSession) -> None:
    status, _, body = await chat(session)
    assert status == 200
    assert set(body) == {"id", "object", "created", "model", "choices", "usage"}
    assert body["object"] == "chat.completion"
    [choice] = body["choices"]
    assert choice["finish_reason"] == "stop"
    assert choice["message"]["role"] == "assistant"
    assert "$49.90" in choice["message"]["content"]
    usage = body["usage"]
    assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"] > 0


async def test_streamed_reply_is_the_same_reply(session: aiohttp.ClientSession) -> None:
    _, _, whole = await chat(session)
    *chunks, usage, done = await stream(session, stream_options={"include_usage": True})
    assert done == "data: [DONE]"
    assert (usage["choices"], usage["usage"]) == ([], whole["usage"])
    assert {chunk["object"] for chunk in chunks} == {"chat.completion.chunk"}
    assert len({chunk["id"] for chunk in [*chunks, usage]}) == 1
    assert all(chunk["usage"] is None for chunk in chunks)
    deltas = [chunk["choices"][0]["delta"] for chunk in chunks]
    assert deltas[0] == {"role": "assistant", "content": ""}
    assert "".join(delta.get("content", "") for delta in deltas) == whole["choices"][0]["message"]["content"]
    finishes = [chunk["choices"][0]["finish_reason"] for chunk in chunks]
    assert finishes == [None] * (len(finishes) - 1) + ["stop"]
    without = await stream(session)
    assert all("usage" not in chunk and chunk["choices"] for chunk in without[:-1])


async def test_tool_calls_streamed_and_not(session: aiohttp.ClientSession) -> None:
    _, _, body = await chat(session, tools=TOOLS)
    [choice] = body["choices"]
    [call] = choice["message"]["tool_calls"]
    assert choice["finish_reason"] == "tool_calls"
    assert choice["message"]["content"] is None
    assert (call["type"], call["function"]["name"]) == ("function", "create_refund")
    *chunks, _ = await stream(session, tools=TOOLS)
    pieces = [piece for chunk in chunks for piece in chunk["choices"][0]["delta"].get("tool_calls", [])]
    assert (pieces[0]["index"], pieces[0]["type"], pieces[0]["function"]["name"]) == (0, "function", "create_refund")
    assert "".join(piece["function"]["arguments"] for piece in pieces) == call["function"]["arguments"]
    assert chunks[-1]["choices"][0]["finish_reason"] == "tool_calls"


async def test_asking_again_gives_other_words(session: aiohttp.ClientSession) -> None:
    texts = {(await chat(session, seed=None))[2]["choices"][0]["message"]["content"] for _ in range(10)}
    assert len(texts) > 3
    assert len({(await chat(session))[2]["choices"][0]["message"]["content"] for _ in range(3)}) == 1


async def test_max_tokens_cuts(session: aiohttp.ClientSession) -> None:
    _, _, body = await chat(session, max_tokens=5)
    assert body["choices"][0]["finish_reason"] == "length"
    assert body["usage"]["completion_tokens"] == 5


@pytest.mark.parametrize(
    ("fields", "status", "param"),
    [
        ({"model": None}, 400, "model"),
        ({"model": "gpt-9"}, 404, "model"),
        ({"messages": []}, 400, "messages"),
        ({"messages": [{"role": "boss", "content": "x"}]}, 400, "messages[0].role"),
        ({"messages": [{"role": "user", "content": 7}]}, 400, "messages[0].content"),
        ({"tools": "all"}, 400, "tools"),
        ({"tools": [1]}, 400, "tools[0]"),
        ({"stream": "yes"}, 400, "stream"),
        ({"max_tokens": 0}, 400, "max_tokens"),
        ({"n": 2}, 400, "n"),
    ],
)
async def test_bad_requests(session: aiohttp.ClientSession, fields: dict[str, Any], status: int, param: str) -> None:
    got, _, body = await chat(session, **fields)
    assert (got, set(body["error"])) == (status, {"message", "type", "param", "code"})
    assert (body["error"]["type"], body["error"]["param"]) == ("invalid_request_error", param)


async def test_other_refusals_have_the_same_shape(session: aiohttp.ClientSession) -> None:
    for method, path, data, status in (
        ("POST", "/v1/chat/completions", b"{", 400),
        ("POST", "/v1/chat/completions", io.BytesIO(b" " * 5_000_000), 413),
        ("GET", "/v1/chat/completions", None, 405),
        ("GET", "/v1/nothing", None, 404),
        ("PUT", "/faults", b'{"support-prod": {"sloow": 1}}', 400),
        ("PUT", "/faults", b"[", 400),
    ):
        async with session.request(method, path, data=data) as response:
            assert (response.status, "error" in await response.json()) == (status, True), path


async def test_models_and_health(session: aiohttp.ClientSession) -> None:
    async with session.get("/v1/models") as response:
        assert [item["id"] for item in (await response.json())["data"]][:2] == ["support-prod", "support-better"]
    async with session.get("/healthz") as response:
        assert (response.status, await response.text()) == (200, "ok\n")


async def test_faults_are_switched_at_run_time(session: aiohttp.ClientSession) -> None:
    await faults(session, rate_limit_storm=1)
    status, headers, body = await chat(session)
    assert (status, body["error"]["code"]) == (429, "rate_limit_exceeded")
    assert 1 <= int(headers["Retry-After"]) <= 5
    await faults(session, server_error=1)
    assert (await chat(session))[0] >= 500
    await faults(session, truncation=1)
    assert (await stream(session))[-2]["choices"][0]["finish_reason"] == "length"
    await faults(session, empty=1)
    assert (await chat(session))[2]["choices"][0]["message"]["content"] == ""
    await faults(session)
    assert "$49.90" in (await chat(session))[2]["choices"][0]["message"]["content"]


async def test_disconnect_breaks_off_in_the_middle(session: aiohttp.ClientSession) -> None:
    await faults(session, disconnect=1)
    with pytest.raises(aiohttp.ClientPayloadError):
        await chat(session)
    with pytest.raises(aiohttp.ClientPayloadError):
        await stream(session)


async def test_a_long_turn_hangs_until_the_client_gives_up(session: aiohttp.ClientSession) -> None:
    await faults(session, timeout_long_turns=1)
    assert (await chat(session))[0] == 200
    long = [{"role": "user", "content": "Where is my order AB-12345? " * 100}]
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.5):
            await chat(session, messages=long)


async def test_latency_is_simulated_and_the_first_token_comes_early() -> None:
    """Seen in one of a few replies: a machine that stalls may bring first and last token of one together."""
    with serving("--port", "0", "--latency", "1") as (address, _):
        async with aiohttp.ClientSession(address) as made:
            for _ in range(5):
                times = await arrivals(made)
                assert times[0] > 0.05
                if times[0] < times[-1] / 1.5 and times[-1] < 10:
                    return
    pytest.fail(f"the first token came after {times[0]:.2f} s, the last after {times[-1]:.2f} s")


async def arrivals(session: aiohttp.ClientSession) -> list[float]:
    """After how many seconds each line of a streamed reply came."""
    started = time.monotonic()
    body = {"model": "support-prod", "messages": ASK, "seed": 1, "stream": True}
    async with session.post("/v1/chat/completions", json=body) as response:
        return [time.monotonic() - started async for _ in response.content]


def test_a_taken_port_is_one_line_and_sigterm_ends_it(base: str) -> None:
    port = base.rpartition(":")[2]
    code = "from shadow.cli import main; main()"
    command = [sys.executable, "-c", code, "simulate", "serve", "--port", port]
    taken = subprocess.run(command, capture_output=True, text=True, timeout=150, check=False)
    assert taken.returncode == 1
    assert taken.stderr.splitlines() == [
        f"Error: port {port} on 127.0.0.1 cannot be used (Address already in use); choose another with --port"
    ]
    with serving("--port", "0") as (_, process):
        process.send_signal(signal.SIGTERM)
        assert process.wait(90) == 0


def test_it_listens_where_it_is_told_to() -> None:
    """A container's server must be reached from others; else it stays on the loopback."""
    with serving("--port", "0", "--host", "127.0.0.2") as (address, _):
        assert address.startswith("http://127.0.0.2:")
        with urllib.request.urlopen(f"{address}/healthz", timeout=60) as response:  # noqa: S310 (an address of this test's)
            assert response.read() == b"ok\n"
