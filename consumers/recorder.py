"""Writes comparisons and outcomes into the ledger: each exactly once, however often the broker delivers it.

One thread, one loop, no state but the consumer's position. While the ledger is away the position is wound back to
what is not stored yet, the partitions rest, and polling goes on, so that the group keeps this member.

kafka-python 3.0 sometimes raises from ``poll`` while a broker is away, hangs in it, or stands still. In each case the
client is replaced: the next one begins at the last commit, and the ledger refuses what it has.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

import structlog
from kafka import ConsumerRebalanceListener, KafkaConsumer, OffsetAndMetadata, TopicPartition
from kafka.errors import (
    CommitFailedError,
    IllegalGenerationError,
    KafkaError,
    RebalanceInProgressError,
    UnknownMemberIdError,
)

from consumers.health import Health, Standing
from shadow import broker
from shadow.broker import BrokerError, HangsError, SecurityError, bounded, publish
from shadow.config import Config
from shadow.dead_letters import Letter, letter_for
from shadow.events import BrokenRecordError, Comparison, Outcome, decode
from shadow.hang_watch import HangWatch
from shadow.health import Reading
from shadow.ledger import Ledger, LedgerUnavailableError, comparison_row, outcome_row, unstorable
from shadow.metrics.exporter import Metrics
from shadow.topology import COMPARISONS, DEAD_LETTERS, JUDGEMENTS, OUTCOMES, RECORDER_GROUP

TOPICS: Final = (COMPARISONS, OUTCOMES, JUDGEMENTS)
POLL_MS: Final = 250
BATCH: Final = 2_000
COMMIT_MS: Final = 5_000
BACKOFF_S: Final = (0.25, 5.0)
"""First and longest wait between two tries of a part that is away."""

BUSY_TIMEOUT_S: Final = 2.0
"""The recorder tries again by itself, and must hear a stop in between."""

STALL_S: Final = (15.0, 600.0)
"""After so long without a record, the broker is asked whether there is one; at most so long after several in vain."""

LOOK_S: Final = 1.0
"""Between two exports of where each partition stands."""

SLOW_S: Final = 10.0
"""A ledger transaction that takes longer is a reason not to be ready."""

_NOT_MINE_ANY_MORE: Final = (CommitFailedError, IllegalGenerationError, RebalanceInProgressError, UnknownMemberIdError)

log = structlog.get_logger()


@dataclass(slots=True)
class Batch:
    """What one poll brought: rows for the ledger, letters for the broken records, and the way back and forth."""

    comparisons: list[dict[str, Any]] = field(default_factory=list)
    outcomes: list[dict[str, Any]] = field(default_factory=list)
    broken: list[tuple[str, Letter]] = field(default_factory=list)
    first: dict[TopicPartition, int] = field(default_factory=dict)
    next: dict[TopicPartition, OffsetAndMetadata] = field(default_factory=dict)


class Recorder:
    """The consumer between ``shadow.comparisons``, ``support.outcomes``, ``shadow.judgements`` and the ledger."""

    def __init__(self, config: Config, metrics: Metrics, health: Health) -> None:
        self._config = config
        self._health = health
        self._standing = Standing(metrics, RECORDER_GROUP)
        self._reading = Reading()
        self._look_at = 0.0  # monotonic
        self._heard_s = 0.0  # Unix seconds: when the broker last answered
        self._writing_since: float | None = None
        health.check(lambda: self._reading.why_not_ready(time.time()))
        health.check(self._why_slow)
        self._bootstrap = config.broker.bootstrap
        metrics.prepare("shadow_dead_letters")
        self._stored = metrics.counter("shadow_ledger_rows", "stored")
        self._duplicate = metrics.counter("shadow_ledger_rows", "duplicate")
        self._seconds = metrics.histogram("shadow_ledger_transaction_seconds")
        self._letters = {r: metrics.counter("shadow_dead_letters", r) for r in BrokenRecordError.REASONS}
        self._uncommitted: dict[TopicPartition, OffsetAndMetadata] = {}
        self._ask_at = 0.0  # monotonic: when to ask the broker whether records wait
        self._patience_s = STALL_S[0]
        self._watch: HangWatch

    def run(self, stop: threading.Event) -> None:
        """Record until ``stop`` is set; the batch under way is finished and committed.

        Raises :class:`~shadow.ledger.LedgerError` if the ledger can never be written as it is.
        """
        self._health.part("start", None)
        url = self._config.ledger.url
        ledger = _patiently("ledger", lambda: Ledger(url, busy_timeout_s=BUSY_TIMEOUT_S), stop, self._health)
        if ledger is None:
            return
        with ledger:
            while not stop.is_set():
                self._record(ledger, stop)

    def _record(self, ledger: Ledger, stop: threading.Event) -> None:
        """Record with one client, until ``stop`` is set or the client has to be replaced."""
        self._reading.lose()
        ownership = _Ownership(self._reading)
        consumer = _patiently("broker", lambda: _consumer(self._bootstrap, ownership), stop, self._health)
        if consumer is None:
            return
        self._ask_at = time.monotonic() + self._patience_s
        with HangWatch(partial(_stop_loop, consumer), _end_process) as self._watch:
            try:
                while not (stop.is_set() or self._watch.stopped or self._stands_still(consumer)):
                    self.step(consumer, ledger, stop)
                if not self._watch.stopped:
                    self._commit(consumer, {})
            except Exception as error:
                if not (isinstance(error, KafkaError) or self._watch.stopped):
                    raise
                log.warning("client_replaced", error=f"{type(error).__name__}: {error}"[:200])
                stop.wait(BACKOFF_S[0])
            finally:
                self._uncommitted.clear()
                if self._watch.stopped:
                    consumer._closed = True  # noqa: SLF001 (its finaliser would wait for the loop that was stopped)
                else:
                    with suppress(KafkaError):
                        consumer.close(autocommit=False, timeout_ms=COMMIT_MS)

    def _heard(self) -> None:
        """The client works, or has had no chance to."""
        self._heard_s = time.time()
        self._patience_s = STALL_S[0]
        self._ask_at = time.monotonic() + self._patience_s

    def _stands_still(self, consumer: Any) -> bool:
        """Whether the broker has records that this client should have got by now.

        A member without partitions cannot know whose they are: it waits twice as long each time.
        """
        if time.monotonic() < self._ask_at:
            return False
        self._ask_at = time.monotonic() + self._patience_s
        try:
            lag = broker.lag(self._bootstrap, RECORDER_GROUP, TOPICS)
        except BrokerError as error:
            self._health.part("broker", str(error))
            return False
        self._health.part("broker", None)
        self._heard_s = time.time()
        mine = {(part.topic, part.partition) for part in consumer.assignment()}
        waiting = sum(count for part, count in lag.items() if part in mine or not mine)
        if waiting:
            self._patience_s = min(2 * self._patience_s, STALL_S[1])
            log.warning("client_replaced", error="it stands still", waiting=waiting, partitions=len(mine))
        return waiting > 0

    def step(self, consumer: Any, ledger: Ledger, stop: threading.Event) -> None:
        """The order of effects. A crash or a rebalance between any two of them means redelivery, and nothing else."""
        # 1. Poll.
        with self._watch.call():
            polled = consumer.poll(timeout_ms=POLL_MS, max_records=BATCH)
        if polled:
            self._heard()
            self._health.part("broker", None)
        self._look(consumer, polled)
        # 2. Decode.
        batch = _decode(polled, time.time())
        try:
            # 3. Broken records are dead letters, and the broker holds them.
            if batch.broken:
                publish(self._bootstrap, DEAD_LETTERS, [sent for _, sent in batch.broken])
            # 4. One transaction.
            if batch.comparisons or batch.outcomes:
                self._write(ledger, batch)
        except BrokerError as error:
            self._wait(
                "broker", consumer, batch, stop, error=error, probe=lambda: publish(self._bootstrap, DEAD_LETTERS, [])
            )
            return
        except LedgerUnavailableError as error:
            self._wait("ledger", consumer, batch, stop, error=error, probe=ledger.probe)
            return
        for reason, _ in batch.broken:
            self._letters[reason].inc()
        # 5. Commit.
        self._commit(consumer, batch.next)

    def _look(self, consumer: Any, polled: dict[TopicPartition, list[Any]]) -> None:
        """Note what was read; now and then, export where each partition stands."""
        now = time.monotonic()
        for part, records in polled.items():
            last = records[-1]
            self._reading.read((part.topic, part.partition), offset=last.offset, at_s=last.timestamp / 1000, now=now)
        if now < self._look_at:
            return
        self._look_at = now + LOOK_S
        for topic, number in list(self._reading.places):
            part = TopicPartition(topic, number)
            end = consumer.highwater(part) if part in consumer.assignment() else None
            if end is not None:
                with self._watch.call():
                    position = consumer.position(part)
                self._reading.looked((topic, number), position=position, end=end, at_s=self._heard_s)
        self._standing.show(self._reading, {(p.topic, p.partition): at.offset for p, at in self._uncommitted.items()})

    def _why_slow(self) -> str | None:
        since = self._writing_since
        took_s = 0.0 if since is None else time.perf_counter() - since
        return f"ledger: a transaction has taken {took_s:.0f} s so far" if took_s > SLOW_S else None

    def _write(self, ledger: Ledger, batch: Batch) -> None:
        started = self._writing_since = time.perf_counter()
        try:
            written = ledger.write_rows(batch.comparisons, batch.outcomes)
        finally:
            self._writing_since = None
        self._seconds.observe(time.perf_counter() - started)
        self._stored.inc(written.stored)
        self._duplicate.inc(written.duplicates)

    def _commit(self, consumer: Any, offsets: dict[TopicPartition, OffsetAndMetadata]) -> None:
        """Commit; what could not be committed for want of a broker goes with the next, what is another's is dropped."""
        self._uncommitted.update(offsets)
        mine = consumer.assignment()
        due = {partition: at for partition, at in self._uncommitted.items() if partition in mine}
        if not due:
            self._uncommitted.clear()
            return
        try:
            with self._watch.call():
                consumer.commit(due, timeout_ms=COMMIT_MS)
        except _NOT_MINE_ANY_MORE as error:
            log.info("rebalanced_before_commit", error=str(error)[:200])
        except KafkaError as error:
            log.warning("commit_failed", error=str(error)[:200])
            return
        self._uncommitted.clear()

    def _wait(
        self,
        part: str,
        consumer: Any,
        batch: Batch,
        stop: threading.Event,
        *,
        error: Exception,
        probe: Callable[[], object],
    ) -> None:
        """Wind back to the batch's beginning and poll without taking records until ``probe`` returns."""
        log.warning("part_away", part=part, error=str(error))
        self._health.part(part, str(error))
        _wind_back(consumer, batch.first)
        pause_s, longest_s = BACKOFF_S
        while not stop.is_set():
            consumer.pause(*consumer.assignment())
            deadline = time.monotonic() + pause_s
            while time.monotonic() < deadline and not stop.is_set():
                with self._watch.call():  # a rebalance may bring partitions that do not rest
                    taken = consumer.poll(timeout_ms=int(pause_s * 1000))
                _wind_back(consumer, {partition: records[0].offset for partition, records in taken.items()})
                consumer.pause(*consumer.assignment())
            try:
                probe()
            except (BrokerError, LedgerUnavailableError):
                pause_s = min(2 * pause_s, longest_s)
            else:
                log.info("part_back", part=part)
                self._health.part(part, None)
                break
        consumer.resume(*consumer.paused())
        self._heard()


def _stop_loop(consumer: Any, seconds: float) -> None:
    """Make the hanging call raise ``KafkaConnectionError``."""
    log.warning("client_hangs", seconds=seconds)
    consumer._net.stop(1_000)  # noqa: SLF001 (there is no public way to end a call from outside)


def _end_process(seconds: float) -> None:
    """The call hangs elsewhere than in its loop: whoever started this process mends it."""
    log.error("hangs", seconds=seconds)
    os._exit(1)


class _Ownership(ConsumerRebalanceListener):  # type: ignore[misc]
    """Tells the reading which partitions are this process's."""

    def __init__(self, reading: Reading) -> None:
        self._reading = reading

    def on_partitions_revoked(self, revoked: Any) -> None:  # noqa: ARG002 (the protocol)
        self._reading.lose()

    def on_partitions_assigned(self, assigned: Any) -> None:
        self._reading.own(((part.topic, part.partition) for part in assigned), time.monotonic())


def _consumer(bootstrap: list[str], ownership: ConsumerRebalanceListener) -> Any:
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
    consumer.subscribe(TOPICS, listener=ownership)
    return consumer


def _patiently(part: str, make: Callable[[], Any], stop: threading.Event, health: Health) -> Any:
    """What ``make`` gives, tried until it does; None if ``stop`` was set first. One line per change of state."""
    pause_s, longest_s = BACKOFF_S
    away = False
    while not stop.is_set():
        try:
            made = make()
        except SecurityError:
            raise
        except (LedgerUnavailableError, KafkaError, BrokerError, HangsError) as error:
            if not away:
                log.warning("part_away", part=part, error=str(error))
            away = True
            health.part(part, str(error))
            stop.wait(pause_s)
            pause_s = min(2 * pause_s, longest_s)
        else:
            if away:
                log.info("part_back", part=part)
                health.part(part, None)
            return made
    return None


def _decode(polled: dict[TopicPartition, list[Any]], now: float) -> Batch:
    batch = Batch()
    for partition, records in polled.items():
        batch.first[partition] = records[0].offset
        last = records[-1]
        batch.next[partition] = OffsetAndMetadata(last.offset + 1, "", last.leader_epoch)
        of_comparisons = partition.topic == COMPARISONS
        rows = batch.comparisons if of_comparisons else batch.outcomes
        for record in records:
            try:
                rows.append(_row(record, now, of_comparisons=of_comparisons))
            except BrokenRecordError as error:
                batch.broken.append((error.reason, letter_for(record, error, by="recorder", at_s=now)))
    return batch


def _row(record: Any, now: float, *, of_comparisons: bool) -> dict[str, Any]:
    """The ledger's row of a record. Raises :class:`BrokenRecordError`, also for what no database could hold."""
    values: dict[str, Any]
    if of_comparisons:
        values = comparison_row(decode(Comparison, record.value, record.key), record.value, now)
    else:
        values = outcome_row(decode(Outcome, record.value, record.key), record.value, now)
    if problem := unstorable(values):
        raise BrokenRecordError("invalid", problem)
    return values


def _wind_back(consumer: Any, first: dict[TopicPartition, int]) -> None:
    """Next time begin again at ``first``, as far as the partitions are still this consumer's."""
    mine = consumer.assignment()
    for partition, offset in first.items():
        if partition in mine:
            consumer.seek(partition, offset)
