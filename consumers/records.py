"""Records that somebody names by their place, or by the time since which they were stored. No group, no commits."""

from __future__ import annotations

import asyncio
import os
import time
from typing import Any, Final, TypeVar

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import OffsetOutOfRangeError

from consumers.stream import caught_up
from shadow.broker import security
from shadow.events import BrokenRecordError, Event, RecordRef, decode
from shadow.topology import MAX_STORED_BYTES

FETCH_MS: Final = 5_000

E = TypeVar("E", bound=Event)


class Records:
    """Single records by their place, and a partition's records from a time on. A consumer without a group."""

    def __init__(self, bootstrap: list[str]) -> None:
        self._consumer = AIOKafkaConsumer(
            bootstrap_servers=bootstrap,
            **security(os.environ),
            enable_auto_commit=False,
            auto_offset_reset="none",
            fetch_max_wait_ms=100,
            max_partition_fetch_bytes=MAX_STORED_BYTES,
        )
        self._one_at_a_time = asyncio.Lock()

    async def start(self) -> None:
        """Connect."""
        await self._consumer.start()

    async def stop(self) -> None:
        """Let go of the broker."""
        await self._consumer.stop()

    async def one(self, topic: str, ref: RecordRef | None, event: type[E]) -> E | None:
        """The event there; None if the broker holds it no more, or another kind of record."""
        if ref is None:
            return None
        tp = TopicPartition(topic, ref.partition)
        async with self._one_at_a_time:
            self._consumer.assign([tp])
            self._consumer.seek(tp, ref.offset)
            try:
                found = await self._consumer.getmany(tp, timeout_ms=FETCH_MS, max_records=1)
            except OffsetOutOfRangeError:
                return None
        for record in found.get(tp, ()):
            if record.offset == ref.offset:
                try:
                    return decode(event, record.value, record.key)
                except BrokenRecordError:
                    return None
        return None

    async def since(self, topic: str, partition: int, at_s: float) -> list[Any]:
        """All records of a partition that the broker stored from that time on."""
        tp, found = TopicPartition(topic, partition), []
        async with self._one_at_a_time:
            self._consumer.assign([tp])
            first = (await self._consumer.offsets_for_times({tp: int(at_s * 1000)})).get(tp)
            if first is None:
                return []
            self._consumer.seek(tp, first.offset)
            began = time.time()
            while not await caught_up(self._consumer, tp, since_s=began):
                for records in (await self._consumer.getmany(tp, timeout_ms=200)).values():
                    found += records
        return found
