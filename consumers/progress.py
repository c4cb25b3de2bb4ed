"""Does a stream move on? Looks at each read, exports where the stream stands, and ends a process that stands still.

aiokafka's fetcher may stop without an error. The broker is asked then, by a client of its own: if it has records that
this member should have read, the process says that it is not ready, and if nothing has moved at the next look, it ends;
whoever started it starts it again, and it reads on from the last commit.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from typing import Any

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition

from consumers.health import Health, Standing
from shadow import broker
from shadow.health import GIVE_UP_S, SILENT_S, STALL_S, Reading, why_silent, why_stalled
from shadow.metrics.exporter import Metrics

log = structlog.get_logger()

LOOK_S = 1.0
WANTED_S = 5.0
"""A stream that was not read for longer is not stalled: its owner has no room for records."""


class StalledError(Exception):
    """The stream stands still although the broker has records."""


class Progress:
    """Watches one stream. ``follows``: the topics that must be read to their end; others are read now and then."""

    def __init__(
        self, bootstrap: list[str], group: str, follows: tuple[str, ...], *, health: Health, metrics: Metrics
    ) -> None:
        self._bootstrap, self._group, self._follows = bootstrap, group, follows
        self._health = health
        self._lag = metrics.histogram("shadow_event_loop_lag_seconds")
        self._standing = Standing(metrics, group)
        self.reading = Reading()
        self._asked_at = self._heard_at = self.reading.progress_at = time.monotonic()
        self._polled_ms = 0
        self._waiting = 0  # records that the broker had when it was asked during a standstill
        self._ask_at = 0.0
        health.check(lambda: self.reading.why_not_ready(time.time()))
        health.check(lambda: why_silent(self._asked_at - self._heard_at))
        health.check(lambda: why_stalled(self._waiting, time.monotonic() - self.reading.progress_at))

    def gained(self, partitions: set[int]) -> None:
        """The group has given these partition numbers."""
        self.reading.own([(topic, number) for topic in self._follows for number in partitions], time.monotonic())
        self._heard()

    def lost(self) -> None:
        """The group takes its partitions back."""
        self.reading.lose()
        self.reading.progress_at = time.monotonic()
        self._standing.show(self.reading, {})

    def saw(self, consumer: AIOKafkaConsumer, batch: Mapping[TopicPartition, list[Any]]) -> None:
        """A read has returned, with records or without."""
        now = self._asked_at = time.monotonic()
        for tp, records in batch.items():
            last = records[-1]
            self.reading.read((tp.topic, tp.partition), offset=last.offset, at_s=last.timestamp / 1000, now=now)
        active = consumer.assignment() - consumer.paused()
        polled_ms = max((consumer.last_poll_timestamp(tp) or 0 for tp in active), default=None)
        if batch or polled_ms is None or polled_ms > self._polled_ms:
            self._polled_ms, self._heard_at = polled_ms or 0, now
            self._health.part("broker", None)
        if batch:
            self._heard()

    async def look(self, consumer: AIOKafkaConsumer, done: Mapping[TopicPartition, int]) -> None:
        """Note and export where each partition stands; ``done`` are the next offsets to commit."""
        for topic, number in list(self.reading.places):
            tp = TopicPartition(topic, number)
            end, fetched_ms = consumer.highwater(tp), consumer.last_poll_timestamp(tp)
            if end is not None and fetched_ms is not None and tp in consumer.assignment():
                position = await consumer.position(tp)  # known, since a fetch has been answered: this does not wait
                self.reading.looked((topic, number), position=position, end=end, at_s=fetched_ms / 1000)
        self._standing.show(self.reading, {(tp.topic, tp.partition): at for tp, at in done.items()})

    async def watch(self, consumer: AIOKafkaConsumer) -> None:
        """Until cancelled. Raises :class:`StalledError` if the stream stands still, or its owner hangs."""
        while True:
            before = time.monotonic()
            await asyncio.sleep(LOOK_S)
            now = time.monotonic()
            self._lag.observe(now - before - LOOK_S)
            if now - before > SILENT_S + LOOK_S:  # the whole process was stopped, or the machine slept
                self._heard()
            elif self._stands(now):
                await self._ask(consumer)

    def _heard(self) -> None:
        self._waiting, self._ask_at = 0, time.monotonic() + STALL_S

    def _stands(self, now: float) -> bool:
        """Whether to ask the broker: as long as fetches are answered, and nothing is left, there is no need."""
        if now < self._ask_at:
            return False
        silent = not self.reading.joined or self._asked_at - self._heard_at > SILENT_S
        wanted = now - self._asked_at < WANTED_S
        left = any(place.unread for place in self.reading.places.values())
        return (wanted and (silent or left)) or self._health.still_s > GIVE_UP_S / 2

    async def _ask(self, consumer: AIOKafkaConsumer) -> None:
        """Ask the broker how many records this member has left unread; for the second time in vain: give up."""
        progress_at = self.reading.progress_at
        try:
            waiting = await asyncio.to_thread(self._unread, consumer)
        except broker.BrokerError as error:
            self._health.part("broker", str(error))
            return
        finally:
            self._ask_at = time.monotonic() + STALL_S
        if not waiting or progress_at != self.reading.progress_at:
            self._waiting = 0
            return
        still_s = time.monotonic() - progress_at
        log.warning("stands_still", waiting=waiting, seconds=round(still_s), joined=self.reading.joined)
        # A member that waits for its group is not at fault until much later: others may hold the group up.
        if self._waiting and (self.reading.joined or still_s > GIVE_UP_S):
            raise StalledError(f"{waiting} records wait, and none has been read for {still_s:.0f} s")
        self._waiting = waiting

    def _unread(self, consumer: AIOKafkaConsumer) -> int:
        """Records of this member's partitions that are not paused; before it has joined, all that its group has."""
        if not self.reading.joined:
            return sum(broker.lag(self._bootstrap, self._group, self._follows).values())
        ends = broker.end_offsets(self._bootstrap, self._follows)
        paused = {(tp.topic, tp.partition) for tp in consumer.paused()}
        known = ((part, place.next) for part, place in list(self.reading.places.items()) if part not in paused)
        return sum(max(0, ends.get(part, 0) - (at or 0)) for part, at in known)
