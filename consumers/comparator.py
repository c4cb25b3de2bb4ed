"""Runs the join: reads turns and replies, emits one comparison per sampled (turn, arm), commits what is resolved."""

from __future__ import annotations

import asyncio
import time
from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import structlog
from aiokafka import TopicPartition
from mode import Service

from consumers.acks import OffsetTracker
from consumers.counts import Counts
from consumers.health import Health
from consumers.stream import Batch, Stream, caught_up
from shadow import plugins
from shadow.comparator.compare import compare
from shadow.comparator.join import PartitionJoin, Resolved
from shadow.config import Config
from shadow.dead_letters import Letter, letter_for
from shadow.events import PRODUCTION, BrokenRecordError, Comparison, Reply, Turn, decode
from shadow.metrics.exporter import Metrics
from shadow.mirror.sampling import Sampler
from shadow.topology import ARM_REPLIES, COMPARATOR_GROUP, COMPARISONS, DEAD_LETTERS, REPLIES, TURNS

log = structlog.get_logger()

TOPICS: Final = (TURNS, REPLIES, ARM_REPLIES)
MAX_RECORDS: Final = 3_000
OF_EACH: Final = 300
"""Records of one partition at once: turns and replies of a backlog come side by side, and need not be packed away."""
CROWD: Final = 300
"""Turns of a partition that wait: with more, topics are read in step."""
AT_A_TIME: Final = 200
"""Pairs that are measured before the loop turns: a group gives up a member that sends no heartbeat for 6 s."""
LATE_APPEND_S: Final = 1.0
"""A record may become readable this long after the time that the broker stamped on it."""

CONFLICT: Final = BrokenRecordError("conflict", "a record of this turn was read before, with other content")


@dataclass(slots=True)
class _Partition:
    """What this worker knows of one partition number."""

    number: int
    join: PartitionJoin
    acks: dict[str, OffsetTracker] = field(default_factory=dict)
    read_until_s: dict[str, float] = field(default_factory=lambda: dict.fromkeys(TOPICS, 0.0))

    def positions(self) -> dict[TopicPartition, int]:
        """The next offsets to commit."""
        return {TopicPartition(topic, self.number): tracker.position for topic, tracker in self.acks.items()}


@dataclass(slots=True)
class _Output:
    """What one batch leads to, before it is sent: records by (topic, partition), and the offsets that then are done."""

    comparisons: list[Comparison] = field(default_factory=list)
    letters: list[Letter] = field(default_factory=list)
    released: list[tuple[_Partition, list[tuple[str, int]]]] = field(default_factory=list)


@dataclass(slots=True)
class _UnderWay:
    """An output that has been handed to the producer."""

    deliveries: list[asyncio.Future[Any]]
    released: list[tuple[_Partition, list[tuple[str, int]]]]


class Comparator(Service):  # type: ignore[misc]
    """The comparator's one service. Crashes (and is restarted) rather than skip a record it could not deliver."""

    def __init__(self, config: Config, metrics: Metrics, health: Health) -> None:
        super().__init__()
        self._config = config
        self._metrics = metrics
        self._health = health
        self._sampler = Sampler(config.arms)
        self._evaluator, self._evaluator_revision = plugins.evaluator(config)
        slices = [name for slicer in self._evaluator.slicers.values() for name in slicer.names]
        self._counts = Counts(config, metrics, slices)
        self._partitions: dict[int, _Partition] = {}
        self._under_way: deque[_UnderWay] = deque()
        self._committed: dict[TopicPartition, int] = {}
        self._stream: Stream

    async def on_start(self) -> None:
        """Join the group."""
        self._stream = Stream(
            self._config,
            group=COMPARATOR_GROUP,
            topics=TOPICS,
            gained=self._gained,
            losing=self._losing,
            health=self._health,
            metrics=self._metrics,
        )
        await self._stream.start()
        self.add_future(self._stream.watch())

    async def on_stop(self) -> None:
        """Finish the batch in hand, commit, leave the group."""
        await self._stream.stop()

    @Service.task  # type: ignore[untyped-decorator]
    async def _run(self) -> None:
        while not self.should_stop:
            epoch, batch = await self._stream.read(max_records=MAX_RECORDS, of_each=OF_EACH)
            async with self._stream.lock:
                await self._step(await self._stream.mine(epoch, batch))

    async def _step(self, batch: Batch) -> None:
        """One batch, in this order: a record is committed only after all that it led to is stored by the broker."""
        now_s = time.time()
        # 1. Decode the records and feed the joins; let expire what the watermark has passed.
        with self._counts.stage("join"):
            resolved, output = self._feed(batch, now_s)
            await self._expire(resolved, now_s)
        # 2. Measure all that is resolved.
        if resolved:
            with self._counts.stage("compare"):
                output.comparisons = await self._compare(resolved, now_s)
        for part in self._partitions.values():
            part.join.pack()
            if released := part.join.take_released():
                output.released.append((part, released))
        # 3. Wait until the batch before is delivered; its records are done.
        with self._counts.stage("deliver"):
            await self._settle()
        # 4. Hand this batch's output to the producer.
        self._under_way.append(await self._send(output))
        # 5. Commit what is done, now and then; when idle, also what has just been sent.
        if self._stream.commit_due():
            if not batch:
                await self._settle()
            await self._commit()
        # 6. Read on where it helps most.
        self._align()

    def _feed(self, batch: Batch, now_s: float) -> tuple[list[Resolved], _Output]:
        resolved: list[Resolved] = []
        replied: list[Reply] = []
        output = _Output()
        for tp, records in batch.items():
            part, topic = self._partitions[tp.partition], tp.topic
            if topic not in part.acks:
                part.acks[topic] = OffsetTracker(records[0].offset)
            acks, counts = part.acks[topic], Counter[str]()
            for record in records:
                acks.read(record.offset)
                try:
                    result, decided, event = _one(part.join, topic, record, now_s)
                except BrokenRecordError as error:
                    output.letters.append(self._letter(record, error, now_s))
                    output.released.append((part, [(topic, record.offset)]))
                    result = "malformed"
                else:
                    resolved += decided
                    if result == "accepted" and topic == REPLIES and isinstance(event, Reply):
                        replied.append(event)
                    if result == "conflict":  # the join holds the record's offset
                        output.letters.append(self._letter(record, CONFLICT, now_s))
                counts[result] += 1
            part.read_until_s[topic] = min(max(part.read_until_s[topic], records[-1].timestamp / 1000), now_s)
            self._counts.read(topic, counts)
        self._counts.production(replied)
        self._counts.passed("join", len(resolved))
        return resolved, output

    async def _expire(self, resolved: list[Resolved], now_s: float) -> None:
        """Advance each join to the time up to which its replies, and its turns, have been read."""
        for part in self._partitions.values():
            clocks = {topic: await self._read_until(part, topic, now_s) for topic in TOPICS}
            resolved += part.join.advance(min(clocks[REPLIES], clocks[ARM_REPLIES]), clocks[TURNS])
            if unmatched := part.join.take_unmatched():
                self._counts.read(REPLIES, Counter(unmatched=unmatched))

    async def _read_until(self, part: _Partition, topic: str, now_s: float) -> float:
        """The broker's time up to which this topic has been read: that of the last fetch if it left nothing over."""
        tp = TopicPartition(topic, part.number)
        if await caught_up(self._stream.consumer, tp):
            fetched_s: float = self._stream.consumer.last_poll_timestamp(tp) / 1000
            return max(part.read_until_s[topic], min(fetched_s, now_s) - LATE_APPEND_S)
        return part.read_until_s[topic]

    async def _compare(self, resolved: list[Resolved], now_s: float) -> list[Comparison]:
        """A turn's arms together: what they share is read once. In pieces: the group must hear of us meanwhile."""
        found: list[Comparison] = []
        errors: list[str] = []
        resolved.sort(key=lambda each: (each.partition, each.turn.at))
        for start in range(0, len(resolved), AT_A_TIME):
            some = resolved[start : start + AT_A_TIME]
            done = compare(some, evaluator=self._evaluator, evaluator_revision=self._evaluator_revision, now_s=now_s)
            found += done.comparisons
            errors += done.plugin_errors
            await asyncio.sleep(0)
        for error in errors[:3]:
            log.error("plugin_failed", error=error, failures=len(errors))
        self._counts.passed("compare", len(found), errors=len(errors))
        return found

    async def _send(self, output: _Output) -> _UnderWay:
        producer, deliveries = self._stream.producer, []
        for key, value, headers in output.letters:
            deliveries.append(await producer.send(DEAD_LETTERS, key=key, value=value, headers=headers))
        batches: dict[int, Any] = {}
        for comparison in output.comparisons:
            partition = comparison.turn_ref.partition
            key, value = comparison.conversation_id.encode(), comparison.to_json()
            if partition not in batches:
                batches[partition] = producer.create_batch()
            if batches[partition].append(key=key, value=value, timestamp=None) is None:  # full
                deliveries.append(await producer.send_batch(batches[partition], COMPARISONS, partition=partition))
                batches[partition] = producer.create_batch()
                batches[partition].append(key=key, value=value, timestamp=None)
        for partition, full in batches.items():
            deliveries.append(await producer.send_batch(full, COMPARISONS, partition=partition))
        self._counts.compared(output.comparisons)
        return _UnderWay(deliveries, output.released)

    async def _settle(self) -> None:
        """Wait for the deliveries under way; their records are done. A delivery that fails ends the process."""
        while self._under_way:
            output = self._under_way[0]
            await asyncio.gather(*output.deliveries)
            self._counts.passed("deliver", len(output.deliveries))
            for part, released in output.released:
                for topic, offset in released:
                    part.acks[topic].done(offset)
            self._under_way.popleft()

    async def _commit(self) -> None:
        positions = {tp: at for part in self._partitions.values() for tp, at in part.positions().items()}
        moved = {tp: at for tp, at in positions.items() if self._committed.get(tp) != at}
        if moved and await self._stream.commit(positions):
            self._committed = positions
        joins = [part.join for part in self._partitions.values()]
        self._counts.waiting(sum(map(len, joins)), sum(join.turns for join in joins))
        await self._stream.look(positions)

    def _align(self) -> None:
        """Keep what waits in memory bounded; see :func:`to_pause`."""
        limit = self._config.comparator.max_waiting_turns // max(1, len(self._partitions))
        paused_now = self._stream.consumer.paused()
        pause: list[TopicPartition] = []
        resume: list[TopicPartition] = []
        for part in self._partitions.values():
            ends = {topic: self._at_end(TopicPartition(topic, part.number), paused_now) for topic in TOPICS}
            clocks = {topic: float("inf") if ends[topic] else part.read_until_s[topic] for topic in TOPICS}
            turns = part.join.turns
            paused = to_pause(
                clocks,
                self._config.comparator.join_window_s,
                turns=turns,
                orphans=len(part.join) - turns,
                limit=limit,
            )
            for topic in TOPICS:
                (pause if topic in paused else resume).append(TopicPartition(topic, part.number))
        self._stream.consumer.pause(*pause)
        self._stream.consumer.resume(*resume)

    def _at_end(self, tp: TopicPartition, paused: set[TopicPartition]) -> bool:
        """Whether nothing was left to read at the last fetch; not known of a topic that is not being fetched."""
        if tp in paused:
            return False
        high = self._stream.consumer.highwater(tp)
        read = self._partitions[tp.partition].acks.get(tp.topic)
        return high is None or read is None or read.last + 1 >= high

    async def _gained(self, partitions: set[int]) -> None:
        window = self._config.comparator.join_window_s
        self._partitions = {
            number: _Partition(number, PartitionJoin(number, window_s=window, expected=self._sampler.expected))
            for number in partitions
        }
        self._committed = {}

    async def _losing(self, partitions: set[int]) -> None:
        """Everything under way is delivered and committed; what waits is forgotten: the log has it."""
        if partitions:
            await self._settle()
            await self._commit()
        self._partitions = {}

    def _letter(self, record: Any, error: BrokenRecordError, now_s: float) -> Letter:
        log.warning(
            "dead_letter", topic=record.topic, partition=record.partition, offset=record.offset, reason=error.reason
        )
        self._counts.letter(error.reason)
        return letter_for(record, error, by="comparator", at_s=now_s)


def _one(join: PartitionJoin, topic: str, record: Any, now_s: float) -> tuple[str, list[Resolved], Turn | Reply]:
    """Feed a record to its join: what it says, what is resolved, and the event. Raises :class:`BrokenRecordError`."""
    arrived_s = min(record.timestamp / 1000, now_s)
    at = (topic, record.offset)
    if topic == TURNS:
        turn = decode(Turn, record.value, record.key, arrived_s=arrived_s)
        return *join.turn(turn, record.value, at, arrived_s), turn
    reply = decode(Reply, record.value, record.key, arrived_s=arrived_s)
    if (reply.arm == PRODUCTION) != (topic == REPLIES):
        raise BrokenRecordError("invalid", f"arm: {reply.arm!r} does not belong on {topic}")
    return *join.reply(reply, record.value, at, arrived_s), reply


def to_pause(clocks: Mapping[str, float], window_s: float, *, turns: int, orphans: int, limit: int) -> set[str]:
    """The topics of a partition to stop reading for now.

    ``clocks`` is the broker's time up to which each has been read, infinite where there is nothing more to read;
    ``turns`` wait for replies, ``orphans`` are replies that wait for their turn.

    A topic more than a window ahead of the slowest waits; once there is a crowd, any that is ahead does, so that a
    backlog is read side by side and its turns need not be packed away. With more turns than ``limit``, turns are not
    read: replies are, at least a window ahead, by when every turn has its reply or has expired. With more orphans than
    that, replies are not read but turns are, by whose clock orphans are given up. So one side always moves on.
    """
    full = turns > limit
    if orphans > limit and not full:
        return {REPLIES, ARM_REPLIES}
    ahead_s = 0.0 if turns + orphans > CROWD and not full else window_s
    slowest = min(clocks.values())
    paused = {topic for topic, clock in clocks.items() if slowest + ahead_s < clock < float("inf")}
    return paused | {TURNS} if full else paused
