"""What sends for the Tap: a worker thread, and another one when a call of the first never returns."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

from shadow.hang_watch import HANG_S
from shadow.tap.buffer import Buffer
from shadow.tap.producer import PRODUCER
from shadow.tap.worker import Worker

MOST_PATIENT: Final = 60.0
"""Times the usual: where each client hangs, one thread is left behind in ten minutes."""


@dataclass(frozen=True, slots=True)
class TapStats:
    """What became of the records given: ``queued`` (waiting or in flight), ``sent`` (acknowledged), ``dropped``.

    ``clients_replaced`` counts Kafka clients that hung or stood still and were given up.
    """

    queued: int
    queued_bytes: int
    sent: int
    dropped: dict[str, int]
    clients_replaced: int = 0


class Sender:
    """One worker at a time. One that hangs is left behind with its client, and a new one goes on."""

    def __init__(
        self,
        bootstrap: str | Sequence[str],
        buffer: Buffer,
        client_id: str,
        options: Mapping[str, Any],
        prepare: Callable[[bytes], bytes] | None,
    ) -> None:
        self._settings = {**PRODUCER, **options, "bootstrap_servers": bootstrap, "client_id": client_id}
        self._buffer = buffer
        self._prepare = prepare
        self._worker: Worker | None = None
        self._replaced = 0
        self._usual_patience = self._patience = _patience(self._settings)
        self._landed = 0
        self._deadline: float | None = None
        self._starting = threading.Lock()

    @property
    def clients_replaced(self) -> int:
        """How many clients hung or stood still."""
        return self._replaced + (self._worker.replaced if self._worker is not None else 0)

    def start(self) -> None:
        """Start the thread, once."""
        with self._starting:
            if self._worker is None:
                self._begin()

    def stop(self, timeout_s: float) -> None:
        """Ask the thread to send what waits and end within ``timeout_s``; returns at once."""
        self._deadline = time.monotonic() + timeout_s
        if self._worker is not None:
            self._worker.deadline = self._deadline
        self._buffer.ring()

    def join(self, timeout_s: float) -> None:
        """Wait for the thread's end; if it hangs, for the one that follows it."""
        deadline = time.monotonic() + timeout_s
        while (worker := self._worker) is not None and worker.thread is not threading.current_thread():
            worker.thread.join(min(max(deadline - time.monotonic(), 0.0), 0.5))
            if time.monotonic() >= deadline or not (worker.thread.is_alive() or worker is not self._worker):
                return

    def forked(self) -> None:
        """In a forked child: begin anew."""
        if self._worker is not None:
            self._worker.forget()
        self._worker = None
        self._starting = threading.Lock()

    def _begin(self) -> None:
        worker = Worker(self._settings, self._buffer, self._prepare, self._hangs, self._patience)
        worker.deadline = self._deadline
        worker.thread.start()
        self._worker = worker

    def _hangs(self, worker: Worker) -> None:
        """Runs on the worker's watch. After a hang in vain the next worker waits longer: each leaves a thread."""
        with self._starting:
            if worker is self._worker:
                in_vain = self._buffer.landed == self._landed
                self._landed = self._buffer.landed
                self._patience = min(2 * self._patience, MOST_PATIENT) if in_vain else self._usual_patience
                self._replaced += worker.replaced + 1
                worker.abandon()
                self._begin()
        worker.leave()


def _patience(settings: Mapping[str, Any]) -> float:
    """How often :data:`HANG_S` a call may take: what production's own settings allow a call counts on top."""
    with suppress(TypeError, ValueError):  # a setting of a wrong type is the client's to refuse
        allowed_ms = max(float(settings[name]) for name in ("max_block_ms", "bootstrap_timeout_ms"))
        return 1.0 + max(0.0, allowed_ms - float(PRODUCER["bootstrap_timeout_ms"])) / 1_000 / HANG_S
    return 1.0
