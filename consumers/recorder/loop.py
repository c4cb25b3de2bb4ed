"""Writes comparisons and outcomes into the ledger: each exactly once, however often the broker delivers it.

One thread, one loop, no state but the consumer's position. While the ledger is away the position is wound back to
what is not stored yet, the partitions rest, and polling goes on, so that the group keeps this member.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from functools import partial
from typing import Final

import structlog
from kafka.errors import KafkaError

from consumers.health import Health
from consumers.recorder.away import BACKOFF_S, patiently, rest_until_back
from consumers.recorder.batch import Batch, decoded
from consumers.recorder.client import BATCH, Client, connected
from consumers.recorder.progress import Progress
from consumers.recorder.writer import Writer
from shadow.broker import BrokerError, publish
from shadow.config import Config
from shadow.events import BrokenRecordError
from shadow.ledger import Ledger, LedgerUnavailableError
from shadow.metrics.exporter import Metrics
from shadow.topology import DEAD_LETTERS

POLL_MS: Final = 250

BUSY_TIMEOUT_S: Final = 2.0
"""The recorder tries again by itself, and must hear a stop in between."""

log = structlog.get_logger()


class Recorder:
    """The consumer between ``shadow.comparisons``, ``support.outcomes``, ``shadow.judgements`` and the ledger."""

    def __init__(self, config: Config, metrics: Metrics, health: Health) -> None:
        self._config = config
        self._health = health
        self._bootstrap = config.broker.bootstrap
        self._progress = Progress(self._bootstrap, health=health, metrics=metrics)
        self._writer = Writer(metrics, health)
        metrics.prepare("shadow_dead_letters")
        self._letters = {r: metrics.counter("shadow_dead_letters", r) for r in BrokenRecordError.REASONS}

    def run(self, stop: threading.Event) -> None:
        """Record until ``stop`` is set; the batch under way is finished and committed.

        Raises :class:`~shadow.ledger.LedgerError` if the ledger can never be written as it is.
        """
        self._health.part("start", None)
        url = self._config.ledger.url
        ledger = patiently("ledger", lambda: Ledger(url, busy_timeout_s=BUSY_TIMEOUT_S), stop, self._health)
        if ledger is None:
            return
        with ledger:
            while not stop.is_set():
                self._record(ledger, stop)

    def _record(self, ledger: Ledger, stop: threading.Event) -> None:
        """Record with one client, until ``stop`` is set or the client has to be replaced."""
        reading = self._progress.reading
        reading.lose()
        consumer = patiently("broker", lambda: connected(self._bootstrap, reading), stop, self._health)
        if consumer is None:
            return
        self._progress.begin()
        with Client(consumer) as client:
            try:
                while not (stop.is_set() or client.hung or self._progress.stands_still(client)):
                    self.step(client, ledger, stop)
                if not client.hung:
                    client.commit({})
            except Exception as error:
                if not (isinstance(error, KafkaError) or client.hung):
                    raise
                log.warning("client_replaced", error=f"{type(error).__name__}: {error}"[:200])
                stop.wait(BACKOFF_S[0])

    def step(self, client: Client, ledger: Ledger, stop: threading.Event) -> None:
        """The order of effects. A crash or a rebalance between any two of them means redelivery, and nothing else."""
        # 1. Poll.
        polled = client.poll(POLL_MS, most=BATCH)
        self._progress.saw(polled)
        self._progress.look(client)
        # 2. Decode.
        batch = decoded(polled, time.time())
        try:
            # 3. Broken records are dead letters, and the broker holds them.
            if batch.broken:
                publish(self._bootstrap, DEAD_LETTERS, [sent for _, sent in batch.broken])
            # 4. One transaction.
            self._writer.write(ledger, batch)
        except BrokerError as error:
            probe = partial(publish, self._bootstrap, DEAD_LETTERS, [])
            self._wait("broker", client, batch, stop, error=error, probe=probe)
            return
        except LedgerUnavailableError as error:
            self._wait("ledger", client, batch, stop, error=error, probe=ledger.probe)
            return
        for reason, _ in batch.broken:
            self._letters[reason].inc()
        # 5. Commit.
        client.commit(batch.next)

    def _wait(
        self,
        part: str,
        client: Client,
        batch: Batch,
        stop: threading.Event,
        *,
        error: Exception,
        probe: Callable[[], object],
    ) -> None:
        rest_until_back(part, client, batch.first, stop, self._health, error=error, probe=probe)
        self._progress.heard()
