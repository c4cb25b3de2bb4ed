"""The comparator against bare aiokafka loops that decode the same records, join them in a dict and judge them."""

from __future__ import annotations

import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil

from shadow import broker
from shadow.topology import COMPARISONS
from tests.benchmarks import records
from tests.benchmarks.figure import Figure, Scale
from tests.fixtures import brokers
from tests.fixtures.system import ROOT, System, arm

PARTITIONS = 4
POLL_S = 0.05


def deployment(folder: Path, bootstrap: str, **sections: Any) -> System:
    """A deployment with the benchmark's arms."""
    partitions = {"url": bootstrap, "partitions": PARTITIONS}
    return System(folder, bootstrap, [arm(name) for name in records.ARMS], broker=partitions, **sections)


def bare(system: System, mode: str, count: int) -> tuple[float, float]:
    """The yardstick in a process of its own: seconds by the clock, and of CPU."""
    command = [
        sys.executable,
        "-m",
        "tests.benchmarks.bare",
        *system.config.broker.bootstrap,
        mode,
        str(count),
        str(system.file),
    ]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    clock, cpu = map(float, done.stdout.split())
    return clock, cpu


def run(folder: Path, bootstrap: str, turns: int, *, workers: int) -> tuple[float, float]:
    """Comparators over all of the records, from the moment that they own partitions: clock and CPU seconds."""
    folder.mkdir()
    system = deployment(folder, bootstrap)
    names = [f"comparator#{number}" for number in range(workers)]
    wanted = turns * len(records.ARMS) + _compared(bootstrap)
    try:
        system.start(*names)
        system.await_assigned(*names)
        processes = [psutil.Process(system.processes[name].pid) for name in names]
        began, used = time.monotonic(), sum(_cpu(process) for process in processes)
        while _compared(bootstrap) < wanted:
            assert all(process.is_running() for process in processes), system.logs()
            time.sleep(POLL_S)
        return time.monotonic() - began, sum(_cpu(process) for process in processes) - used
    finally:
        system.close()


def one_worker(bootstrap: str, folder: Path, scale: Scale) -> Iterator[Figure]:
    """Turns a second per core, as a ratio to the bare loop with the same plug-ins, with measures alone, with none."""
    system = deployment(folder, bootstrap)
    count = records.prepare([bootstrap], scale.turns, partitions=PARTITIONS)
    rounds: list[dict[str, tuple[float, float]]] = []
    for number in range(scale.rounds):
        took = {mode: bare(system, mode, count) for mode in ("decode", "measures", "plugins")}
        took["ours"] = run(folder / f"round-{number}", bootstrap, scale.turns, workers=1)
        _rewind(bootstrap)
        rounds.append(took)

    def speed(mode: str) -> float:
        return statistics.median(scale.turns / took[mode][1] for took in rounds)

    def ratio(mode: str, by: int = 1) -> float:
        return statistics.median(took[mode][by] / took["ours"][by] for took in rounds)

    yield Figure(
        "comparator, 3 arms, turns/s per core",
        f"{speed('ours'):,.0f}",
        f"{speed('plugins'):,.0f} bare loop with the same plug-ins",
        f"{ratio('plugins'):.2f} (goal 0.7); by the clock {ratio('plugins', 0):.2f}",
    )
    yield Figure(
        "the same, to a loop that does less",
        f"{speed('ours'):,.0f}",
        f"{speed('measures'):,.0f} with the measures alone; {speed('decode'):,.0f} decoding alone",
        f"{ratio('measures'):.2f} to measures alone; {ratio('decode'):.2f} to decoding alone",
    )


def two_workers(bootstrap: str, folder: Path, scale: Scale) -> Iterator[Figure]:
    """Two comparators against one, on the same records; broker and both workers share this machine's cores."""
    deployment(folder, bootstrap)
    records.prepare([bootstrap], 2 * scale.turns, partitions=PARTITIONS)
    ratios, speeds = [], []
    for number in range(scale.rounds):
        one = run(folder / f"one-{number}", bootstrap, 2 * scale.turns, workers=1)
        _rewind(bootstrap)
        two = run(folder / f"two-{number}", bootstrap, 2 * scale.turns, workers=2)
        _rewind(bootstrap)
        ratios.append(one[0] / two[0])
        speeds.append((2 * scale.turns / two[0], 2 * scale.turns / one[0]))
    two_speed, one_speed = (statistics.median(column) for column in zip(*speeds, strict=True))
    yield Figure(
        "two comparators, turns/s by the clock",
        f"{two_speed:,.0f}",
        f"{one_speed:,.0f} one comparator",
        f"{statistics.median(ratios):.2f} times one (goal 1.8)",
    )


def profile(scale: Scale) -> str:
    """Where one comparator's time goes, by room: a sampling profile of the process."""
    with tempfile.TemporaryDirectory() as name, brokers.embedded_broker(Path(name)) as bootstrap:
        system = deployment(Path(name), bootstrap)
        records.prepare([bootstrap], scale.turns, partitions=PARTITIONS)
        module = ["-m", "pyinstrument", "--interval", "0.002", "--show-regex", ".*", "-m", "consumers", "comparator"]
        done = subprocess.Popen(
            [sys.executable, *module, "--config", str(system.file)],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        while _compared(bootstrap) < scale.turns * len(records.ARMS):
            time.sleep(POLL_S)
        done.terminate()
        text, _ = done.communicate(timeout=60)
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text)


def _compared(bootstrap: str) -> int:
    return sum(broker.end_offsets([bootstrap], [COMPARISONS]).values())


def _cpu(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


def _rewind(bootstrap: str) -> None:
    """Forget what the group has committed, so that the next round reads everything again."""
    from kafka import KafkaAdminClient  # noqa: PLC0415 (the benchmark's own)

    from shadow.topology import COMPARATOR_GROUP  # noqa: PLC0415

    admin = KafkaAdminClient(bootstrap_servers=[bootstrap])
    admin.delete_groups([COMPARATOR_GROUP])
    admin.close()
