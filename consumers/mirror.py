"""Runs one arm's mirror: reads turns, asks the arm, writes exactly one reply record per sampled turn."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from dataclasses import dataclass, field
from typing import Any, Final

import structlog
from aiokafka import TopicPartition
from mode import Service

from consumers.acks import OffsetTracker
from consumers.control import ControlReader
from consumers.counts import introduce
from consumers.health import Health
from consumers.stream import Batch, Stream, caught_up
from shadow.adapters import Adapter
from shadow.asking import Asker
from shadow.config import Arm, Config
from shadow.control import Command
from shadow.events import BrokenRecordError, RecordRef, Reply, ShedReason, Turn, decode
from shadow.metrics.exporter import Metrics
from shadow.mirror.admission import Admission
from shadow.mirror.replies import arm_reply
from shadow.mirror.sampling import choose
from shadow.topology import ARM_REPLIES, TURNS, mirror_group

log = structlog.get_logger()

GRACE_S: Final = 5.0
"""How long calls under way may go on when their partitions are taken away."""

REMEMBERED: Final = 20_000
"""Turns per partition that are recognised when they are delivered a second time."""

LOOK_BACK: Final = 2_000
"""Replies before the committed place that are read again: a turn written twice may come on both sides of a death."""


@dataclass(slots=True)
class _Partition:
    """What this worker knows of one partition of turns, and of the arm's own replies in the same partition."""

    number: int
    acks: OffsetTracker | None = None
    answered: dict[str, tuple[int, int | None]] = field(default_factory=dict)  # turn id: offset of turn, and of reply
    replied: dict[int, int] = field(default_factory=dict)  # turn offset, not committed yet: offset of its reply
    next_reply: int = 0
    recovering_since_s: float | None = None
    recovered: bool = False

    @property
    def turns(self) -> TopicPartition:
        return TopicPartition(TURNS, self.number)

    @property
    def replies(self) -> TopicPartition:
        return TopicPartition(ARM_REPLIES, self.number)

    def forget(self) -> None:
        """Of many answered turns, forget the oldest; never one that may be delivered again after a crash."""
        while self.acks is not None and len(self.answered) > REMEMBERED:
            oldest = next(iter(self.answered))
            if self.answered[oldest][0] >= self.acks.position:
                break
            del self.answered[oldest]

    def positions(self) -> dict[TopicPartition, int]:
        """The next turn to commit, and from where the replies to it and later turns are found after a crash."""
        if self.acks is None:
            return {}
        self.replied = {turn: reply for turn, reply in self.replied.items() if turn >= self.acks.position}
        return {self.turns: self.acks.position, self.replies: min(self.replied.values(), default=self.next_reply)}


@dataclass(frozen=True, slots=True)
class _Item:
    part: _Partition
    turn: Turn
    offset: int
    arrived_s: float
    size: int


class Mirror(Service):  # type: ignore[misc]
    """One arm's mirror. A reply that cannot be written ends the process: its restart finds the turn again."""

    def __init__(self, config: Config, metrics: Metrics, health: Health, arm: Arm, adapter: Adapter) -> None:
        super().__init__()
        self._config = config
        self._metrics = metrics
        self._health = health
        self._arm = arm
        self._revision = arm.revision
        self._admission = Admission(arm.limits, partitions=config.broker.partitions)
        self._asker = Asker(arm, adapter, self._admission.breaker, metrics)
        self._partitions: dict[int, _Partition] = {}
        self._queue: deque[_Item] = deque()
        self._capacity = 2 * arm.limits.max_in_flight + 100
        self._calls: dict[asyncio.Task[None], _Item] = {}
        self._writes: dict[asyncio.Future[Any], _Item] = {}
        self._moved = asyncio.Event()
        self._committed: dict[TopicPartition, int] = {}
        self._stream: Stream
        self._control: ControlReader

    async def on_start(self) -> None:
        """Read the control topic, then join the arm's own group."""
        name = self._arm.name
        self._metrics.prepare("shadow_mirror_records", name)
        self._metrics.gauge("shadow_stage_queue_capacity_events", "ask").set(self._capacity)
        if self._arm.limits.usd_per_day is not None:
            self._metrics.gauge("shadow_candidate_budget_usd", name).set(self._arm.limits.usd_per_day)
        introduce(self._arm, self._metrics)
        self._control = ControlReader(self._config, name, self._commanded)
        self._stream = Stream(
            self._config,
            group=mirror_group(name),
            topics=(TURNS, ARM_REPLIES),
            gained=self._gained,
            losing=self._losing,
            health=self._health,
            metrics=self._metrics,
            follows=(TURNS,),
        )
        self._health.check(self._recovering)
        await self._stream.start()
        await self._control.start()
        self.add_future(self._control.follow())
        self.add_future(self._stream.watch())

    async def on_stop(self) -> None:
        """Finish what is under way within the grace, commit, leave the group."""
        await self._stream.stop()
        await self._control.stop()
        await self._asker.close()

    @Service.task  # type: ignore[untyped-decorator]
    async def _run(self) -> None:
        while not self.should_stop:
            async with self._stream.lock:
                await self._recover()
                self._pump()
                if self._stream.commit_due():
                    await self._commit()
                    self._gauges()
            if len(self._queue) >= self._capacity:
                await self._moved_within(0.1)
                continue
            epoch, batch = await self._stream.read(
                max_records=self._capacity - len(self._queue), timeout_ms=20 if self._calls else 100
            )
            async with self._stream.lock:
                self._take(await self._stream.mine(epoch, batch))

    def _take(self, batch: Batch) -> None:
        """Queue the sampled turns of a batch; learn from replies of this arm that were written before a restart."""
        for tp, records in batch.items():
            part = self._partitions[tp.partition]
            for record in records:
                if tp.topic == ARM_REPLIES:
                    self._learn(part, record)
                else:
                    self._offer(part, record)

    def _offer(self, part: _Partition, record: Any) -> None:
        if part.acks is None:
            part.acks = OffsetTracker(record.offset)
        part.acks.read(record.offset)
        arrived_s = min(record.timestamp / 1000, time.time())
        try:
            turn = decode(Turn, record.value, record.key, arrived_s=arrived_s)
        except BrokenRecordError:
            result = "malformed"  # the comparator, which reads all turns, writes the dead letter
        else:
            result = choose(self._arm, turn.conversation_id, turn.metadata)
            if result == "sampled":
                self._queue.append(_Item(part, turn, record.offset, arrived_s, len(record.value)))
                return
        part.acks.done(record.offset)
        self._count(result)

    def _pump(self) -> None:
        """Start work on the oldest turns while there is room: a call, or a record that says why there is none."""
        while self._queue and len(self._calls) < self._arm.limits.max_in_flight and self._may_begin(self._queue[0]):
            item = self._queue.popleft()
            part, turn_id = item.part, item.turn.turn_id
            if turn_id in part.answered:
                self._answered_before(item, part.answered[turn_id][1])
                continue
            part.answered[turn_id] = (item.offset, None)
            now_s = time.time()
            reason = self._admission.decide(
                paused=self._control.state != "running",
                turn_bytes=item.size,
                age_s=now_s - item.arrived_s,
                now_s=now_s,
            )
            self._count("shed" if reason else "sent")
            call = asyncio.create_task(self._shed(item, reason, attempts=0) if reason else self._call(item))
            self._calls[call] = item
            call.add_done_callback(self._ended)

    def _may_begin(self, item: _Item) -> bool:
        """Once it is known what was answered before, and, with a budget, what has been spent today on any partition."""
        if self._arm.limits.usd_per_day is None:
            return item.part.recovered
        return all(part.recovered for part in self._partitions.values())

    def _answered_before(self, item: _Item, reply: int | None) -> None:
        """A turn that was delivered twice: by the Tap, or after a restart whose replies have been found."""
        if reply is not None:
            item.part.replied[item.offset] = reply
        assert item.part.acks is not None  # noqa: S101 (its turn has been read)
        item.part.acks.done(item.offset)
        self._count("duplicate")

    async def _call(self, item: _Item) -> None:
        await self._write(item, **await self._asker.ask(item.turn))

    async def _shed(self, item: _Item, reason: ShedReason, *, attempts: int) -> None:
        await self._write(item, shed=reason, attempts=attempts)

    def _ended(self, call: asyncio.Task[None]) -> None:
        self._calls.pop(call, None)
        if not call.cancelled() and (error := call.exception()) is not None:
            self._die(error)
        self._pump()
        self._moved.set()

    async def _write(self, item: _Item, **fields: Any) -> None:
        """Hand the reply to the producer; its turn is done when the broker has stored it."""
        turn, part = item.turn, item.part
        reply, value = arm_reply(
            turn,
            arm=self._arm.name,
            revision=self._revision,
            at_s=time.time(),
            ref=RecordRef.trusted(partition=part.number, offset=item.offset),
            said=fields,
        )
        self._admission.budget.spend(part.number, reply.cost_usd or 0.0, reply.occurred_at)
        write = await self._stream.producer.send(
            ARM_REPLIES, value, key=turn.conversation_id.encode(), partition=part.number
        )
        self._writes[write] = item
        write.add_done_callback(self._written)

    def _written(self, write: asyncio.Future[Any]) -> None:
        item = self._writes.pop(write)
        if write.cancelled():
            return
        if (error := write.exception()) is not None:
            self._die(error)
            return
        part, offset = item.part, write.result().offset
        part.replied[item.offset] = offset
        part.answered[item.turn.turn_id] = (item.offset, offset)
        part.next_reply = max(part.next_reply, offset + 1)
        assert part.acks is not None  # noqa: S101 (its turn has been read)
        part.acks.done(item.offset)
        part.forget()

    def _die(self, error: BaseException) -> None:
        log.error("mirror_failed", arm=self._arm.name, error=repr(error))
        self.add_future(self.crash(error))

    async def _recover(self) -> None:
        """For partitions just gained: find the replies that this arm wrote before, so that none is answered twice."""
        consumer = self._stream.consumer
        for part in self._partitions.values():
            if part.recovering_since_s is None:
                start = await consumer.committed(part.replies)
                if start is None:  # a new group: what it writes from here on will be found again
                    start = (await consumer.end_offsets([part.replies]))[part.replies]
                    await self._stream.commit({part.replies: start})
                part.next_reply = start
                first = (await consumer.beginning_offsets([part.replies]))[part.replies]
                start = max(first, start - LOOK_BACK)
                if self._arm.limits.usd_per_day is not None:
                    start = min(start, await self._midnight(part, start))
                consumer.seek(part.replies, start)
                consumer.resume(part.replies)
                part.recovering_since_s = time.time()
            elif not part.recovered and await caught_up(consumer, part.replies, since_s=part.recovering_since_s):
                part.recovered = True
                consumer.pause(part.replies)
                consumer.resume(part.turns)

    async def _midnight(self, part: _Partition, otherwise: int) -> int:
        """Offset of the first reply of this UTC day: what the arm has spent today is read from its own replies."""
        now_s = time.time()
        found = await self._stream.consumer.offsets_for_times({part.replies: int(now_s - now_s % 86_400) * 1000})
        first = found.get(part.replies)
        return otherwise if first is None else int(first.offset)

    def _learn(self, part: _Partition, record: Any) -> None:
        if part.recovered or part.recovering_since_s is None:
            return
        try:
            reply = decode(Reply, record.value, record.key)
        except BrokenRecordError:
            return
        part.next_reply = max(part.next_reply, record.offset + 1)
        if reply.arm == self._arm.name:
            at = reply.turn_ref.offset if reply.turn_ref is not None else 0
            part.answered[reply.turn_id] = (at, record.offset)
            self._admission.budget.spend(part.number, reply.cost_usd or 0.0, reply.occurred_at)
            if reply.turn_ref is not None:
                part.replied[reply.turn_ref.offset] = record.offset

    async def _commit(self) -> None:
        positions = {
            tp: at for part in self._partitions.values() if part.recovered for tp, at in part.positions().items()
        }
        if any(self._committed.get(tp) != at for tp, at in positions.items()) and await self._stream.commit(positions):
            self._committed = positions
        await self._stream.look({tp: at for tp, at in positions.items() if tp.topic == TURNS})

    def _recovering(self) -> str | None:
        waiting = sum(not part.recovered for part in self._partitions.values())
        return f"recovering: the arm's earlier replies are being read, {waiting} partitions" if waiting else None

    async def _gained(self, partitions: set[int]) -> None:
        self._partitions = {number: _Partition(number) for number in partitions}
        for part in self._partitions.values():
            self._stream.consumer.pause(part.turns, part.replies)
            self._admission.budget.own(part.number)

    async def _losing(self, partitions: set[int]) -> None:
        """Nothing stays under way: calls get a short grace, replies are written, what is done is committed."""
        self._queue.clear()
        if self._calls:
            await asyncio.wait(list(self._calls), timeout=GRACE_S)
        for call in list(self._calls):
            call.cancel()
        await asyncio.gather(*self._calls, return_exceptions=True)
        await asyncio.gather(*self._writes)
        await self._commit()
        for number in partitions:
            self._admission.budget.disown(number)
        self._partitions = {}
        self._committed = {}

    def _commanded(self, command: Command) -> None:
        if command.state == "killed":
            for call, item in list(self._calls.items()):
                if call.cancel():  # False: it is done, and its reply is on its way
                    self.add_future(self._shed(item, "paused", attempts=1))
        self._moved.set()

    async def _moved_within(self, seconds: float) -> None:
        self._moved.clear()
        try:
            await asyncio.wait_for(self._moved.wait(), seconds)
        except TimeoutError:
            return

    def _count(self, result: str) -> None:
        self._metrics.counter("shadow_mirror_records", self._arm.name, result).inc()

    def _gauges(self) -> None:
        name = self._arm.name
        self._metrics.gauge("shadow_stage_queue_events", "ask").set(len(self._queue))
        self._metrics.gauge("shadow_candidate_inflight_requests", name).set(len(self._calls))
        self._metrics.gauge("shadow_candidate_circuit_open", name).set(self._admission.breaker.open)
        self._metrics.gauge("shadow_candidate_paused", name).set(self._control.state != "running")
