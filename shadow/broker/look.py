"""Kafka as it stands, for the doctor: nothing is created, committed or written, not even a topic by being named."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Container, Mapping, Sequence

import orjson
from kafka.admin import ConfigResource, ConfigResourceType
from kafka.errors import KafkaError

from shadow.broker.connection import admin, patiently
from shadow.broker.embedded import TANSU_CLUSTERS
from shadow.broker.offsets import beginning_offsets, committed, end_offsets
from shadow.broker.records import Stored, read
from shadow.doctor.brokers import Cluster, GroupFacts, TopicFacts
from shadow.doctor.clocks import Stamped
from shadow.topology import ARM_REPLIES, COMPARISONS, TURNS

WRITERS = {TURNS: "production (Tap)", ARM_REPLIES: "a mirror", COMPARISONS: "the comparator"}
WRITTEN = {TURNS: "occurred_at", ARM_REPLIES: "occurred_at", COMPARISONS: "compared_at"}
"""Where a record says by its writer's clock when it was written."""


def cluster(address: str) -> Cluster:
    """What the broker at one address says of its cluster. Raises :class:`~shadow.broker.BrokerError`."""
    begun = time.monotonic()
    with admin([address]) as client:
        found = client.describe_cluster()
        took_s = time.monotonic() - begun
        speaks = client.get_broker_version_data(found["brokers"][0]["broker_id"]).broker_version
    return Cluster(took_s, tuple(speaks), len(found["brokers"]), found["cluster_id"] in TANSU_CLUSTERS)


def topics(bootstrap: Sequence[str]) -> dict[str, TopicFacts]:
    """Every topic that is there. Raises :class:`~shadow.broker.BrokerError`."""
    with admin(bootstrap) as client:
        found = {item["name"]: item["partitions"] for item in patiently(client.describe_topics)}
        try:
            wanted = [ConfigResource(ConfigResourceType.TOPIC, name) for name in found]
            settings = client.describe_configs(wanted, config_filter="all")["topic"] if wanted else {}
        except (KafkaError, KeyError):  # a broker need not tell
            settings = {}
    return {
        name: TopicFacts(
            partitions=len(parts),
            replicas=min((len(part["replica_nodes"]) for part in parts), default=0),
            in_sync=min((len(part["isr_nodes"]) for part in parts), default=0),
            leaderless=sum(part["leader_id"] < 0 for part in parts),
            settings={key: str(each["value"]) for key, each in settings.get(name, {}).items()},
        )
        for name, parts in found.items()
    }


def groups(bootstrap: Sequence[str], wanted: Mapping[str, Sequence[str]]) -> dict[str, GroupFacts]:
    """Where each group stands in the topics that it must read. Raises :class:`~shadow.broker.BrokerError`."""
    with admin(bootstrap) as client:
        told = client.describe_cluster()["cluster_id"] not in TANSU_CLUSTERS  # which lists no group before its commit
        states = {each["group_id"]: each.get("group_state") for each in client.list_groups()}
    every = sorted({topic for read_by in wanted.values() for topic in read_by})
    start, end = beginning_offsets(bootstrap, every), end_offsets(bootstrap, every)
    found = {}
    for group, read_by in wanted.items():
        done = committed(bootstrap, group)
        at = {part: max(done.get(part, 0), start[part]) for part in end if part[0] in read_by}
        behind = {part: offset for part, offset in at.items() if offset < end[part]}
        unread = sum(end[part] - offset for part, offset in behind.items())
        oldest = min((record.timestamp_s for record in _single(bootstrap, behind)), default=None)
        found[group] = GroupFacts(unread, oldest, states.get(group) if told else "Unknown")
    return found


def newest(bootstrap: Sequence[str], there: Container[str]) -> list[Stamped]:
    """The two times of the newest record of each partition whose records say when they were written.

    Of the topics that are ``there``. Raises :class:`~shadow.broker.BrokerError`.
    """
    ends = end_offsets(bootstrap, [topic for topic in WRITTEN if topic in there])
    last = {part: offset - 1 for part, offset in ends.items() if offset}
    return [stamped for record in _single(bootstrap, last) if (stamped := _stamped(record)) is not None]


def _stamped(record: Stored) -> Stamped | None:
    try:
        written: object = orjson.loads(record.value or b"")[WRITTEN[record.topic]]
    except (ValueError, KeyError, TypeError):  # a dead letter, and no clock
        return None
    is_time = isinstance(written, (int, float))
    return Stamped(WRITERS[record.topic], float(written), record.timestamp_s) if is_time else None  # type: ignore[arg-type]


def _single(bootstrap: Sequence[str], at: Mapping[tuple[str, int], int]) -> list[Stored]:
    """The one record that lies at each of these offsets."""
    starts: defaultdict[str, dict[int, int]] = defaultdict(dict)
    for (topic, part), offset in at.items():
        starts[topic][part] = offset
    return [
        record
        for topic, start in starts.items()
        for record in read(bootstrap, topic, start=start, end={part: offset + 1 for part, offset in start.items()})
    ]
