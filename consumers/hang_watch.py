"""Ends a kafka-python call that does not return.

kafka-python 3.0.12 waits without limit for its own event loop (``NetworkSelector.run``), whatever time-out ``poll`` or
``commit`` was given; now and then, on a loaded machine, the loop never answers. Stopping the loop from outside makes
the call raise ``KafkaConnectionError``, and its client can be replaced.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final, Self

import structlog

log = structlog.get_logger()

HANG_S: Final = 10.0
"""A call that takes longer is hanging: a poll is given a quarter of a second, a commit five."""

GIVE_UP_S: Final = 60.0
"""A call that goes on after its client was stopped hangs elsewhere: the process ends, and whoever started it mends."""

LOOK_S: Final = 1.0


class HangWatch:
    """A thread that watches one client, as a context manager; each call of the client stands in :meth:`call`."""

    def __init__(self, consumer: Any) -> None:
        self._consumer = consumer
        self._ended = threading.Event()
        self._begun: float | None = None
        self.stopped = False
        """Whether the client was stopped: it must not be used again."""

    @contextmanager
    def call(self) -> Iterator[None]:
        """A call of the client, which may hang."""
        self._begun = time.monotonic()
        try:
            yield
        finally:
            self._begun = None

    def __enter__(self) -> Self:
        threading.Thread(target=self._watch, name="hang-watch", daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()

    def _watch(self) -> None:
        while not self._ended.wait(LOOK_S):
            begun = self._begun
            took_s = 0.0 if begun is None else time.monotonic() - begun
            if took_s > HANG_S and not self.stopped:
                self.stopped = True
                log.warning("client_hangs", seconds=round(took_s, 1))
                self._consumer._net.stop(1_000)  # noqa: SLF001 (there is no public way to end a call from outside)
            elif took_s > GIVE_UP_S:
                log.error("hangs", seconds=round(took_s, 1))
                os._exit(1)
