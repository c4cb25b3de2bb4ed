"""The data path as one table: which topic holds what, who writes it, who reads it.

Topics are created from it, ``shadow topics`` prints it, the README's diagram is :func:`diagram`.
``support.*`` belongs to production: only the Tap, inside production, writes it. ``shadow.*`` is ours.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

TURNS: Final = "support.turns"
REPLIES: Final = "support.replies"
OUTCOMES: Final = "support.outcomes"
ARM_REPLIES: Final = "shadow.replies"
JUDGEMENTS: Final = "shadow.judgements"
COMPARISONS: Final = "shadow.comparisons"
DECISIONS: Final = "shadow.decisions"
DEAD_LETTERS: Final = "shadow.dead-letters"
CONTROL: Final = "shadow.control"

HOUR_MS: Final = 3_600_000
DAY_MS: Final = 24 * HOUR_MS
MAX_RECORD_BYTES: Final = 1_000_000
"""Largest record the Tap and the mirror send; topics take a little more, so that no writer's rounding is refused."""

MAX_STORED_BYTES: Final = MAX_RECORD_BYTES + 64_000
"""Largest record that our topics take; a dead letter of it, with its headers, must find room too."""

MAX_LETTER_BYTES: Final = MAX_STORED_BYTES + 64_000


@dataclass(frozen=True, slots=True)
class Topic:
    """One topic. ``partitions`` None: as the configuration says, the same for all topics keyed by conversation."""

    name: str
    holds: str
    key: str
    written_by: str
    read_by: tuple[str, ...]
    retention_ms: int = 7 * DAY_MS
    partitions: int | None = None
    compacted: bool = False

    def configs(self) -> dict[str, str]:
        """The topic's settings in Kafka's names. The broker stamps the time: one clock for every age and window."""
        settings = {
            "cleanup.policy": "compact" if self.compacted else "delete",
            "max.message.bytes": str(MAX_LETTER_BYTES if self.name == DEAD_LETTERS else MAX_STORED_BYTES),
            "message.timestamp.type": "LogAppendTime",
        }
        if not self.compacted:
            settings["retention.ms"] = str(self.retention_ms)
        return settings


TOPOLOGY: Final[tuple[Topic, ...]] = (
    Topic(TURNS, "turn", "conversation_id", "tap", ("mirror", "comparator", "judge")),
    Topic(REPLIES, "reply", "conversation_id", "tap", ("comparator", "judge")),
    Topic(OUTCOMES, "outcome", "conversation_id", "tap", ("recorder",)),
    Topic(ARM_REPLIES, "reply", "conversation_id", "mirror", ("comparator", "mirror", "judge")),
    Topic(COMPARISONS, "comparison", "conversation_id", "comparator", ("recorder", "judge")),
    Topic(JUDGEMENTS, "outcome", "conversation_id", "judge", ("recorder", "judge")),
    Topic(DECISIONS, "decision", "candidate", "gate", ("cli", "gate"), retention_ms=90 * DAY_MS, partitions=1),
    Topic(DEAD_LETTERS, "raw bytes", "topic/partition/offset", "comparator, recorder", ("cli",), 30 * DAY_MS, 1),
    Topic(CONTROL, "arm command", "arm", "cli", ("mirror",), partitions=1, compacted=True),
)

BY_NAME: Final[dict[str, Topic]] = {topic.name: topic for topic in TOPOLOGY}


def mirror_group(arm: str) -> str:
    """The consumer group of one arm's mirror: arms never share one, so none delays another."""
    return f"shadow.mirror.{arm}"


COMPARATOR_GROUP: Final = "shadow.comparator"
RECORDER_GROUP: Final = "shadow.recorder"
JUDGE_GROUP: Final = "shadow.judge"


def diagram() -> str:
    """The data path as text, one line per topic."""
    width = max(len(topic.name) for topic in TOPOLOGY)
    writer = max(len(topic.written_by) for topic in TOPOLOGY)
    return "\n".join(
        f"{topic.written_by:>{writer}} ──► {topic.name:<{width}} ──► {', '.join(topic.read_by)}" for topic in TOPOLOGY
    )
