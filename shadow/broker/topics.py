"""Topics: created from the topology where they are missing, checked where they are not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from kafka.errors import for_code

from shadow.broker.connection import ANSWER_S, admin
from shadow.broker.errors import BrokerError
from shadow.config import Config
from shadow.topology import BY_NAME, TOPOLOGY, Topic

TOPIC_EXISTS: Final = 36
INVALID_REPLICATION: Final = 38


@dataclass(frozen=True, slots=True)
class TopicState:
    """A topic as it stands in the broker; ``created`` if this call made it."""

    topic: Topic
    partitions: int
    replication: int
    created: bool


def ensure_topics(config: Config) -> list[TopicState]:
    """Create the topics of the topology that are missing; leave the others as they are. Safe to call twice at once.

    Raises :class:`BrokerError` if one has another number of partitions than it should.
    """
    wanted = {topic.name: topic.partitions or config.broker.partitions for topic in TOPOLOGY}
    with admin(config.broker.bootstrap) as client:
        existing = set(client.list_topics())
        missing = [topic for topic in TOPOLOGY if topic.name not in existing]
        created = _create(client, config, missing) if missing else set()
        client.wait_for_topics(list(wanted), timeout_ms=int(ANSWER_S * 1000))
        found = {item["name"]: item["partitions"] for item in client.describe_topics()}
    for name, partitions in wanted.items():
        if (has := len(found[name])) != partitions:
            raise BrokerError(_wrong_partitions(name, has, partitions, fixed=BY_NAME[name].partitions is not None))
    return [
        TopicState(topic, wanted[topic.name], len(found[topic.name][0]["replica_nodes"]), topic.name in created)
        for topic in TOPOLOGY
    ]


def _wrong_partitions(name: str, has: int, wants: int, *, fixed: bool) -> str:
    setting = "" if fixed else f"set broker.partitions to {has} if all topics have so many, or "
    return (
        f"topic {name} has {has} partitions and needs {wants}: {setting}"
        f"{'add partitions before traffic flows, or ' if has < wants else ''}delete it and run `shadow topics`"
    )


def _create(client: Any, config: Config, topics: Sequence[Topic]) -> set[str]:
    """Create ``topics``; returns the names of those that nobody else had created meanwhile."""
    answer = client.create_topics(
        {
            topic.name: {
                "num_partitions": topic.partitions or config.broker.partitions,
                "replication_factor": config.broker.replication,
                "configs": topic.configs(),
            }
            for topic in topics
        },
        timeout_ms=int(ANSWER_S * 1000),
        raise_errors=False,
    )
    codes = {item["name"]: item["error_code"] for item in answer["topics"]}
    for item in answer["topics"]:
        if item["error_code"] == INVALID_REPLICATION:
            raise BrokerError(
                f"topic {item['name']} cannot have {config.broker.replication} replicas: start more brokers, "
                "or lower broker.replication"
            )
        if item["error_code"] not in (0, TOPIC_EXISTS):
            raise BrokerError(
                f"topic {item['name']} cannot be created: {item['error_message'] or for_code(item['error_code'])}"
            )
    return {name for name, code in codes.items() if code == 0}
