"""What a Tap call costs its caller, with the broker alive, dead (closed port) and slow (accepts, never answers).

A turn of 1 kB per call; production calls seldom, so the paced figures include what cold caches cost.
"""

from __future__ import annotations

import contextlib
import os
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import orjson

from shadow.tap import Tap
from shadow.tap.redaction import Redaction
from tests.benchmarks.figure import Figure, Scale

KEY: Final = b"a key that is long enough"
KEY_ENV: Final = "SHADOW_TAP_KEY"


def messages(size: int) -> list[dict[str, Any]]:
    """A short support conversation whose turn record takes about ``size`` bytes."""
    body = [
        {"role": "system", "content": "You are the support assistant of a shop. Be brief and kind."},
        {"role": "user", "content": "Where is my order?"},
        {"role": "assistant", "content": "May I have your order number?"},
        {"role": "user", "content": "It is A-1234. "},
    ]
    missing = size - 190 - len(orjson.dumps(body))
    body[-1]["content"] += "I have waited for it since Monday. "[:missing] * max(1, missing // 35)
    return body


def measure(bootstrap: str, calls: int, pace_s: float, redaction: str = "off") -> tuple[list[float], Tap]:
    """Seconds per ``turn`` call, and the Tap (not closed)."""
    tap = Tap(bootstrap, redaction=redaction, redaction_key_env=KEY_ENV)
    given = messages(1000)
    metadata = {"channel": "chat", "tier": "free"}
    costs = []
    clock = time.perf_counter
    for index in range(calls + 500):
        begin = clock()
        tap.turn(conversation_id=f"conversation-{index % 997}", turn_index=index, messages=given, metadata=metadata)
        costs.append(clock() - begin)
        if pace_s:
            time.sleep(pace_s)
    return sorted(costs[500:]), tap


@contextlib.contextmanager
def dead() -> Iterator[str]:
    """A port that nothing listens on."""
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        yield f"127.0.0.1:{holder.getsockname()[1]}"


@contextlib.contextmanager
def slow() -> Iterator[str]:
    """A socket that accepts and never answers."""
    held: list[socket.socket] = []

    def accept() -> None:
        with contextlib.suppress(OSError):
            while True:
                held.append(listener.accept()[0])

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=accept, daemon=True).start()
        yield f"127.0.0.1:{listener.getsockname()[1]}"


def json_alone(calls: int, pace_s: float) -> list[float]:
    """The same for one ``orjson.dumps`` of the record and nothing else: what this machine makes of the pace."""
    record, costs = {"turn_id": "t", "conversation_id": "c", "messages": messages(1000)}, []
    for _ in range(calls):
        begin = time.perf_counter()
        orjson.dumps(record)
        costs.append(time.perf_counter() - begin)
        if pace_s:
            time.sleep(pace_s)
    return sorted(costs)


def figures(bootstrap: str, folder: Path, scale: Scale) -> Iterator[Figure]:  # noqa: ARG001 (the benchmarks' signature)
    """p50 and p99 of a call: in a tight loop (caches warm, the sender busy) and at 1,000 calls a second."""
    for pace_s, name in ((0.0, "tight loop"), (0.001, "1,000 calls/s")):
        calls = scale.calls if pace_s else 5 * scale.calls
        yardstick = _percentiles(json_alone(calls, pace_s))
        for state, place in (("alive", lambda: contextlib.nullcontext(bootstrap)), ("dead", dead), ("slow", slow)):
            with place() as address:
                costs, tap = measure(address, calls, pace_s)
                tap.close(20 if state == "alive" else 0.2)
            yield Figure(
                f"Tap call, broker {state}, {name}", _percentiles(costs), f"{yardstick} json alone", "goal 10 / 50 us"
            )

    os.environ[KEY_ENV] = KEY.decode()
    for pace_s, name in ((0.0, "tight loop"), (0.001, "1,000 calls/s")):
        costs, tap = measure(bootstrap, scale.calls, pace_s, "on")
        tap.close(20)
        yield Figure(f"Tap call, redaction on, {name}", _percentiles(costs), "", "goal 10 / 50 us")
    yield from redaction(scale.calls // 4)


def redaction(records: int) -> Iterator[Figure]:
    """What redaction costs the Tap's thread per turn record: in a conversation that goes on, and of new texts each."""
    redact = Redaction("on", KEY).apply
    for name, told in (
        ("nothing to find", "It is A-1234."),
        ("an e-mail and a phone", "Ada@mail.example, +49 151 23456"),
    ):
        for kind in ("same history", "all new"):
            costs, plain = [], []
            for index in range(records):
                given = messages(1000)
                given[-1]["content"] += f"{told}{index:04} now"
                if kind == "all new":
                    given = [{**one, "content": f"{one['content']} ({index})"} for one in given]
                record = {"turn_id": "c:0", "conversation_id": "c", "messages": given}
                begin = time.perf_counter()
                value = orjson.dumps(record)
                middle = time.perf_counter()
                redact(value, limit=1_000_000)
                costs.append(time.perf_counter() - middle)
                plain.append(middle - begin)
            measured, yardstick = _percentiles(sorted(costs)), f"{_percentiles(sorted(plain))} json alone"
            yield Figure(f"Tap redaction, 1 kB, {name}, {kind}", measured, yardstick, "on the Tap's own thread")


def _percentiles(costs: list[float]) -> str:
    return f"p50 {costs[len(costs) // 2] * 1e6:.1f} us, p99 {costs[int(len(costs) * 0.99)] * 1e6:.1f} us"
