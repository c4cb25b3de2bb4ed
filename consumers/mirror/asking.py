"""The sampled turns that wait for the arm, and the calls under way: bounded both, the oldest turn first."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable
from typing import Any

from consumers.mirror.partition import Item, Partition
from consumers.mirror.replies import Replies
from shadow.asking import Asker
from shadow.config import Arm
from shadow.events import BrokenRecordError, Turn, decode
from shadow.metrics.exporter import Metrics
from shadow.mirror.admission import Admission
from shadow.mirror.sampling import choose


class Asking:
    """One arm's queue and calls. ``may_begin`` says whether a partition's turns may be asked yet.

    ``failed`` is told of a call that ended with an error; what the arm does wrong is a reply, and no error.
    """

    def __init__(
        self,
        arm: Arm,
        asker: Asker,
        admission: Admission,
        replies: Replies,
        *,
        metrics: Metrics,
        may_begin: Callable[[Partition], bool],
        paused: Callable[[], bool],
        failed: Callable[[BaseException], object],
    ) -> None:
        self._arm, self._asker, self._admission, self._replies = arm, asker, admission, replies
        self._metrics = metrics
        self._may_begin, self._paused, self._failed = may_begin, paused, failed
        self._queue: deque[Item] = deque()
        self._calls: dict[asyncio.Task[None], Item] = {}
        self._moved = asyncio.Event()
        self.capacity = 2 * arm.limits.max_in_flight + 100

    @property
    def waiting(self) -> int:
        """Turns in the queue."""
        return len(self._queue)

    @property
    def under_way(self) -> int:
        """Calls, and records of turns that were not asked, that have begun and not ended."""
        return len(self._calls)

    @property
    def room(self) -> int:
        """How many turns may be offered."""
        return self.capacity - len(self._queue)

    def offer(self, part: Partition, record: Any) -> None:
        """Queue a turn if it is sampled; else count it, and it is done with."""
        acks = part.read(record.offset)
        arrived_s = min(record.timestamp / 1000, time.time())
        try:
            turn = decode(Turn, record.value, record.key, arrived_s=arrived_s)
        except BrokenRecordError:
            result = "malformed"  # the comparator, which reads all turns, writes the dead letter
        else:
            result = choose(self._arm, turn.conversation_id, turn.metadata)
            if result == "sampled":
                self._queue.append(Item(part, turn, record.offset, arrived_s, len(record.value)))
                return
        acks.done(record.offset)
        self._count(result)

    def pump(self) -> None:
        """Start work on the oldest turns while there is room: a call, or a record that says why there is none."""
        while (
            self._queue and len(self._calls) < self._arm.limits.max_in_flight and self._may_begin(self._queue[0].part)
        ):
            item = self._queue.popleft()
            answered, turn_id = item.part.answered, item.turn.turn_id
            if turn_id in answered:  # delivered twice: by the Tap, or after a restart whose replies have been found
                answered.again(turn_id, item.offset)
                item.part.done(item.offset)
                self._count("duplicate")
                continue
            answered.begin(turn_id, item.offset)
            self._start(item)

    def _start(self, item: Item) -> None:
        now_s = time.time()
        reason = self._admission.decide(
            paused=self._paused(),
            turn_bytes=item.size,
            age_s=now_s - item.arrived_s,
            now_s=now_s,
        )
        self._count("shed" if reason else "sent")
        work = self._replies.write(item, shed=reason, attempts=0) if reason else self._ask(item)
        call = asyncio.create_task(work)
        self._calls[call] = item
        call.add_done_callback(self._ended)

    async def _ask(self, item: Item) -> None:
        await self._replies.write(item, **await self._asker.ask(item.turn))

    def _ended(self, call: asyncio.Task[None]) -> None:
        self._calls.pop(call, None)
        if not call.cancelled() and (error := call.exception()) is not None:
            self._failed(error)
        self.pump()
        self._moved.set()

    def stop_calls(self) -> list[Item]:
        """Cancel every call; the turns of those that had not ended are left without a reply."""
        return [item for call, item in list(self._calls.items()) if call.cancel()]

    async def let_go(self, grace_s: float) -> None:
        """Nothing stays queued or under way: calls get so long to end by themselves."""
        self._queue.clear()
        if self._calls:
            await asyncio.wait(list(self._calls), timeout=grace_s)
        self.stop_calls()
        await asyncio.gather(*self._calls, return_exceptions=True)

    def stir(self) -> None:
        """Wake who waits in :meth:`moved`."""
        self._moved.set()

    async def moved(self, seconds: float) -> None:
        """Wait until something has changed, no longer than so long."""
        self._moved.clear()
        try:
            await asyncio.wait_for(self._moved.wait(), seconds)
        except TimeoutError:
            return

    def _count(self, result: str) -> None:
        self._metrics.counter("shadow_mirror_records", self._arm.name, result).inc()
