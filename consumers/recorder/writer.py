"""Hands batches to the ledger, one transaction each: times them, counts their rows, says when one takes too long."""

from __future__ import annotations

import time
from typing import Final

from consumers.health import Health
from consumers.recorder.batch import Batch
from shadow.ledger import Ledger
from shadow.metrics.exporter import Metrics

SLOW_S: Final = 10.0
"""A ledger transaction that takes longer is a reason not to be ready."""


class Writer:
    """The recorder's transactions."""

    def __init__(self, metrics: Metrics, health: Health) -> None:
        self._writing_since: float | None = None
        self._stored = metrics.counter("shadow_ledger_rows", "stored")
        self._duplicate = metrics.counter("shadow_ledger_rows", "duplicate")
        self._seconds = metrics.histogram("shadow_ledger_transaction_seconds")
        health.check(self._why_slow)

    def write(self, ledger: Ledger, batch: Batch) -> None:
        """Store the batch's rows; none if it has none. Raises :class:`~shadow.ledger.LedgerError`."""
        if not (batch.comparisons or batch.outcomes):
            return
        started = self._writing_since = time.perf_counter()
        try:
            written = ledger.write_rows(batch.comparisons, batch.outcomes)
        finally:
            self._writing_since = None
        self._seconds.observe(time.perf_counter() - started)
        self._stored.inc(written.stored)
        self._duplicate.inc(written.duplicates)

    def _why_slow(self) -> str | None:
        since = self._writing_since
        took_s = 0.0 if since is None else time.perf_counter() - since
        return f"ledger: a transaction has taken {took_s:.0f} s so far" if took_s > SLOW_S else None
