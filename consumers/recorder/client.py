"""The recorder's kafka-python consumer: each call watched, because one may hang; what it read is committed in order.

kafka-python 3.0 sometimes raises from ``poll`` while a broker is away, hangs in it, or stands still. In each case the
client is replaced: the next one begins at the last commit, and the ledger refuses what it has.
"""

from __future__ import annotations

import os
import time
from contextlib import suppress
from functools import partial
from typing import Any, Final, Self

import structlog
from kafka import ConsumerRebalanceListener, KafkaConsumer, OffsetAndMetadata, TopicPartition
from kafka.errors import (
    CommitFailedError,
    IllegalGenerationError,
    KafkaError,
    RebalanceInProgressError,
    UnknownMemberIdError,
)

from consumers.recorder.batch import Polled
from shadow.broker import bounded
from shadow.hang_watch import HangWatch
from shadow.health import Part, Reading
from shadow.topology import COMPARISONS, JUDGEMENTS, OUTCOMES, RECORDER_GROUP

TOPICS: Final = (COMPARISONS, OUTCOMES, JUDGEMENTS)
BATCH: Final = 2_000
COMMIT_MS: Final = 5_000

_NOT_MINE_ANY_MORE: Final = (CommitFailedError, IllegalGenerationError, RebalanceInProgressError, UnknownMemberIdError)

log = structlog.get_logger()


def connected(bootstrap: list[str], reading: Reading) -> Any:
    """A member of the recorder's group, whose partitions ``reading`` is told. Raises what the library and it raise."""
    consumer = bounded(
        KafkaConsumer,
        bootstrap,
        client_id=RECORDER_GROUP,
        group_id=RECORDER_GROUP,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        session_timeout_ms=6_000,
        heartbeat_interval_ms=2_000,
        max_poll_records=BATCH,
        fetch_max_wait_ms=100,
        check_crcs=False,  # the broker and TCP check them; kafka-python does it in Python: half of this process's time
        metadata_max_age_ms=5_000,  # topics made after this consumer are found this soon
        reconnect_backoff_max_ms=2_000,
        allow_auto_create_topics=False,
        request_timeout_ms=30_000,
    ).released()
    consumer.subscribe(TOPICS, listener=_Ownership(reading))
    return consumer


class _Ownership(ConsumerRebalanceListener):  # type: ignore[misc]
    """Tells the reading which partitions are this process's."""

    def __init__(self, reading: Reading) -> None:
        self._reading = reading

    def on_partitions_revoked(self, revoked: Any) -> None:  # noqa: ARG002 (the protocol)
        self._reading.lose()

    def on_partitions_assigned(self, assigned: Any) -> None:
        self._reading.own(((part.topic, part.partition) for part in assigned), time.monotonic())


class Client:
    """One consumer from its first poll until it is closed, as a context manager, and what it has not committed yet."""

    def __init__(self, consumer: Any) -> None:
        self._consumer = consumer
        self._watch = HangWatch(partial(_stop_loop, consumer), _end_process)
        self._uncommitted: dict[TopicPartition, OffsetAndMetadata] = {}

    def __enter__(self) -> Self:
        self._watch.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        """Leave the group, or leave the client behind if it hangs."""
        try:
            if self.hung:
                self._consumer._closed = True  # noqa: SLF001 (its finaliser would wait for the loop that was stopped)
            else:
                with suppress(KafkaError):
                    self._consumer.close(autocommit=False, timeout_ms=COMMIT_MS)
        finally:
            self._watch.__exit__()

    @property
    def hung(self) -> bool:
        """Whether a call was found hanging: this client must not be used again."""
        return self._watch.stopped

    @property
    def mine(self) -> set[TopicPartition]:
        """The partitions that the group has given this client."""
        assigned: set[TopicPartition] = self._consumer.assignment()
        return assigned

    @property
    def uncommitted(self) -> dict[Part, int]:
        """The next offset to commit, where that could not be done yet."""
        return {(part.topic, part.partition): at.offset for part, at in self._uncommitted.items()}

    def poll(self, timeout_ms: int, *, most: int | None = None) -> Polled:
        """Records, ``most`` at the most, or none after ``timeout_ms``."""
        with self._watch.call():
            polled: Polled = self._consumer.poll(timeout_ms=timeout_ms, max_records=most)
        return polled

    def end(self, part: TopicPartition) -> int | None:
        """Where the log of a partition ends, if it is this client's and a fetch has said so."""
        found: int | None = self._consumer.highwater(part) if part in self.mine else None
        return found

    def position(self, part: TopicPartition) -> int:
        """The next offset to read."""
        with self._watch.call():
            return int(self._consumer.position(part))

    def commit(self, offsets: dict[TopicPartition, OffsetAndMetadata]) -> None:
        """Commit; what could not be committed for want of a broker goes with the next, what is another's is dropped."""
        self._uncommitted.update(offsets)
        mine = self.mine
        due = {partition: at for partition, at in self._uncommitted.items() if partition in mine}
        if not due:
            self._uncommitted.clear()
            return
        try:
            with self._watch.call():
                self._consumer.commit(due, timeout_ms=COMMIT_MS)
        except _NOT_MINE_ANY_MORE as error:
            log.info("rebalanced_before_commit", error=str(error)[:200])
        except KafkaError as error:
            log.warning("commit_failed", error=str(error)[:200])
            return
        self._uncommitted.clear()

    def wind_back(self, first: dict[TopicPartition, int]) -> None:
        """Next time begin again at ``first``, as far as the partitions are still this client's."""
        mine = self.mine
        for partition, offset in first.items():
            if partition in mine:
                self._consumer.seek(partition, offset)

    def rest(self) -> None:
        """Until :meth:`go_on`, poll brings no records, and keeps the group's membership."""
        self._consumer.pause(*self.mine)

    def go_on(self) -> None:
        """Read again."""
        self._consumer.resume(*self._consumer.paused())


def _stop_loop(consumer: Any, seconds: float) -> None:
    """Make the hanging call raise ``KafkaConnectionError``."""
    log.warning("client_hangs", seconds=seconds)
    consumer._net.stop(1_000)  # noqa: SLF001 (there is no public way to end a call from outside)


def _end_process(seconds: float) -> None:
    """The call hangs elsewhere than in its loop: whoever started this process mends it."""
    log.error("hangs", seconds=seconds)
    os._exit(1)
