"""From production's reply on the broker to the row in the ledger."""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from pathlib import Path

from sqlalchemy import create_engine, text

from tests.benchmarks.comparator import PARTITIONS
from tests.benchmarks.figure import Figure, Scale
from tests.fixtures import load
from tests.fixtures.system import System, arm

RATE = 50.0


def reply_to_row(bootstrap: str, folder: Path, scale: Scale) -> Iterator[Figure]:
    """Percentiles of recorded_at - max(production's reply), under steady traffic with quick arms."""
    arms = [arm(name) for name in ("control", "better", "worse")]
    system = System(folder, bootstrap, arms, broker={"url": bootstrap, "partitions": PARTITIONS})
    try:
        system.start_all()
        system.await_assigned("comparator", *(f"mirror.{each['name']}" for each in arms))
        warm, turns = int(RATE * 5), int(RATE * scale.seconds)
        load.write_raw([bootstrap], turns=warm, rate=RATE, run="warm", twice=False, garbage=False)
        load.write_raw([bootstrap], turns=turns, rate=RATE, run="timed", twice=False, garbage=False)
        system.settled(turns=warm + turns)
        with create_engine(system.config.ledger.url).connect() as ledger:
            query = "SELECT recorded_at - production_replied_at FROM comparisons WHERE turn_id LIKE 'timed-%'"
            delays = sorted(row[0] for row in ledger.execute(text(query)))
    finally:
        system.close()
    p50, p95 = statistics.median(delays), delays[int(len(delays) * 0.95)]
    yield Figure(
        f"production reply to ledger row, {RATE:g} turns/s",
        f"p50 {p50:.2f} s, p95 {p95:.2f} s, max {delays[-1]:.2f} s",
        f"{len(delays):,} rows",
        "goal p95 <= 2 s",
    )
