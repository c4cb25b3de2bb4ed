"""A member of a consumer group, on a real broker: what one read gives."""

from __future__ import annotations

import asyncio
from collections import Counter

from aiokafka import TopicPartition

from consumers.comparator import TOPICS
from consumers.health import Health
from consumers.stream import Stream
from shadow import broker
from shadow.metrics.exporter import Metrics
from shadow.topology import REPLIES, TURNS
from tests.fixtures.brokers import config_for

OF_EACH = 40


async def nothing(_: set[int]) -> None:
    """Partitions come and go."""


async def test_no_partition_waits_until_others_have_been_read_to_their_end(embedded: str) -> None:
    """A read has room for two partitions, and six have more than they can give at once: each gets its turn."""
    config = config_for(embedded, partitions=3)
    await asyncio.to_thread(broker.ensure_topics, config)
    for topic in (REPLIES, TURNS):
        records = [(str(number % 97).encode(), b"x", ()) for number in range(3_000)]
        await asyncio.to_thread(broker.publish, config.broker.bootstrap, topic, records)
    stream = Stream(
        config, group="g", topics=TOPICS, gained=nothing, losing=nothing, health=Health(), metrics=Metrics("test")
    )
    await stream.start()
    seen: Counter[TopicPartition] = Counter()
    try:
        while len(seen) < 6:  # until each has been fetched once
            seen.update((await stream.read(max_records=2 * OF_EACH, of_each=OF_EACH))[1].keys())
        before = Counter(seen)
        for _ in range(12):
            seen.update((await stream.read(max_records=2 * OF_EACH, of_each=OF_EACH))[1].keys())
    finally:
        await stream.stop()
    assert min((seen - before)[tp] for tp in before) >= 2


async def test_one_read_takes_a_share_of_each_partition_and_in_the_end_everything(embedded: str) -> None:
    """However much of one partition the broker hands out at once; in order, and nothing twice."""
    config = config_for(embedded, partitions=1)
    await asyncio.to_thread(broker.ensure_topics, config)
    for topic, count in ((REPLIES, 900), (TURNS, 200)):
        records = [(b"c", str(number).encode(), ()) for number in range(count)]
        await asyncio.to_thread(broker.publish, config.broker.bootstrap, topic, records)
    stream = Stream(
        config, group="g", topics=TOPICS, gained=nothing, losing=nothing, health=Health(), metrics=Metrics("test")
    )
    await stream.start()
    found: dict[str, list[int]] = {REPLIES: [], TURNS: []}
    try:
        while sum(map(len, found.values())) < 1_100:
            _, batch = await stream.read(max_records=3_000, of_each=OF_EACH)
            for tp, taken in batch.items():
                assert len(taken) <= OF_EACH
                found[tp.topic] += [int(record.value) for record in taken]
    finally:
        await stream.stop()
    assert found == {REPLIES: list(range(900)), TURNS: list(range(200))}
