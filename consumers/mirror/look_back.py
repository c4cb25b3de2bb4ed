"""Finds the replies that the arm wrote before a restart or a rebalance, so that no turn is asked twice."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any, Final

from consumers.mirror.partition import Partition
from consumers.stream import Stream, caught_up
from shadow.config import Arm
from shadow.events import BrokenRecordError, Reply, decode
from shadow.mirror.budget import Budget

LOOK_BACK: Final = 2_000
"""Replies before the committed place that are read again: a turn written twice may come on both sides of a death."""


class LookBack:
    """Reads the arm's replies of partitions just gained; turns are read on once that is done."""

    def __init__(self, arm: Arm, budget: Budget, stream: Stream, partitions: Mapping[int, Partition]) -> None:
        self._arm = arm
        self._budget = budget
        self._stream = stream
        self._partitions = partitions

    def known(self, part: Partition) -> bool:
        """Whether it is known what was answered before, and, with a budget, what was spent today on any partition."""
        if self._arm.limits.usd_per_day is None:
            return part.recovered
        return all(each.recovered for each in self._partitions.values())

    def why_not_ready(self) -> str | None:
        """That earlier replies are still being read; may be asked from another thread."""
        waiting = sum(not part.recovered for part in list(self._partitions.values()))
        return f"recovering: the arm's earlier replies are being read, {waiting} partitions" if waiting else None

    async def proceed(self) -> None:
        """Take each partition a step on; to be called under the stream's lock as long as there is work."""
        consumer = self._stream.consumer
        for part in self._partitions.values():
            if part.recovering_since_s is None:
                await self._begin(part)
            elif not part.recovered and await caught_up(consumer, part.replies, since_s=part.recovering_since_s):
                part.recovered = True
                consumer.pause(part.replies)
                consumer.resume(part.turns)

    async def _begin(self, part: Partition) -> None:
        consumer = self._stream.consumer
        start = await consumer.committed(part.replies)
        if start is None:  # a new group: what it writes from here on will be found again
            start = (await consumer.end_offsets([part.replies]))[part.replies]
            await self._stream.commit({part.replies: start})
        part.answered.next_reply = start
        first = (await consumer.beginning_offsets([part.replies]))[part.replies]
        start = max(first, start - LOOK_BACK)
        if self._arm.limits.usd_per_day is not None:
            start = min(start, await self._midnight(part, start))
        consumer.seek(part.replies, start)
        consumer.resume(part.replies)
        part.recovering_since_s = time.time()

    async def _midnight(self, part: Partition, otherwise: int) -> int:
        """Offset of the first reply of this UTC day: what the arm has spent today is read from its own replies."""
        now_s = time.time()
        found = await self._stream.consumer.offsets_for_times({part.replies: int(now_s - now_s % 86_400) * 1000})
        first = found.get(part.replies)
        return otherwise if first is None else int(first.offset)

    def learn(self, part: Partition, record: Any) -> None:
        """Note a record of the topic of replies: if it is this arm's, its turn is answered, and its price is spent."""
        if part.recovered or part.recovering_since_s is None:
            return
        try:
            reply = decode(Reply, record.value, record.key)
        except BrokenRecordError:
            return
        part.answered.passed(record.offset)
        if reply.arm == self._arm.name:
            ref = reply.turn_ref
            part.answered.found(reply.turn_id, None if ref is None else ref.offset, record.offset)
            self._budget.spend(part.number, reply.cost_usd or 0.0, reply.occurred_at)
