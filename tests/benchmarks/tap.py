"""What a Tap call costs its caller, with the broker alive, dead (closed port) and slow (accepts, never answers).

``python -m tests.benchmarks.tap --bootstrap 127.0.0.1:9092``: a 1 KB turn per call, paced and in a tight loop.
"""

from __future__ import annotations

import argparse
import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import orjson

from shadow.tap import Tap

GOAL = "goal: p50 <= 10 us, p99 <= 50 us"


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


def measure(bootstrap: str, calls: int, pace_s: float) -> tuple[list[float], Tap]:
    """Seconds per ``turn`` call, and the Tap (not closed)."""
    tap = Tap(bootstrap)
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


def row(name: str, bootstrap: str, calls: int, pace_s: float) -> str:
    """One line of the table."""
    cpu = time.process_time()
    began = time.perf_counter()
    costs, tap = measure(bootstrap, calls, pace_s)
    took, cpu = time.perf_counter() - began, time.process_time() - cpu
    stats = tap.stats()
    tap.close(0.2 if name != "alive" else 20)
    p50, p99, top = costs[len(costs) // 2] * 1e6, costs[int(len(costs) * 0.99)] * 1e6, costs[-1] * 1e6
    pace = f"{1 / pace_s:,.0f}/s" if pace_s else "tight"
    return (
        f"{name:6} {pace:>8} {calls / took:>9,.0f} {p50:>8.1f} {p99:>8.1f} {top:>10,.0f} {cpu / took:>6.0%} "
        f"{stats.queued:>8} {sum(stats.dropped.values()):>8}"
    )


def yardstick(calls: int, pace_s: float) -> str:
    """The same for one ``orjson.dumps`` of the record and nothing else: what this machine makes of the pace."""
    record, costs = {"turn_id": "t", "conversation_id": "c", "messages": messages(1000)}, []
    for _ in range(calls):
        begin = time.perf_counter()
        orjson.dumps(record)
        costs.append(time.perf_counter() - begin)
        if pace_s:
            time.sleep(pace_s)
    costs.sort()
    pace = f"{1 / pace_s:,.0f}/s" if pace_s else "tight"
    p50, p99, top = costs[len(costs) // 2] * 1e6, costs[int(len(costs) * 0.99)] * 1e6, costs[-1] * 1e6
    return f"{'(json)':6} {pace:>8} {'':>9} {p50:>8.1f} {p99:>8.1f} {top:>10,.0f}"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bootstrap", required=True)
    parser.add_argument("--calls", type=int, default=20_000)
    options = parser.parse_args()
    size = len(orjson.dumps(messages(1000))) + 190
    print(f"Tap.turn on the caller's thread, a record of about {size} bytes ({GOAL})")
    print("broker     pace   calls/s   p50 us   p99 us     max us    cpu   queued  dropped")
    for pace_s in (0.001, 0.0):
        print(yardstick(options.calls // (4 if pace_s else 1), pace_s))
        print(row("alive", options.bootstrap, options.calls // (4 if pace_s else 1), pace_s))
        for name, place in (("dead", dead), ("slow", slow)):
            with place() as bootstrap:
                print(row(name, bootstrap, options.calls // (4 if pace_s else 1), pace_s))


if __name__ == "__main__":
    main()
