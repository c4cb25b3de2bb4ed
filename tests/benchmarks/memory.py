"""What a comparator holds while turns wait for replies that do not come."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import psutil

from shadow import broker
from shadow.topology import COMPARATOR_GROUP, TURNS
from tests.benchmarks import records
from tests.benchmarks.comparator import PARTITIONS, deployment
from tests.benchmarks.figure import Figure, Scale


def waiting_turns(bootstrap: str, folder: Path, scale: Scale) -> Iterator[Figure]:
    """Resident memory before and with ``scale.waiting`` turns pending."""
    system = deployment(folder, bootstrap, comparator={"join_window_s": 3_600})
    try:
        system.start("comparator")
        system.await_assigned("comparator")
        process = psutil.Process(system.processes["comparator"].pid)
        time.sleep(2)
        empty = process.memory_info().rss
        records.prepare([bootstrap], scale.waiting, partitions=PARTITIONS, replies=False)
        before = -1.0
        while (used := sum(process.cpu_times()[:2])) > before + 0.05:  # until it has read them all
            before = used
            time.sleep(2)
        held = process.memory_info().rss
        left = sum(broker.lag([bootstrap], COMPARATOR_GROUP, [TURNS]).values())
        size = sum(len(value) for _, _, value in records.records(2_000, replies=False)) / 2_000
    finally:
        system.close()
    yield Figure(
        f"comparator's memory, {left:,} turns of {size:,.0f} bytes waiting",
        f"{held / 1e6:,.0f} MB",
        f"{empty / 1e6:,.0f} MB empty",
        f"{(held - empty) / scale.waiting:,.0f} bytes a turn (goal 300 MB)",
    )
