"""``/readyz`` and ``/healthz`` of real processes on a real broker: true when all is well, and false for its reason."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from consumers import progress
from consumers.comparator import TOPICS
from consumers.health import Health
from consumers.progress import StalledError
from consumers.stream import Stream
from shadow import broker
from shadow.events import CONTROL
from shadow.metrics.catalogue import BY_NAME, CATALOGUE
from shadow.metrics.exporter import Metrics
from shadow.processes import Part, Tree, environment
from shadow.topology import TURNS
from tests.fixtures.brokers import config_for, free_ports, prepared
from tests.fixtures.load import write_raw
from tests.fixtures.system import ROOT, System, arm

PARTS = ("recorder", "comparator", f"mirror.{CONTROL}")


class Probed(System):
    """A deployment whose processes serve on ports of their own."""

    ports: dict[str, int]

    def launch(self, name: str, *program: str) -> None:
        """Start a consumer, by ``program`` if that is given, which takes the arguments of ``consumers``."""
        kind, _, arm_name = name.partition("#")[0].partition(".")
        command = [sys.executable, *(program or ("-m", "consumers")), kind, "--config", str(self.file)]
        command += ["--metrics-port", str(self.ports[name])]
        with (self.folder / f"{name}.log").open("ab") as log:
            self.processes[name] = subprocess.Popen(
                command + (["--arm", arm_name] if arm_name else []), stdout=log, stderr=log, cwd=ROOT
            )

    def get(self, name: str, path: str, timeout_s: float = 20) -> tuple[int, str]:
        """Status and body; (0, the error) if the process does not answer in time."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.ports[name]}{path}", timeout=timeout_s) as response:
                return response.status, response.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()
        except OSError as error:
            return 0, str(error)

    def until_says(self, name: str, true: Callable[[int, str], bool], timeout_s: float = 120) -> str:
        deadline = time.monotonic() + timeout_s
        while True:
            code, body = self.get(name, "/readyz")
            if true(code, body):
                return body
            assert time.monotonic() < deadline, f"{name}: {code} {body}\n{self.logs()}"
            time.sleep(0.1)

    def ready(self, *names: str) -> None:
        for name in names or PARTS:
            self.until_says(name, lambda code, _: code == 200)


@pytest.fixture
def system(tmp_path: Path, embedded: str) -> Iterator[Probed]:
    made = Probed(tmp_path, embedded, [arm(CONTROL, "tests.fixtures.models:instant")])
    made.ports = dict(zip(PARTS, free_ports(len(PARTS)), strict=True))
    try:
        yield made
    finally:
        made.close()


def broker_process(bootstrap: str) -> psutil.Process:
    port = int(bootstrap.rpartition(":")[2])
    found = {
        link.pid
        for link in psutil.net_connections("tcp")
        if link.status == psutil.CONN_LISTEN and link.laddr.port == port and link.pid
    }
    [pid] = found
    return psutil.Process(pid)


def families(text: str) -> set[str]:
    return {line.split()[2] for line in text.splitlines() if line.startswith("# TYPE shadow_")}


HELD = """
import asyncio, pathlib, sys
from aiokafka.consumer.fetcher import Fetcher

async def wait(self, *given, real=Fetcher._proc_fetch_request, gate=pathlib.Path(sys.argv.pop(1))):
    while not gate.exists():
        await asyncio.sleep(0.05)
    return await real(self, *given)

Fetcher._proc_fetch_request = wait
from consumers.__main__ import main
sys.exit(main())
"""
"""A consumer that reads nothing until a file is there: its first argument."""


def test_readiness_turns_with_what_happens(system: Probed, embedded: str) -> None:
    """Not before it has caught up; not while broker or ledger is away, or the process is stopped; and then again."""
    # a mirror that starts behind a backlog is not ready until it has read it
    write_raw([embedded], turns=600, rate=2_000, run="a", twice=False, garbage=False)
    *others, mirror = PARTS
    for name in others:
        system.launch(name)
    system.launch(mirror, "-c", HELD, str(system.folder / "go on"))
    system.until_says(mirror, lambda code, body: code == 503 and "not caught up: " in body)
    (system.folder / "go on").touch()
    system.ready(mirror)
    assert system.settled(turns=600).balanced
    system.ready()
    for name in PARTS:
        kind = name.partition(".")[0]
        expected = {each.name for each in CATALOGUE if kind in each.by}
        expected -= {"shadow_candidate_budget_usd"}  # this arm has none
        counters = {each for each in expected if BY_NAME[each].kind == "counter"}
        expected = {f"{each}_total" if each in counters else each for each in expected}
        eventually(lambda: families(system.get(name, "/metrics")[1]), expected)  # noqa: B023 (asked here and now)

    # a process that is stopped does not answer; when it goes on it is as before, and nothing has ended it
    os.kill(system.processes["comparator"].pid, signal.SIGSTOP)
    assert system.get("comparator", "/readyz", 2)[0] == 0
    os.kill(system.processes["comparator"].pid, signal.SIGCONT)
    system.ready("comparator")

    # the ledger is locked
    holder = sqlite3.connect(system.folder / "ledger.db", isolation_level=None, timeout=60)
    holder.execute("BEGIN IMMEDIATE")
    write_raw([embedded], turns=20, rate=200, run="b", twice=False, garbage=False)
    system.until_says("recorder", lambda code, body: code == 503 and "ledger: " in body)
    assert system.get("recorder", "/healthz") == (200, "ok\n")
    system.ready("comparator")
    assert system.get("recorder", "/readyz")[0] == 503
    holder.execute("ROLLBACK")
    holder.close()
    system.ready("recorder")

    # the broker is stopped: everybody says so, nobody is unhealthy
    stopped = broker_process(embedded)
    stopped.suspend()
    try:
        for name in PARTS:
            system.until_says(name, lambda code, body: code == 503 and "broker: " in body)
            assert system.get(name, "/healthz") == (200, "ok\n")
    finally:
        stopped.resume()
    system.ready()
    assert system.settled(turns=620).balanced
    assert all(process.poll() is None for process in system.processes.values())


DEAF = """
import asyncio, pathlib, sys
from aiokafka.consumer.fetcher import Fetcher
from consumers import progress
heard = 0

async def fall_silent(self, *given, real=Fetcher._proc_fetch_request):
    global heard
    heard += 1
    if heard > 30:
        await asyncio.sleep(3600)
    return await real(self, *given)

async def when_seen(self, consumer, real=progress.Progress._ask):
    while self._waiting and not pathlib.Path(seen).exists():  # it says that it is stalled; now it would end
        await asyncio.sleep(0.05)
    await real(self, consumer)

_, config, port, marker, seen = sys.argv
if not pathlib.Path(marker).exists():  # once: who is started again hears, and has the patience of the real one
    pathlib.Path(marker).touch()
    progress.STALL_S = progress.SILENT_S = 1.0
    Fetcher._proc_fetch_request = fall_silent
    progress.Progress._ask = when_seen
from consumers.__main__ import main
sys.argv = ["consumers", "comparator", "--config", config, "--metrics-port", port]
sys.exit(main())
"""


def test_a_process_that_stands_still_is_started_again_and_nothing_is_lost(system: Probed, embedded: str) -> None:
    """A comparator whose client hears nothing says so, ends with 1, is started again, and reads on from its commit.

    The recorder, the mirror and the tree that starts it again are the real ones; so is the Faust worker that stalls.
    """
    system.launch("recorder")
    system.launch(PARTS[-1])
    command = [sys.executable, "-W", "ignore", "-c", DEAF, str(system.file), str(system.ports["comparator"])]
    tree = Tree(environ=environment(), logs=system.folder)
    seen = system.folder / "seen to be stalled"
    tree.start(Part("deaf", [*command, str(system.folder / "was deaf"), str(seen)]))
    restarts: list[str] = []
    written, deadline = 0, time.monotonic() + 150
    try:
        while not restarts:
            written += write_turns(embedded, f"at{written}")
            if "stalled: " in system.get("comparator", "/readyz")[1]:
                seen.touch()
            restarts += tree.check()
            assert time.monotonic() < deadline, (system.folder / "deaf.log").read_text()
            time.sleep(0.2)
        assert "deaf ended with exit code 1" in restarts[0]
        assert seen.exists(), "it ended and had not said why"
        assert "stands_still" in (system.folder / "deaf.log").read_text()
        system.until_says("comparator", lambda code, _: code == 200)
        written += write_turns(embedded, "after")
        report = system.settled(turns=written)
        assert report.balanced
        assert report.arms[CONTROL].outcomes == {"compared": written}
    finally:
        tree.stop()


def write_turns(bootstrap: str, run: str) -> int:
    write_raw([bootstrap], turns=10, rate=200, run=run, twice=False, garbage=False)
    return 10


def owned(system: Probed, name: str) -> set[tuple[str, str]]:
    """The topics and partitions for which a process exports where it stands."""
    text = system.get(name, "/metrics")[1]
    return set(re.findall(r'^shadow_consumer_lag_records\{.*partition="(\d+)",topic="([^"]+)"', text, re.MULTILINE))


def test_a_partition_that_another_process_has_taken_is_exported_by_it_alone(system: Probed, embedded: str) -> None:
    """Two real comparators: each exports what it owns, the first drops what it lost, and gets it back at the end."""
    system.ports |= dict(zip(("comparator#2",), free_ports(1), strict=True))
    system.launch("comparator")
    write_turns(embedded, "a")
    every = {(str(number), topic) for number in range(4) for topic in TOPICS}
    eventually(lambda: owned(system, "comparator"), every)
    system.launch("comparator#2")

    def shared() -> tuple[bool, bool, set[tuple[str, str]], set[tuple[str, str]]]:
        first, second = owned(system, "comparator"), owned(system, "comparator#2")
        return bool(first), bool(second), first | second, first & second

    # Waited for: while the group joins again nobody owns a partition, and nobody says where it stands.
    eventually(shared, (True, True, every, set()))
    system.stop("comparator#2")
    eventually(lambda: owned(system, "comparator"), every)


def eventually(found: Callable[[], object], wanted: object, timeout_s: float = 120) -> None:
    """Wait until what is found is what is wanted."""
    deadline = time.monotonic() + timeout_s
    while (now := found()) != wanted:
        assert time.monotonic() < deadline, f"{now}, not {wanted}"
        time.sleep(0.2)


async def test_a_stream_that_stands_still_is_noticed_and_ended(embedded: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The client goes on and brings nothing, though the broker has records: not ready first, then the end."""
    monkeypatch.setattr(progress, "STALL_S", 1.0)
    monkeypatch.setattr(progress, "SILENT_S", 1.0)
    monkeypatch.setattr(progress, "LOOK_S", 0.2)
    config, health = config_for(embedded), Health()
    await asyncio.to_thread(prepared, config)

    async def nothing(_: set[int]) -> None:
        return

    stream = Stream(
        config, group="g", topics=(TURNS,), gained=nothing, losing=nothing, health=health, metrics=Metrics("test")
    )
    await stream.start()
    reading, watch = asyncio.create_task(read(stream)), asyncio.create_task(stream.watch())
    try:
        await until(lambda: health.why_not_ready() == [])
        await asyncio.sleep(3)
        assert not watch.done()  # quiet is not stalled
        stands_still = asyncio.Event()

        async def never(*_: object) -> bool:
            stands_still.set()
            with suppress(asyncio.CancelledError):  # the client's own stop
                await asyncio.Event().wait()
            return False

        stream.consumer._fetcher._proc_fetch_request = never  # the client stands still, without an error
        await asyncio.wait_for(stands_still.wait(), 90)  # the fetch before, of the one node, has come to its end
        await asyncio.to_thread(publish, config.broker.bootstrap)
        await until(lambda: any(line.startswith("stalled: ") for line in health.why_not_ready()))
        with pytest.raises(StalledError, match="records wait"):
            await asyncio.wait_for(watch, 90)
    finally:
        reading.cancel()
        watch.cancel()
        await asyncio.gather(reading, watch, return_exceptions=True)
        await stream.stop()


def publish(bootstrap: list[str]) -> None:
    record = json.dumps({"type": "turn"}).encode()
    broker.publish(bootstrap, TURNS, [(str(number).encode(), record, ()) for number in range(30)])


async def read(stream: Stream) -> None:
    while True:
        await stream.read(max_records=100)
        if stream.commit_due():
            await stream.look({})


async def until(true: Callable[[], bool], timeout_s: float = 90) -> None:
    deadline = time.monotonic() + timeout_s
    while not true():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.05)
