"""One full exporter, for the benchmark beside it: ``python -m tests.benchmarks.exporter_process KIND PORT FILE``.

A comparator with every arm, measure, slice and kind counts simulated pairs in its event loop, through the code that the
real one counts with; a gate has every cell. Until SIGTERM; then FILE has how late the loop's timer was, and when, and
with a last argument ``measure`` also what a page and a counted pair cost.
"""

from __future__ import annotations

import asyncio
import json
import random
import signal
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, Final

from prometheus_client.openmetrics.exposition import generate_latest

from consumers.counts import Counts
from consumers.health import Standing
from shadow import plugins
from shadow.config import Config
from shadow.conformance import costs
from shadow.events import CONTROL, ArmFacts, Comparison, RecordRef, Score
from shadow.health import Reading
from shadow.metrics.catalogue import BY_NAME
from shadow.metrics.exporter import Metrics
from shadow.metrics.labels import ALL
from shadow.metrics.server import serve
from shadow.topology import ARM_REPLIES, COMPARATOR_GROUP, REPLIES, TURNS

ARMS: Final = 17
GUARDRAILS: Final = 8
PARTITIONS: Final = 12
"""Of one of eight workers: 96 in all."""

PAIRS: Final = 20
TICK_S: Final = 0.002
BATCH_S: Final = 0.1
BOUNDS: Final = {"candidate": ARMS, "slice": 25, "measure": 7, "partition": PARTITIONS, "guardrail": GUARDRAILS}
"""The limits that this process has reached."""


def config() -> Config:
    """As many arms as the catalogue has room for, and 24 slices: the default ones and a closed field."""
    adapter = {"type": "callable", "target": "tests.fixtures.models:instant"}
    names = [CONTROL, *(f"candidate-{number:02}" for number in range(1, ARMS))]
    arms = [{"name": name, "owner": f"team-{name}", "adapter": adapter} for name in names]
    return Config.model_validate({
        "version": 1,
        "production": {"owner": "o", "model": "m"},
        "control": arms[0],
        "candidates": arms[1:],
        "slices": {"metadata": {"tier": ["free", "plus", "pro", "staff"]}},
    })  # fmt: skip


def pairs(setup: Config, slices: list[str], count: int, seed: int) -> list[Comparison]:
    """Comparisons of simulated traffic: every arm, four slices each, a failure now and then."""
    rng, now = random.Random(seed), time.time()
    facts = ArmFacts(latency_s=0.5, cost_usd=0.01)
    return [
        Comparison.trusted(**{
            **{name: field.default for name, field in Comparison.model_fields.items()},
            "turn_id": f"t{number}",
            "conversation_id": f"c{number}",
            "arm": rng.choice(setup.arms).name,
            "arm_revision": "r",
            "outcome": "compared",
            "measures": {name: Score(value=rng.random()) for name in setup.comparator.measures},
            "slices": rng.sample(slices, 4),
            "production": facts,
            "candidate": facts.model_copy(update={"failures": ["refusal"] if rng.random() < 0.02 else []}),
            "turn_ref": RecordRef(partition=0, offset=number),
            "production_replied_at": now,
            "compared_at": now + 1,
            "turn_arrived_at": now,
        })
        for number in range(count)
    ]  # fmt: skip


def comparator(metrics: Metrics, setup: Config) -> tuple[Counts, list[str]]:
    """All that a comparator exports, at its fullest."""
    evaluator, _ = plugins.evaluator(setup)
    slices = [name for slicer in evaluator.slicers.values() for name in slicer.names]
    counts = Counts(setup, metrics, slices)
    metrics.histogram("shadow_event_loop_lag_seconds")
    metrics.counter("shadow_rebalances")
    metrics.gauge("shadow_ready").set(1)
    reading = Reading()
    reading.own([(topic, part) for topic in (TURNS, REPLIES, ARM_REPLIES) for part in range(PARTITIONS)], 0.0)
    for part in reading.places:
        reading.looked(part, position=1, end=2, at_s=time.time())
        reading.read(part, offset=1, at_s=time.time(), now=0.0)
    Standing(metrics, COMPARATOR_GROUP).show(reading, {})
    return counts, slices


def gate(metrics: Metrics, slices: list[str]) -> None:
    """Every cell of sixteen candidates: the eight guardrails that they have, on every slice."""
    for name in (family.name for family in BY_NAME.values() if family.by == ("gate",)):
        for labels in _cells(name, slices):
            getattr(metrics, BY_NAME[name].kind)(name, *labels)


def _cells(name: str, slices: list[str]) -> Iterator[tuple[str, ...]]:
    names = BY_NAME[name].label_names
    known: dict[str, list[str]] = {
        "slice": [ALL, *slices],
        "guardrail": [f"guardrail-{number}" for number in range(GUARDRAILS)],
    }
    for number in range(1, ARMS):
        cells: list[tuple[str, ...]] = [()]
        for label in names:
            if label in {"candidate", "team"}:
                values = [f"{label}-{number:02}"]
            else:
                closed = next(each.values for each in BY_NAME[name].labels if each.name == label)
                values = list(closed) or known[label]
            cells = [(*cell, value) for cell in cells for value in values]
        yield from cells


async def run(counts: Counts | None, batch: list[Comparison], late: list[tuple[float, float]]) -> None:
    """Count a batch ten times a second, and note how late a timer of two milliseconds is."""
    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    due = 0.0
    while not stop.is_set():
        before = loop.time()
        await asyncio.sleep(TICK_S)
        late.append((time.time(), loop.time() - before - TICK_S))
        if counts is not None and loop.time() > due:
            due = loop.time() + BATCH_S
            counts.compared(batch)


def cpu_s(work: Callable[[], object], rounds: int = 20) -> float:
    """Seconds of CPU of one call: the best of so many."""
    best = float("inf")
    for _ in range(rounds):
        begun = time.process_time()
        work()
        best = min(best, time.process_time() - begun)
    return best


def pair_us(setup: Config) -> float:
    """What measures, detectors and slicers take for a pair, in the same minute on the same machine."""
    used = {
        "shadow.slices": plugins.slicers(setup.slices.use, {}),
        "shadow.failures": plugins.detectors(),
        "shadow.measures": plugins.measures(setup.comparator.measures),
    }
    return sum(cost.us for cost in costs(used, 5))


def main() -> None:
    """See the module's docstring."""
    kind, port, file = sys.argv[1], int(sys.argv[2]), Path(sys.argv[3])
    setup, metrics, measured = config(), Metrics(kind), sys.argv[4:] == ["measure"]
    counts, slices = None, [f"slice-{number}" for number in range(24)]
    document: dict[str, Any] = {}
    batch: list[Comparison] = []
    if kind == "comparator":
        counts, slices = comparator(metrics, setup)
        batch = pairs(setup, slices, PAIRS, seed=port)
        if measured:
            many = pairs(setup, slices, 200, seed=1)
            document["observe_us"] = 1e6 * cpu_s(partial(counts.compared, many)) / len(many)
            document["pair_us"] = pair_us(setup)
    else:
        gate(metrics, slices)
        metrics.gauge("shadow_ready").set(1)
    assert all(kind in BY_NAME[name].by for name, _ in metrics._children)
    if measured:
        document["page_ms"] = 1e3 * cpu_s(partial(metrics.page, modern=True))
        document["library_ms"] = 1e3 * cpu_s(lambda: generate_latest(metrics.registry), rounds=3)  # type: ignore[no-untyped-call]
    missing = [family.name for family in BY_NAME.values() if kind in family.by and family.name not in metrics._families]
    document["missing"] = missing
    serve("127.0.0.1", port, metrics, healthy=list, ready=list)
    late: list[tuple[float, float]] = []
    asyncio.run(run(counts, batch, late))
    file.write_text(json.dumps({**document, "late": late}))


if __name__ == "__main__":
    main()
