"""Records: a topic read from here to there without a consumer group, and records written for certain."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any, Final

from kafka import KafkaProducer, TopicPartition

from shadow.broker.connection import ANSWER_S, bounded, consumer, talking_to
from shadow.broker.errors import BrokerError
from shadow.broker.offsets import bounds
from shadow.broker.timed import Bounded
from shadow.topology import MAX_LETTER_BYTES

STALLED_S: Final = 20.0
"""A read that has not moved for this long has lost its broker."""

DELIVERY_S: Final = 30.0
"""How long a record may take to be stored: a dead broker's partitions have a new leader after some 10 s."""

Headers = Sequence[tuple[str, bytes]]


@dataclass(frozen=True, slots=True)
class Stored:
    """A record as it lies in the broker."""

    topic: str
    partition: int
    offset: int
    timestamp_s: float
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...]


def read(
    bootstrap: Sequence[str],
    topic: str,
    *,
    start: Mapping[int, int] | None = None,
    end: Mapping[int, int] | None = None,
) -> Iterator[Stored]:
    """The records of ``topic`` from ``start`` to before ``end`` (offsets by partition), in order per partition.

    Without ``start``, all that is still stored; without ``end``, up to where the topic ended when this was called. With
    one of them, partitions it does not name are left out. No consumer group is used. Ends also where records were
    removed meanwhile. Raises :class:`BrokerError`, when called or while iterating.
    """
    beginning, ending = bounds(bootstrap, [topic])
    first = {part: offset for (_, part), offset in beginning.items()}
    last = {part: offset for (_, part), offset in ending.items()}
    since = first if start is None else {part: max(offset, first.get(part, 0)) for part, offset in start.items()}
    until = last if end is None else {part: min(offset, last.get(part, 0)) for part, offset in end.items()}
    return _records(
        bootstrap,
        topic,
        {part: (since[part], until[part]) for part in until if part in since and since[part] < until[part]},
    )


def _records(bootstrap: Sequence[str], topic: str, ranges: Mapping[int, tuple[int, int]]) -> Iterator[Stored]:
    if not ranges:
        return
    until = {TopicPartition(topic, part): end for part, (_, end) in ranges.items()}
    with talking_to(bootstrap), closing(consumer(bootstrap)) as client:
        client.assign(list(until))
        for part in until:
            client.seek(part, ranges[part.partition][0])
        moved = time.monotonic()
        while until:
            batches = client.poll(timeout_ms=200)
            for part, records in batches.items():
                yield from (_stored(record) for record in records if record.offset < until[part])
            done = [part for part, end in until.items() if client.position(part, timeout_ms=ANSWER_S * 1000) >= end]
            for part in done:
                client.pause(part)
                del until[part]
            if batches or done:
                moved = time.monotonic()
            elif time.monotonic() - moved > STALLED_S:
                raise BrokerError(
                    f"no answer from Kafka at {','.join(bootstrap)} while reading {topic}: is it still up?"
                )


def _stored(record: Any) -> Stored:
    return Stored(
        record.topic,
        record.partition,
        record.offset,
        record.timestamp / 1000,
        record.key,
        record.value,
        tuple(record.headers),
    )


def producer(bootstrap: Sequence[str]) -> Bounded:
    """A ``KafkaProducer`` that waits for all replicas and writes each record once; no call of it hangs.

    Raises :class:`BrokerError`; its calls raise what the library's do, and an OSError where that would hang.
    """
    with talking_to(bootstrap):
        return bounded(
            KafkaProducer,
            bootstrap,
            acks="all",
            enable_idempotence=True,
            max_block_ms=int(ANSWER_S * 1000),
            delivery_timeout_ms=int(DELIVERY_S * 1000),
            max_request_size=MAX_LETTER_BYTES,
        )


def publish(
    bootstrap: Sequence[str],
    topic: str,
    records: Iterable[tuple[bytes | None, bytes | None, Headers]],
    *,
    partition: int | None = None,
) -> list[tuple[int, int]]:
    """Write ``(key, value, headers)`` records and wait until they are stored: partitions and offsets, in order."""
    with talking_to(bootstrap), closing(producer(bootstrap)) as sender:
        sent = [
            sender.send(topic, key=key, value=value, headers=list(headers), partition=partition)
            for key, value, headers in records
        ]
        stored = [future.get(timeout=DELIVERY_S + ANSWER_S) for future in sent]
    return [(record.partition, record.offset) for record in stored]
