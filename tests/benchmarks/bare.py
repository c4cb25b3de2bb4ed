"""The yardsticks: a bare aiokafka loop over the same records. ``python -m tests.benchmarks.bare BOOTSTRAP MODE COUNT``.

``decode``: orjson and nothing else. ``join``: decode, join in a dict, the same measures in batches; it checks nothing,
keeps nothing, emits nothing and commits nothing. Prints seconds from the first record to the last, by clock and CPU.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from types import SimpleNamespace
from typing import Any

import orjson
from aiokafka import AIOKafkaConsumer

from shadow.events import Message
from shadow.measures import Measure
from shadow.topology import ARM_REPLIES, REPLIES, TURNS

os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")


async def run(bootstrap: str, mode: str, count: int) -> tuple[float, float]:  # noqa: C901 (one loop, no calls: the limit)
    """Read ``count`` records; returns seconds by the clock, and of CPU."""
    measures = _measures() if mode == "join" else []
    consumer = AIOKafkaConsumer(
        TURNS, REPLIES, ARM_REPLIES, bootstrap_servers=bootstrap.split(","), auto_offset_reset="earliest",
        max_partition_fetch_bytes=1_000_000,
    )  # fmt: skip
    await consumer.start()
    turns: dict[str, Any] = {}
    replies: dict[str, Any] = {}
    waiting: dict[str, list[Any]] = {}
    seen, started, cpu = 0, 0.0, 0.0
    while seen < count:
        batch = await consumer.getmany(timeout_ms=200, max_records=1_500)
        if not started:
            started, cpu = time.perf_counter(), time.process_time()
        pairs = []
        for tp, records in batch.items():
            seen += len(records)
            for record in records:
                event = orjson.loads(record.value)
                if mode != "join":
                    continue
                turn_id = event["turn_id"]
                if tp.topic == TURNS:
                    turns[turn_id] = event
                elif tp.topic == REPLIES:
                    replies[turn_id] = event
                else:
                    waiting.setdefault(turn_id, []).append(event)
                if turn_id in turns and turn_id in replies and turn_id in waiting:
                    pairs += [_pair(turns[turn_id], replies[turn_id], arm) for arm in waiting.pop(turn_id)]
        for measure in measures:
            if pairs:
                measure.score(pairs)
    seconds, cpu_seconds = time.perf_counter() - started, time.process_time() - cpu
    await consumer.stop()
    return seconds, cpu_seconds


def _measures() -> list[Measure]:
    from shadow import plugins  # noqa: PLC0415 (decoding alone must not pay for it)
    from shadow.config import Comparator  # noqa: PLC0415

    return list(plugins.measures(Comparator().measures).values())


def _pair(turn: Any, production: Any, arm: Any) -> Any:
    return SimpleNamespace(
        turn=turn,
        production=Message.model_construct(content=production["message"]["content"]),
        arm=Message.model_construct(content=arm["message"]["content"]),
    )


if __name__ == "__main__":
    print(*asyncio.run(run(sys.argv[1], sys.argv[2], int(sys.argv[3]))))
