"""The records that the benchmarks run on: turns of about 1 kB, a production reply each, one reply of each arm."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Iterator, Sequence
from typing import Final

from aiokafka import AIOKafkaProducer
from kafka.partitioner import murmur2

from shadow.events import GenAI, Message, RecordRef, Reply, Turn
from shadow.tap.producer import PRODUCER
from shadow.topology import ARM_REPLIES, REPLIES, TURNS

ARMS: Final = ("control", "better", "worse")
WORDS: Final = (  # noqa: SIM905 (shorter to read than a list)
    "your order parcel refund card account password delivery invoice agent today tomorrow please thank sorry we can "
    "will have has been sent check number address shop week money back again help not yet soon number wait reply"
).split()
BATCH_BYTES: Final = PRODUCER["batch_size"]
"""As large as the Tap's: a broker hands out whole batches, so larger ones would come topic after topic."""


def sentence(chance: random.Random, words: int) -> str:
    """Words in a random order."""
    return " ".join(chance.choices(WORDS, k=words))


def records(turns: int, *, arms: Sequence[str] = ARMS, replies: bool = True) -> Iterator[tuple[str, bytes, bytes]]:
    """(topic, key, value) in the order in which they happen: 5 records a turn with three arms."""
    chance, now = random.Random(1), time.time()
    for number in range(turns):
        conversation, index = f"conversation-{number // 5}", number % 5
        turn_id, key = f"{conversation}:{index}", f"conversation-{number // 5}".encode()
        history = [Message(role="system", content=sentence(chance, 40))]
        for depth in range(index):
            history.append(Message(role="user", content=sentence(chance, 14)))
            history.append(Message(role="assistant", content=sentence(chance, 25 + depth)))
        history.append(Message(role="user", content=sentence(chance, 14)))
        same = {"turn_id": turn_id, "conversation_id": conversation, "occurred_at": now}
        yield TURNS, key, Turn(turn_index=index, messages=history, metadata={"channel": "chat"}, **same).to_json()
        if not replies:
            continue
        said = sentence(chance, 30)
        for arm in ("production", *arms):
            words = said if chance.random() < 0.3 else sentence(chance, 30)
            reply = Reply(
                arm=arm,
                arm_revision="" if arm == "production" else "0123456789ab",
                message=Message(role="assistant", content=words),
                latency_s=0.8,
                time_to_first_token_s=0.2,
                cost_usd=0.0004,
                gen_ai=GenAI(request_model="m", finish_reasons=["stop"], input_tokens=200, output_tokens=40),
                turn_ref=None if arm == "production" else RecordRef(partition=0, offset=number),
                **same,
            )
            yield REPLIES if arm == "production" else ARM_REPLIES, key, reply.to_json()


async def fill(bootstrap: Sequence[str], made: Iterator[tuple[str, bytes, bytes]], *, partitions: int) -> int:
    """Write the records to the partitions that Kafka's own partitioner would choose; returns how many."""
    producer = AIOKafkaProducer(
        bootstrap_servers=list(bootstrap), max_batch_size=BATCH_BYTES, max_request_size=1_000_000
    )
    await producer.start()
    count, open_batches = 0, {}

    async def send(topic: str, partition: int) -> None:
        await producer.send_batch(open_batches.pop((topic, partition)), topic, partition=partition)

    for topic, key, value in made:
        at = (topic, (murmur2(key) & 0x7FFFFFFF) % partitions)
        batch = open_batches.setdefault(at, producer.create_batch())
        if batch.append(key=key, value=value, timestamp=None) is None:
            await send(*at)
            open_batches[at] = producer.create_batch()
            open_batches[at].append(key=key, value=value, timestamp=None)
        count += 1
    for at in list(open_batches):
        await send(*at)
    await producer.stop()
    return count


def prepare(bootstrap: Sequence[str], turns: int, *, partitions: int, replies: bool = True) -> int:
    """:func:`fill` from synchronous code."""
    return asyncio.run(fill(bootstrap, records(turns, replies=replies), partitions=partitions))
