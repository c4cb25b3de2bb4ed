"""P2: what production notices. A saturated production app with the shadow off, on, slow, dead and flooding, in turns.

The app is sixteen threads of one process; a request is about a millisecond of Python and a wait for the model. It has a
core of its own: broker and shadow are held to the others, as they would be on other machines. Each condition gets its
seconds in every round, so that the machine's moods meet all of them.
"""

from __future__ import annotations

import contextlib
import os
import statistics
import subprocess
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import orjson
import psutil

from shadow.tap import Tap
from tests.benchmarks import tap as taps
from tests.benchmarks.figure import Figure, Scale
from tests.fixtures.system import ROOT, System, arm

THREADS: Final = 16
MODEL_S: Final = 0.004
WORK: Final = 600  # serialisations of the request: about a millisecond of CPU
CONDITIONS: Final = ("off", "on", "slow", "dead", "flooding")


@dataclass(frozen=True, slots=True)
class Served:
    """What production did in one stretch."""

    per_s: float
    p99_s: float
    cpu_us: float
    dropped: int


def serve(tap: Tap | None, seconds: float) -> Served:
    """Requests as fast as they come back, each mirrored through ``tap`` if there is one."""
    messages, took = taps.messages(1000), list[float]()
    ends, used = time.perf_counter() + seconds, time.process_time()

    def requests(thread: int) -> None:
        number = 0
        while (began := time.perf_counter()) < ends:
            number += 1
            if tap is None:
                answer(messages)
            else:
                with tap.call(conversation_id=f"c{thread}-{number}", turn_index=0, messages=messages) as call:
                    call.reply(answer(messages))
            took.append(time.perf_counter() - began)

    threads = [threading.Thread(target=requests, args=(number,)) for number in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    cpu_us = (time.process_time() - used) / len(took) * 1e6
    dropped = sum(tap.stats().dropped.values()) if tap else 0
    return Served(len(took) / seconds, sorted(took)[int(len(took) * 0.99)], cpu_us, dropped)


def answer(messages: list[dict[str, Any]]) -> str:
    """What production does for a turn: its own work, and the wait for its model."""
    for _ in range(WORK):
        orjson.loads(orjson.dumps(messages))
    time.sleep(MODEL_S)
    return "It is on its way and will reach you on Monday."


def figures(bootstrap: str, folder: Path, scale: Scale) -> Iterator[Figure]:
    """Turns a second under each condition, as a ratio to the shadow being off."""
    never = {"type": "callable", "target": "tests.fixtures.models:never"}
    limits = {"max_in_flight": 4, "timeout_s": 5, "breaker_failures": 10_000}
    arms = [arm("control", "tests.fixtures.models:instant"), {**arm("stuck", limits=limits), "adapter": never}]
    system = System(folder, bootstrap, arms)
    found: defaultdict[str, list[Served]] = defaultdict(list)
    seconds = scale.seconds / 5
    try:
        system.start("mirror.control", "comparator", "recorder")
        system.await_assigned("mirror.control", "comparator")
        with own_core():
            for _ in range(2 * scale.rounds + 1):
                for condition in CONDITIONS:
                    with under(condition, system, bootstrap) as tap:
                        found[condition].append(serve(tap, seconds))
    finally:
        system.close()
    off = statistics.median(each.per_s for each in found["off"])
    for condition, served in found.items():
        per_s = statistics.median(each.per_s for each in served)
        p99 = statistics.median(each.p99_s for each in served) * 1e3
        cpu = statistics.median(each.cpu_us for each in served)
        dropped = sum(each.dropped for each in served)
        yield Figure(
            f"production, shadow {condition}",
            f"{per_s:,.0f} turns/s, p99 {p99:.1f} ms, {cpu:,.0f} us CPU a turn, {dropped:,} records dropped",
            f"{off:,.0f} turns/s with the shadow off",
            f"{per_s / off:.2f}",
        )


@contextlib.contextmanager
def own_core() -> Iterator[None]:
    """This process on the first core, everything that it has started on the others."""
    cores = sorted(os.sched_getaffinity(0))
    for child in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.Error):
            child.cpu_affinity(cores[1:] or cores)
    os.sched_setaffinity(0, cores[:1])
    try:
        yield
    finally:
        os.sched_setaffinity(0, cores)


def other_cores() -> list[int]:
    """All but production's; production's where there is no other."""
    every = set(range(os.cpu_count() or 1))
    return sorted(every - os.sched_getaffinity(0)) or sorted(every)


@contextlib.contextmanager
def under(condition: str, system: System, bootstrap: str) -> Iterator[Tap | None]:
    """The Tap that production has under ``condition``; None with the shadow off."""
    if condition == "off":
        yield None
        return
    with contextlib.ExitStack() as stack:
        address = stack.enter_context(taps.dead()) if condition == "dead" else bootstrap
        if condition == "slow":
            stack.enter_context(running(system, "mirror.stuck"))
        elif condition == "flooding":
            stack.enter_context(flood(bootstrap))
        tap = Tap(address)
        try:
            yield tap
        finally:
            tap.close(0.2 if condition == "dead" else 20)


@contextlib.contextmanager
def running(system: System, name: str) -> Iterator[None]:
    """The part ``name`` for a while."""
    system.start(name)
    pid = system.processes[name].pid
    psutil.Process(pid).cpu_affinity(other_cores())
    system.await_assigned(name)
    try:
        yield
    finally:
        system.kill(name)


@contextlib.contextmanager
def flood(bootstrap: str) -> Iterator[None]:
    """A process that writes turns and replies as fast as it can."""
    command = [sys.executable, "-m", "tests.fixtures.load", "--bootstrap", bootstrap, "--turns", "10000000"]
    writer = subprocess.Popen([*command, "--rate", "1000000", "--run", f"flood{time.time_ns()}"], cwd=ROOT)
    psutil.Process(writer.pid).cpu_affinity(other_cores())
    try:
        time.sleep(1)
        yield
    finally:
        writer.kill()
        writer.wait()
