"""P1: the shadow writes nothing to ``support.*``, shares no consumer group, reuses no caller-supplied key or header."""

from __future__ import annotations

import ast
import asyncio
import json
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from shadow.broker.connection import admin
from shadow.tap import Tap
from shadow.topology import TOPOLOGY
from tests.fixtures.system import ROOT, System, arm
from tests.fixtures.waiting import PATIENT, PATIENT_WINDOW, insist

SUPPORT = [topic.name for topic in TOPOLOGY if topic.name.startswith("support.")]
TURNS = 60
SECRET = "prod-secret-0815"  # noqa: S105 (what must not travel)
OWN_KEY = "arm-key-4711"


class Endpoint:
    """A candidate's server that keeps every request: headers and body."""

    def __init__(self) -> None:
        self.requests: list[tuple[dict[str, str], dict[str, Any]]] = []

    async def complete(self, request: web.Request) -> web.Response:
        self.requests.append((dict(request.headers), await request.json()))
        message = {"role": "assistant", "content": "On Wednesday."}
        return web.json_response({"choices": [{"index": 0, "message": message, "finish_reason": "stop"}]})


@contextmanager
def serving(endpoint: Endpoint) -> Iterator[str]:
    """``endpoint`` on a free port of the loopback, in a thread; its base url."""
    loop, ready, stop, bound = asyncio.new_event_loop(), threading.Event(), asyncio.Event(), list[int]()

    async def run() -> None:
        app = web.Application()
        app.router.add_post("/v1/chat/completions", endpoint.complete)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        bound.append(runner.addresses[0][1])
        ready.set()
        await stop.wait()
        await runner.cleanup()

    thread = threading.Thread(target=loop.run_until_complete, args=(run(),))
    thread.start()
    assert ready.wait(60)
    try:
        yield f"http://127.0.0.1:{bound[0]}/v1"
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(90)
        loop.close()


@pytest.fixture
def endpoint() -> Iterator[tuple[Endpoint, str]]:
    made = Endpoint()
    with serving(made) as url:
        yield made, url


@pytest.fixture
def system(
    tmp_path: Path, broker: str, endpoint: tuple[Endpoint, str], monkeypatch: pytest.MonkeyPatch
) -> Iterator[System]:
    monkeypatch.setenv("CANDIDATE_KEY", OWN_KEY)
    for variable in ("OPENAI_API_KEY", "OPENAI_ORG_ID", "ANTHROPIC_API_KEY"):  # production's, on the same machine
        monkeypatch.setenv(variable, SECRET)
    adapter = {"type": "openai", "base_url": endpoint[1], "model": "candidate", "api_key_env": "CANDIDATE_KEY"}
    arms = [arm("control", limits=PATIENT), {**arm("remote", limits=PATIENT), "adapter": adapter}]
    made = System(tmp_path, broker, arms, comparator=PATIENT_WINDOW)
    yield made
    made.close()


def recording(tap: Tap) -> list[tuple[str, bytes, bytes]]:
    """All that the Tap takes from now on: topic, key and value."""
    taken, put = [], tap._buffer.put

    def note(topic: str, key: bytes, value: bytes) -> str | None:
        taken.append((topic, key, value))
        return put(topic, key, value)

    tap._buffer.put = note  # type: ignore[method-assign]
    return taken


def talk(tap: Tap) -> None:
    """Turns that carry all that production might put into a request, and what became of them."""
    for number in range(TURNS):
        with tap.call(
            conversation_id=f"c{number // 3}",
            turn_index=number % 3,
            messages=[{"role": "user", "content": f"Where is order {number}?"}],
            metadata={"channel": "chat", "account": SECRET},
            trace_id="0af7651916cd43dd8448eb211c80319c",
            params={
                "temperature": 0.2,
                "user": SECRET,
                "safety_identifier": SECRET,
                "metadata": {"account": SECRET},
                "api_key": SECRET,
                "organization": SECRET,
                "extra_headers": {"Authorization": f"Bearer {SECRET}", "X-Customer": SECRET},
                "extra_query": {"key": SECRET},
                "extra_body": {"user": SECRET},
            },
        ) as call:
            call.reply("On Tuesday.")
        tap.outcome(conversation_id=f"c{number // 3}", turn_id=call.turn_id, name="solved", value=1.0)


def groups_at(bootstrap: list[str]) -> set[str]:
    with admin(bootstrap) as client:
        return {group["group_id"] for group in client.list_groups()}


def committing_groups(system: System, count: int) -> set[str]:
    """The consumer groups of the broker, once there are so many: the embedded one lists a group that has committed."""
    found = set[str]()

    def enough() -> bool:
        found.update(insist(lambda: groups_at(system.config.broker.bootstrap)))
        return len(found) >= count

    system.until(enough)
    return found


@pytest.mark.slow
def test_p01_support_topics_hold_what_the_tap_wrote_and_nothing_of_the_caller_travels(system, endpoint):
    """With all parts running: count and bytes of ``support.*`` are the Tap's, groups ours, requests the arm's."""
    system.start_all()
    system.await_assigned("comparator", "mirror.control", "mirror.remote")
    with Tap(system.config.broker.bootstrap) as tap:
        sent = recording(tap)
        talk(tap)
        assert tap.flush(120)
    assert len(sent) == 3 * TURNS
    system.settled(turns=TURNS)
    lying = [(topic, record) for topic in SUPPORT for record in system.records(topic)]
    assert Counter((topic, record.key, record.value) for topic, record in lying) == Counter(sent)
    assert not any(record.headers for _, record in lying)
    groups = committing_groups(system, len(system.config.arms) + 2)
    assert all(group.startswith("shadow.") for group in groups), groups
    requests = endpoint[0].requests
    assert len(requests) == TURNS
    for headers, body in requests:
        assert {name for name in headers if name.lower() in {"authorization", "cookie"}} == {"Authorization"}
        assert headers["Authorization"] == f"Bearer {OWN_KEY}"
        assert set(headers) <= {
            "Host", "Authorization", "Content-Type", "Content-Length", "Accept", "Accept-Encoding", "User-Agent",
        }  # fmt: skip
        assert set(body) == {"model", "messages", "stream", "stream_options", "temperature"}
        assert body["model"] == "candidate"
        assert SECRET not in json.dumps([headers, body])


# By structure: who could write to support.* at all?

PRODUCERS = {"KafkaProducer", "AIOKafkaProducer"}
SENDING = {"send", "send_and_wait", "send_batch", "publish"}
OURS = {"ARM_REPLIES", "COMPARISONS", "JUDGEMENTS", "DECISIONS", "DEAD_LETTERS", "CONTROL"}
MAKES_PRODUCERS = {"shadow/tap/producer.py", "shadow/broker/records.py", "consumers/stream.py"}
WRITES_ELSEWHERE = {
    "shadow/tap/worker.py": {"topic"},  # production's side: what the Tap was given
    "shadow/broker/records.py": {"topic"},  # publish itself: its callers are looked at
    "shadow/dead_letters.py": {"item.topic"},  # redrive: an operator sends a mended record again
}


def sources() -> dict[str, str]:
    files = [*(ROOT / "shadow").rglob("*.py"), *(ROOT / "consumers").rglob("*.py")]
    return {file.relative_to(ROOT).as_posix(): file.read_text(encoding="utf-8") for file in files}


def violations(path: str, source: str) -> list[str]:
    """Where a module makes a producer that it may not make, writes to a topic not ours, or spells a topic itself."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Name) and node.id in PRODUCERS and path not in MAKES_PRODUCERS:
            found.append(f"{path}:{node.lineno}: makes {node.id}")
        if isinstance(node, ast.Constant) and node.value in SUPPORT and path != "shadow/topology.py":
            found.append(f"{path}:{node.lineno}: spells {node.value}")
        if isinstance(node, ast.Call) and (topic := _topic(node)) is not None:
            allowed = OURS | WRITES_ELSEWHERE.get(path, set())
            if topic.removeprefix("topology.") not in allowed:
                found.append(f"{path}:{node.lineno}: writes to {topic}")
    return found


def _topic(call: ast.Call) -> str | None:
    """The topic argument of a call that sends records, as source text; None of any other call."""
    name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
    if name not in SENDING:
        return None
    owner = ast.unparse(call.func.value) if isinstance(call.func, ast.Attribute) else ""
    if name == "send" and not any(word in owner for word in ("producer", "sender")):
        return None  # a socket's, a generator's
    place = 1 if name in {"publish", "send_batch"} else 0
    named = {keyword.arg: keyword.value for keyword in call.keywords}
    topic = named.get("topic", call.args[place] if len(call.args) > place else None)
    return ast.unparse(topic) if topic is not None else "?"


def test_p01_no_module_but_the_tap_and_redrive_can_write_to_support():
    found = [line for path, source in sources().items() for line in violations(path, source)]
    assert not found, "\n".join(found)


def test_p01_the_tap_and_redrive_are_looked_at_and_only_the_command_line_redrives():
    """The rule is about something: each exception exists, and nothing that runs by itself calls redrive."""
    known = sources()
    assert set(WRITES_ELSEWHERE) | MAKES_PRODUCERS <= set(known)
    callers = {
        path
        for path, source in known.items()
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] == "redrive"
    }
    assert callers == {"shadow/cli/dead_letters.py"}


@pytest.mark.parametrize(
    "line",
    [
        "producer.send(TURNS, b'')",
        "await self._stream.producer.send_and_wait(REPLIES, value, key=key)",
        "await producer.send_batch(builder, topology.TURNS, partition=0)",
        "publish(bootstrap, topic, records)",
        "broker.publish(bootstrap, topic='support.' + name)",
        "producer = KafkaProducer()",
        "topic = 'support.replies'",
    ],
)
def test_p01_the_rule_notices(line):
    assert violations("consumers/mirror.py", f"async def f():\n    {line}")
