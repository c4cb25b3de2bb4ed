"""A member of a consumer group, on a real broker: what one read gives."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from typing import Any

from aiokafka import AIOKafkaProducer, TopicPartition

from consumers.comparator import TOPICS
from consumers.health import Health
from consumers.stream import Stream
from shadow import broker
from shadow.config import Config
from shadow.metrics.exporter import Metrics
from shadow.topology import REPLIES, TURNS
from tests.fixtures.brokers import config_for, prepared

OF_EACH = 40


async def publish_at_once(bootstrap: list[str], tp: TopicPartition, records: int) -> None:
    """Write so many in one batch: one fetch brings them all, so that none of them is waited for later."""
    async with AIOKafkaProducer(bootstrap_servers=bootstrap, max_batch_size=100_000) as producer:
        batch = producer.create_batch()
        for _ in range(records):
            assert batch.append(key=b"c", value=b"x", timestamp=None) is not None
        await (await producer.send_batch(batch, tp.topic, partition=tp.partition))


class Member:
    """One member of a group; ``began`` is called whenever the group gives it partitions, as it may do again.

    A machine that stalls for longer than a session lasts makes the group give them anew: reading then begins at the
    last commit, which is the beginning here.
    """

    def __init__(self, config: Config, began: Callable[[], object] = lambda: None) -> None:
        async def gained(_: set[int]) -> None:
            began()

        async def losing(_: set[int]) -> None:
            """Nothing is under way."""

        self.stream = Stream(
            config, group="g", topics=TOPICS, gained=gained, losing=losing, health=Health(), metrics=Metrics("test")
        )

    async def at_hand(self, partitions: int, timeout_s: float = 90) -> None:
        """Wait until records of so many partitions have been fetched."""
        async with asyncio.timeout(timeout_s):
            while len(self.stream.consumer._fetcher._records) < partitions:  # noqa: ASYNC110 (it rings no bell)
                await asyncio.sleep(0.05)

    async def read(self, max_records: int) -> dict[TopicPartition, list[Any]]:
        """The records of the next read that has any; each partition's share is bounded."""
        while True:
            epoch, batch = await self.stream.read(max_records=max_records, of_each=OF_EACH)
            async with self.stream.lock:
                if batch := await self.stream.mine(epoch, batch):
                    return batch


async def test_no_partition_waits_until_others_have_been_read_to_their_end(embedded: str) -> None:
    """A read has room for two partitions, and six have more than they can give at once: each gets its turn."""
    config = config_for(embedded, partitions=3)
    await asyncio.to_thread(prepared, config)
    for tp in (TopicPartition(topic, number) for topic in (REPLIES, TURNS) for number in range(3)):
        await publish_at_once(config.broker.bootstrap, tp, 1_000)
    reads: list[set[TopicPartition]] = []
    member = Member(config, reads.clear)
    await member.stream.start()
    try:
        while len(reads) < 12:
            if not reads:
                await member.at_hand(6)
            reads.append(set(await member.read(2 * OF_EACH)))
    finally:
        await member.stream.stop()
    assert [len(each) for each in reads] == [2] * 12
    assert set(Counter(tp for each in reads for tp in each).values()) == {4}


async def test_one_read_takes_a_share_of_each_partition_and_in_the_end_everything(embedded: str) -> None:
    """However much of one partition the broker hands out at once; in order, and nothing twice."""
    config = config_for(embedded, partitions=1)
    await asyncio.to_thread(prepared, config)
    for topic, count in ((REPLIES, 900), (TURNS, 200)):
        records = [(b"c", str(number).encode(), ()) for number in range(count)]
        await asyncio.to_thread(broker.publish, config.broker.bootstrap, topic, records)
    found: dict[str, list[int]] = {REPLIES: [], TURNS: []}

    def begin() -> None:
        for each in found.values():
            each.clear()

    member = Member(config, begin)
    await member.stream.start()
    try:
        while sum(map(len, found.values())) < 1_100:
            for tp, taken in (await member.read(3_000)).items():
                assert len(taken) <= OF_EACH
                found[tp.topic] += [int(record.value) for record in taken]
    finally:
        await member.stream.stop()
    assert found == {REPLIES: list(range(900)), TURNS: list(range(200))}
