"""Does the recorder's client move on? Exports where each partition stands, and asks the broker after a long silence."""

from __future__ import annotations

import time
from typing import Final

import structlog
from kafka import TopicPartition

from consumers.health import Health, Standing
from consumers.recorder.batch import Polled
from consumers.recorder.client import TOPICS, Client
from shadow import broker
from shadow.broker import BrokerError
from shadow.health import Patience, Reading
from shadow.metrics.exporter import Metrics
from shadow.topology import RECORDER_GROUP

STALL_S: Final = (15.0, 600.0)
"""After so long without a record, the broker is asked whether there is one; at most so long after several in vain."""

LOOK_S: Final = 1.0
"""Between two exports of where each partition stands."""

log = structlog.get_logger()


class Progress:
    """Watches one client after the other; ``reading`` is what the one of now owns, and how far it has read."""

    def __init__(self, bootstrap: list[str], *, health: Health, metrics: Metrics) -> None:
        self._bootstrap = bootstrap
        self._health = health
        self._standing = Standing(metrics, RECORDER_GROUP)
        self.reading = Reading()
        self._look_at = 0.0  # monotonic
        self._heard_s = 0.0  # Unix seconds: when the broker last answered
        self._patience = Patience(*STALL_S)
        health.check(lambda: self.reading.why_not_ready(time.time()))

    def begin(self) -> None:
        """A client begins; it has been silent for no time."""
        self._patience.begin(time.monotonic())

    def heard(self) -> None:
        """The client works, or has had no chance to."""
        self._heard_s = time.time()
        self._patience.heard(time.monotonic())

    def saw(self, polled: Polled) -> None:
        """A poll has returned, with records or without."""
        if polled:
            self.heard()
            self._health.part("broker", None)
        now = time.monotonic()
        for part, records in polled.items():
            last = records[-1]
            self.reading.read((part.topic, part.partition), offset=last.offset, at_s=last.timestamp / 1000, now=now)

    def look(self, client: Client) -> None:
        """Now and then, note and export where each partition stands."""
        now = time.monotonic()
        if now < self._look_at:
            return
        self._look_at = now + LOOK_S
        for topic, number in list(self.reading.places):
            part = TopicPartition(topic, number)
            end = client.end(part)
            if end is not None:
                self.reading.looked((topic, number), position=client.position(part), end=end, at_s=self._heard_s)
        self._standing.show(self.reading, client.uncommitted)

    def stands_still(self, client: Client) -> bool:
        """Whether the broker has records that this client should have got by now.

        A member without partitions cannot know whose they are: it waits twice as long each time.
        """
        if not self._patience.ends(time.monotonic()):
            return False
        try:
            lag = broker.lag(self._bootstrap, RECORDER_GROUP, TOPICS)
        except BrokerError as error:
            self._health.part("broker", str(error))
            return False
        self._health.part("broker", None)
        self._heard_s = time.time()
        mine = {(part.topic, part.partition) for part in client.mine}
        waiting = sum(count for part, count in lag.items() if part in mine or not mine)
        if waiting:
            self._patience.in_vain()
            log.warning("client_replaced", error="it stands still", waiting=waiting, partitions=len(mine))
        return waiting > 0
