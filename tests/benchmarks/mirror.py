"""The mirror against a raw aiohttp loop that posts to the same zero-latency server."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp
import orjson
import psutil

from shadow import broker
from shadow.topology import ARM_REPLIES
from tests.benchmarks import records
from tests.benchmarks.comparator import PARTITIONS, POLL_S
from tests.benchmarks.figure import Figure, Scale
from tests.fixtures import brokers
from tests.fixtures.system import ROOT, System, arm

IN_FLIGHT = 16
BODY = {"model": "support-prod", "stream": True, "stream_options": {"include_usage": True}}


def bodies(count: int) -> list[dict[str, Any]]:
    """The requests that the mirror makes of the benchmark's turns."""
    turns = (orjson.loads(value) for _, _, value in records.records(count, replies=False))
    return [{**BODY, "messages": turn["messages"]} for turn in turns]


async def raw(url: str, requests: list[dict[str, Any]]) -> tuple[float, float]:
    """Post the requests, ``IN_FLIGHT`` at a time, and read each whole stream: clock and CPU seconds."""
    left = iter(requests)
    connector = aiohttp.TCPConnector(limit=IN_FLIGHT)
    async with aiohttp.ClientSession(connector=connector) as session:

        async def worker() -> None:
            for body in left:
                async with session.post(f"{url}/chat/completions", json=body) as response:
                    await response.read()

        began, used = time.perf_counter(), time.process_time()
        await asyncio.gather(*(worker() for _ in range(IN_FLIGHT)))
        return time.perf_counter() - began, time.process_time() - used


def calls(bootstrap: str, folder: Path, scale: Scale) -> Iterator[Figure]:
    """Calls a second, from turns on the broker to replies on the broker, with the raw loop before and after."""
    [port] = brokers.free_ports(1)
    url = f"http://127.0.0.1:{port}/v1"
    serve = [sys.executable, "-m", "shadow.cli", "simulate", "serve", "--latency", "0", "--port", str(port)]
    server = subprocess.Popen(serve, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert server.stdout is not None
    server.stdout.readline()
    adapter = {"type": "openai", "base_url": url, "model": "support-prod"}
    limits = {"max_in_flight": IN_FLIGHT, "max_age_s": 900}
    quick = arm("control", limits=limits) | {"adapter": adapter}
    sections = {"broker": {"url": bootstrap, "partitions": PARTITIONS}, "comparator": {"join_window_s": 2_000}}
    system = System(folder, bootstrap, [quick], **sections)
    requests = bodies(scale.calls)
    try:
        before = asyncio.run(raw(url, requests))
        records.prepare([bootstrap], scale.calls, partitions=PARTITIONS, replies=False)
        system.start("mirror.control")
        process = psutil.Process(system.processes["mirror.control"].pid)
        while not (begun := _replied(bootstrap)):
            time.sleep(POLL_S)
        began, used = time.monotonic(), sum(process.cpu_times()[:2])
        while _replied(bootstrap) < scale.calls:
            time.sleep(POLL_S)
        seconds, share = time.monotonic() - began, (scale.calls - begun) / scale.calls
        cpu = (sum(process.cpu_times()[:2]) - used) / share
        after = asyncio.run(raw(url, requests))
    finally:
        system.close()
        server.terminate()
        server.wait()
    ours, bare = scale.calls * share / seconds, 2 * scale.calls / (before[0] + after[0])
    yield Figure(
        f"mirror, calls/s, {IN_FLIGHT} in flight, streamed",
        f"{ours:,.0f}",
        f"{bare:,.0f} raw aiohttp loop, same server",
        f"{ours / bare:.2f} (goal 0.6); of CPU {(before[1] + after[1]) / 2 / cpu:.2f}",
    )


def _replied(bootstrap: str) -> int:
    return sum(broker.end_offsets([bootstrap], [ARM_REPLIES]).values())
