"""Offsets: where partitions begin and end, how far a group has come."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from typing import Any

from kafka import TopicPartition

from shadow.broker.connection import (
    ANSWER_S,
    PATIENCE_S,
    Partition,
    admin,
    consumer,
    patiently,
    talking_to,
)
from shadow.broker.errors import BrokerError


def partitions_of(client: Any, topics: Iterable[str]) -> list[Any]:
    """Every partition of ``topics``. Raises :class:`BrokerError` for a topic that does not exist."""
    known: list[Any] = []
    for topic in dict.fromkeys(topics):
        numbers = client.partitions_for_topic(topic)
        if not numbers:
            raise BrokerError(f"topic {topic} does not exist: `shadow topics` creates what Shadow needs")
        known += [TopicPartition(topic, number) for number in sorted(numbers)]
    return known


def beginning_offsets(bootstrap: Sequence[str], topics: Iterable[str]) -> dict[Partition, int]:
    """The first offset that each partition still holds (or will hold, if it is empty)."""
    return bounds(bootstrap, topics)[0]


def end_offsets(bootstrap: Sequence[str], topics: Iterable[str]) -> dict[Partition, int]:
    """The offset that each partition's next record will get: the high watermark."""
    return bounds(bootstrap, topics)[1]


def bounds(bootstrap: Sequence[str], topics: Iterable[str]) -> tuple[dict[Partition, int], dict[Partition, int]]:
    """Beginning and end offsets of each partition, by one connection."""
    with talking_to(bootstrap), closing(consumer(bootstrap)) as client:
        parts = patiently(lambda: partitions_of(client, topics))
        return patiently(lambda: beginnings(client, parts)), patiently(lambda: ends(client, parts))


def beginnings(client: Any, partitions: Sequence[Any]) -> dict[Partition, int]:
    """The first stored offset of each partition."""
    found = client.beginning_offsets(partitions, timeout_ms=ANSWER_S * 1000)
    return {(part.topic, part.partition): offset for part, offset in found.items()}


def ends(client: Any, partitions: Sequence[Any]) -> dict[Partition, int]:
    """High watermarks, taken from fetches.

    Not from the offset listing alone: Tansu 0.6.0 answers there with the last *batch's first* offset plus one, so all
    but one record of a partition's last batch would be missed. What it says with fetched data is right.
    """
    listed = client.end_offsets(partitions, timeout_ms=ANSWER_S * 1000)
    client.assign(partitions)
    for part in partitions:
        client.seek(part, listed[part])
    deadline = time.monotonic() + PATIENCE_S
    waiting = list(partitions)
    while waiting:
        client.poll(timeout_ms=100, max_records=1)
        waiting = [part for part in waiting if client.highwater(part) is None]
        if waiting and time.monotonic() > deadline:
            raise BrokerError(f"{waiting[0].topic}/{waiting[0].partition} does not answer: has it a leader?")
    return {(part.topic, part.partition): max(listed[part], client.highwater(part)) for part in partitions}


def committed(bootstrap: Sequence[str], group: str) -> dict[Partition, int]:
    """The next offset each partition's consumer of ``group`` would read; empty for a group that never committed."""
    with admin(bootstrap) as client:
        found = patiently(lambda: client.list_group_offsets({group: None}))[group]
    return {(part.topic, part.partition): at.offset for part, at in found.items() if at.offset >= 0}


def lag(bootstrap: Sequence[str], group: str, topics: Sequence[str]) -> dict[Partition, int]:
    """How many records of each partition ``group`` has not committed yet; where it never did, all that are stored."""
    return lags(bootstrap, {group: topics})[group]


def lags(bootstrap: Sequence[str], groups: Mapping[str, Sequence[str]]) -> dict[str, dict[Partition, int]]:
    """:func:`lag` of several groups at once: group to the topics it reads. One question a kind, however many groups."""
    with talking_to(bootstrap), closing(consumer(bootstrap)) as client:
        parts = partitions_of(client, [topic for topics in groups.values() for topic in topics])
        start, end = beginnings(client, parts), ends(client, parts)
    with admin(bootstrap) as client:
        found = patiently(lambda: client.list_group_offsets(dict.fromkeys(groups)))
    behind: dict[str, dict[Partition, int]] = {}
    for group, topics in groups.items():
        done = {(part.topic, part.partition): at.offset for part, at in found[group].items()}
        behind[group] = {
            part: max(0, end[part] - max(done.get(part, 0), start[part])) for part in end if part[0] in topics
        }
    return behind
