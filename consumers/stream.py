"""Ordered batches from Kafka with explicit commits: aiokafka, Faust's own driver, inside a Faust application.

One rule makes rebalances safe: work on records and changes of ownership exclude each other (:attr:`Stream.lock`), and
a batch that was fetched before the last assignment is dropped: its partitions are read again from the last commit.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

import structlog
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRebalanceListener, TopicPartition
from aiokafka.coordinator.assignors.range import RangePartitionAssignor
from aiokafka.errors import CommitFailedError, ConsumerStoppedError, IllegalStateError, KafkaError

from consumers.health import Health
from consumers.progress import Progress
from shadow.broker import BrokerError, is_embedded, security
from shadow.config import Config
from shadow.metrics.exporter import Metrics
from shadow.topology import MAX_RECORD_BYTES

log = structlog.get_logger()

SESSION_MS: Final = 6_000  # the embedded broker lets a join take half of it
REBALANCE_MS: Final = 30_000  # calls under way get their grace before a member is given up
MAX_POLL_MS: Final = 1_800_000  # a full queue is no reason to be given up: the arm is slow
COMMIT_S: Final = 5.0
REQUEST_MS: Final = 60_000  # rides out a broker's restart
FETCH_WAIT_MS: Final = 100
FETCH_BYTES: Final = (
    150_000  # of a partition at once: turns and their replies come side by side, not one after the other
)
COMMIT_EVERY_S: Final = 0.5
LINGER_MS: Final = 20  # a request per reply would cost more than the reply
PAUSE_AFTER_ERROR_S: Final = 0.5

Batch = dict[TopicPartition, list[Any]]
Ownership = Callable[[set[int]], Awaitable[None]]


async def caught_up(consumer: Any, tp: TopicPartition, *, since_s: float = 0.0) -> bool:
    """Whether a fetch after ``since_s`` (Unix seconds) has found nothing beyond what was read.

    Asks the last fetch and not the broker's list of offsets: Tansu 0.6 lists too low an end (the last batch's first
    offset plus one).
    """
    high, fetched_ms = consumer.highwater(tp), consumer.last_poll_timestamp(tp)
    if high is None or fetched_ms is None or fetched_ms < since_s * 1000:
        return False
    return bool(await consumer.position(tp) >= high)


class Stream(ConsumerRebalanceListener):  # type: ignore[misc]
    """One consumer group member and one idempotent producer.

    ``gained(partitions)`` and ``losing(partitions)`` are called under :attr:`lock`, with partition numbers: the topics
    are partitioned alike and the range assignor gives a number of all topics to one member. ``losing`` must leave
    nothing under way: what it does not commit, the next owner does again. ``follows`` are the topics that must be read
    to their end, all but for the mirror.
    """

    def __init__(
        self,
        config: Config,
        *,
        group: str,
        topics: tuple[str, ...],
        gained: Ownership,
        losing: Ownership,
        health: Health,
        metrics: Metrics,
        follows: tuple[str, ...] | None = None,
    ) -> None:
        self.lock = asyncio.Lock()
        self.owned: set[int] = set()
        self.rebalances = 0
        self._group, self._topics = group, topics
        self._gained, self._losing = gained, losing
        self._committed_at = 0.0
        self._turn = 0
        self._address = config.broker.bootstrap
        self._health = health
        self._rebalanced = metrics.counter("shadow_rebalances")
        self.progress = Progress(self._address, group, follows or topics, health=health, metrics=metrics)
        self.consumer = AIOKafkaConsumer(
            bootstrap_servers=self._address,
            **security(os.environ),
            group_id=group,
            client_id=group,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            session_timeout_ms=SESSION_MS,
            heartbeat_interval_ms=SESSION_MS // 3,
            rebalance_timeout_ms=REBALANCE_MS,
            max_poll_interval_ms=MAX_POLL_MS,
            partition_assignment_strategy=(RangePartitionAssignor,),
            fetch_max_wait_ms=FETCH_WAIT_MS,
            fetch_max_bytes=16 * MAX_RECORD_BYTES,
            max_partition_fetch_bytes=FETCH_BYTES,
        )
        self.producer: Any = None

    async def start(self) -> None:
        """Connect, waiting for a broker that is not there yet, and join the group."""
        await self._until_there(self._start_producer)
        await self._until_there(self.consumer.start)
        self.consumer.subscribe(topics=self._topics, listener=self)
        self._health.part("start", None)

    async def _start_producer(self) -> None:
        embedded = await asyncio.to_thread(is_embedded, self._address)
        self.producer = AIOKafkaProducer(
            bootstrap_servers=self._address,
            **security(os.environ),
            client_id=self._group,
            acks="all",
            enable_idempotence=not embedded,
            request_timeout_ms=REQUEST_MS,
            linger_ms=LINGER_MS,
            max_batch_size=MAX_RECORD_BYTES,
            max_request_size=2 * MAX_RECORD_BYTES,
        )
        await self.producer.start()

    async def stop(self) -> None:
        """Let go of all partitions, as at a rebalance, and leave the group."""
        self._health.part("stop", "is under way")
        await self._let_go()
        await self.consumer.stop()
        if self.producer is not None:
            await self.producer.stop()

    async def read(
        self, *, max_records: int, of_each: int | None = None, timeout_ms: int = FETCH_WAIT_MS
    ) -> tuple[int, Batch]:
        """The next records by partition, and the assignment they belong to (for :meth:`mine`).

        ``of_each``: at most so many of one partition, however much a broker has handed out of it at once; the rest
        stays with the client. (``max_records`` alone is filled partition after partition.)

        An error ends the process: aiokafka has then moved past records that nobody got, and a restart reads them again.
        """
        epoch = self.rebalances
        try:
            batch = await self._at_hand(of_each, max_records) if of_each else {}
            if not batch:
                batch = await self.consumer.getmany(timeout_ms=timeout_ms, max_records=of_each or max_records)
        except ConsumerStoppedError:  # this process is stopping
            return epoch, {}
        self.progress.saw(self.consumer, batch)
        return epoch, batch

    async def _at_hand(self, of_each: int, max_records: int) -> Batch:
        """What has been fetched already, of each partition in turn: where one read ends, the next begins."""
        batch: Batch = {}
        reading = sorted(self.consumer.assignment() - self.consumer.paused())
        for _ in reading:
            tp = reading[self._turn % len(reading)]
            self._turn += 1
            batch |= await self.consumer.getmany(tp, max_records=of_each)
            if sum(map(len, batch.values())) + of_each > max_records:
                break
        return batch

    async def watch(self) -> None:
        """Until cancelled. Raises :class:`~consumers.progress.StalledError` if records wait and none are read."""
        await self.progress.watch(self.consumer)

    async def mine(self, epoch: int, batch: Batch) -> Batch:
        """The batch, or nothing if ownership has changed since it was read; to be asked under :attr:`lock`.

        Records that came from an assignment of which ``gained`` has not heard yet are given back: read again later.
        """
        if epoch == self.rebalances and all(tp.partition in self.owned for tp in batch):
            return batch
        for tp, records in batch.items():
            # of an older assignment the position has gone back to the last commit, or away: nothing to give back
            if tp in self.consumer.assignment() and await self.consumer.position(tp) == records[-1].offset + 1:
                self.consumer.seek(tp, records[0].offset)
        return {}

    async def look(self, positions: Mapping[TopicPartition, int]) -> None:
        """Note and export where each partition stands; ``positions`` are the next offsets to commit."""
        await self.progress.look(self.consumer, positions)

    async def commit(self, positions: Mapping[TopicPartition, int]) -> bool:
        """Commit the next offsets to read. False if the broker refused or was away: then it is read again, no harm."""
        if not positions:
            return True
        try:
            async with asyncio.timeout(COMMIT_S):  # by itself it waits for a coordinator for ever
                await self.consumer.commit(dict(positions))
        except TimeoutError:
            log.warning("commit_failed", error="no coordinator")
            return False
        except (CommitFailedError, IllegalStateError) as error:
            log.info("commit_refused", error=type(error).__name__)
            return False
        except KafkaError as error:
            log.warning("commit_failed", error=repr(error))
            return False
        return True

    def commit_due(self) -> bool:
        """Whether it is time to commit again; says so once per interval. To be asked each time the work loop turns."""
        self._health.turned()
        now = asyncio.get_running_loop().time()
        if now - self._committed_at < COMMIT_EVERY_S:
            return False
        self._committed_at = now
        return True

    async def on_partitions_revoked(self, revoked: set[TopicPartition]) -> None:
        """Called by aiokafka before the group is joined again."""
        if revoked or self.owned:
            await self._let_go()

    async def _let_go(self) -> None:
        """From here on, a batch that was read before is not this member's any more (:meth:`mine`)."""
        async with self.lock:
            losing, self.owned = self.owned, set()
            self.rebalances += 1
            self.progress.lost()
            await self._losing(losing)

    async def on_partitions_assigned(self, assigned: set[TopicPartition]) -> None:
        """Called by aiokafka after the group was joined."""
        async with self.lock:
            self.rebalances += 1
            self.owned = {tp.partition for tp in assigned}
            self._rebalanced.inc()
            self.progress.gained(self.owned)
            log.info("partitions_assigned", partitions=sorted(self.owned))
            await self._gained(self.owned)

    async def _until_there(self, start: Callable[[], Awaitable[None]]) -> None:
        waiting = False
        while True:
            try:
                return await start()
            except (KafkaError, BrokerError) as error:
                if not waiting:
                    log.warning("broker_not_there", error=str(error) or repr(error))
                waiting = True
                self._health.part("start", f"the broker is not there: {str(error) or repr(error)}")
                self._health.turned()
                await asyncio.sleep(PAUSE_AFTER_ERROR_S)
