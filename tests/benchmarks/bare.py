"""The yardsticks: a bare aiokafka loop over the same records. ``python -m tests.benchmarks.bare BOOTSTRAP MODE COUNT
CONFIG``.

``decode``: orjson and nothing else. ``measures``: decode, join in a dict, the measures of ``CONFIG`` in batches.
``plugins``: records are parsed into the events that plug-ins take, and the detectors and slicers of ``CONFIG`` are
called too, as the comparator calls them: slicers once a turn, detectors once a reply, measures once a batch.

No mode keeps order or identity, knows of duplicates, expiry or sampling, survives a restart, counts, emits or commits
anything. Prints seconds from the first record to the last, by clock and CPU.
"""

from __future__ import annotations

import asyncio
import gc
import os
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import orjson
from aiokafka import AIOKafkaConsumer

from shadow import plugins
from shadow.comparator.evaluator import Evaluator
from shadow.config import load
from shadow.events import Message, Reply, Turn
from shadow.measures import Measure, Pair
from shadow.topology import ARM_REPLIES, REPLIES, TURNS

os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

Work = Callable[[Mapping[Any, list[Any]]], None]
"""What is done with the records of one fetch, by partition."""


async def run(bootstrap: str, work: Work, count: int) -> tuple[float, float]:
    """Read ``count`` records; returns seconds by the clock, and of CPU."""
    consumer = AIOKafkaConsumer(
        TURNS, REPLIES, ARM_REPLIES, bootstrap_servers=bootstrap.split(","), auto_offset_reset="earliest",
        max_partition_fetch_bytes=1_000_000,
    )  # fmt: skip
    await consumer.start()
    gc.freeze()  # the collector is set as in the comparator
    gc.set_threshold(100_000, 50, 100)
    seen, started, cpu = 0, 0.0, 0.0
    while seen < count:
        batch = await consumer.getmany(timeout_ms=200, max_records=1_500)
        if not started:
            started, cpu = time.perf_counter(), time.process_time()
        seen += sum(map(len, batch.values()))
        work(batch)
    seconds, cpu_seconds = time.perf_counter() - started, time.process_time() - cpu
    await consumer.stop()
    return seconds, cpu_seconds


def decode(batch: Mapping[Any, list[Any]]) -> None:
    """JSON, and nothing else."""
    for records in batch.values():
        for record in records:
            orjson.loads(record.value)


class Joined:
    """What has come of each turn, in dicts; nothing is ever let go."""

    def __init__(self) -> None:
        self.turns: dict[str, Any] = {}
        self.replies: dict[str, Any] = {}
        self._waiting: dict[str, list[Any]] = {}

    def add(self, topic: str, turn_id: str, event: Any) -> list[Any]:
        """The arms' replies that have their turn and production's reply by now."""
        if topic == TURNS:
            self.turns[turn_id] = event
        elif topic == REPLIES:
            self.replies[turn_id] = event
        else:
            self._waiting.setdefault(turn_id, []).append(event)
        if turn_id in self.turns and turn_id in self.replies and turn_id in self._waiting:
            return self._waiting.pop(turn_id)
        return []


def measured(evaluator: Evaluator) -> Work:
    """The measures alone, over what orjson makes of the records."""
    joined = Joined()

    def work(batch: Mapping[Any, list[Any]]) -> None:
        pairs = []
        for tp, records in batch.items():
            for record in records:
                event = orjson.loads(record.value)
                turn_id = event["turn_id"]
                arms = joined.add(tp.topic, turn_id, event)
                pairs += [_pair(joined.turns[turn_id], joined.replies[turn_id], arm) for arm in arms]
        _score(evaluator.measures, pairs)

    return work


def judged(evaluator: Evaluator) -> Work:
    """All plug-ins, over events."""
    joined = Joined()
    asked: set[str] = set()

    def work(batch: Mapping[Any, list[Any]]) -> None:
        pairs = []
        for tp, records in batch.items():
            for record in records:
                kind = Turn if tp.topic == TURNS else Reply
                event: Any = kind.__pydantic_validator__.validate_json(record.value)
                turn_id = event.turn_id
                arms = joined.add(tp.topic, turn_id, event)
                if not arms:
                    continue
                turn, production = joined.turns[turn_id], joined.replies[turn_id]
                if turn_id not in asked:
                    asked.add(turn_id)
                    _detect(evaluator, turn, production)
                    for slicer in evaluator.slicers.values():
                        slicer.slices(turn)
                for arm in arms:
                    _detect(evaluator, turn, arm)
                    pairs.append(Pair(turn, production.message, arm.message))
        _score(evaluator.measures, pairs)

    return work


def _detect(evaluator: Evaluator, turn: Turn, reply: Reply) -> None:
    for detector in evaluator.detectors.values():
        detector.detect(turn, reply)


def _score(measures: Mapping[str, Measure], pairs: list[Any]) -> None:
    for measure in measures.values():
        if pairs:
            measure.score(pairs)


def _pair(turn: Any, production: Any, arm: Any) -> Any:
    return SimpleNamespace(
        turn=turn,
        production=Message.model_construct(content=production["message"]["content"]),
        arm=Message.model_construct(content=arm["message"]["content"]),
    )


def _main(bootstrap: str, mode: str, count: str, config: str) -> None:
    evaluator, _ = plugins.evaluator(load(Path(config), environ={}))
    work = {"decode": lambda: decode, "measures": lambda: measured(evaluator), "plugins": lambda: judged(evaluator)}
    print(*asyncio.run(run(bootstrap, work[mode](), int(count))))


if __name__ == "__main__":
    _main(*sys.argv[1:])
