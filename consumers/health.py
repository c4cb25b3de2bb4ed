"""What ``/healthz`` and ``/readyz`` of one process say, and a thread that ends it when its work loop hangs."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from typing import Final

import structlog

from shadow.health import GIVE_UP_S, Reading, why_hanging
from shadow.metrics.exporter import Metrics

log = structlog.get_logger()

LOOK_S: Final = 1.0

Check = Callable[[], str | None]
"""A reason why this process is not ready, or None."""


class Health:
    """Collects reasons from the parts of one process; asked from the server's threads."""

    def __init__(self) -> None:
        self._turned_at: float | None = None  # None: the loop is watched by other means, or has not begun
        self._away: dict[str, str] = {}
        self._checks: list[Check] = []
        self.part("start", "has not begun")

    def turned(self) -> None:
        """The work loop has come round."""
        self._turned_at = time.monotonic()

    def part(self, name: str, why: str | None) -> None:
        """A part is away, and why; None: it is there."""
        if why is None:
            self._away.pop(name, None)
        else:
            self._away[name] = " ".join(why.split())[:300]

    def check(self, check: Check) -> None:
        """Ask this too, from now on."""
        self._checks.append(check)

    @property
    def still_s(self) -> float:
        """For how long the work loop has not turned."""
        return 0.0 if self._turned_at is None else time.monotonic() - self._turned_at

    def why_not_healthy(self) -> list[str]:
        """Empty as long as the process can still do its work: a broker that is away is no reason to restart it."""
        hanging = why_hanging(self.still_s)
        return [hanging] if hanging else []

    def why_not_ready(self) -> list[str]:
        """Empty if the process does its work now, else a line for each reason why not."""
        checked = (check() for check in self._checks)
        parts = [f"{name}: {why}" for name, why in list(self._away.items())]
        return self.why_not_healthy() + parts + [why for why in checked if why is not None]

    def watch(self) -> None:
        """Start the thread that ends a process whose work loop hangs for :data:`~shadow.health.GIVE_UP_S`."""
        threading.Thread(target=self._watch, name="loop-watch", daemon=True).start()

    def _watch(self) -> None:
        looked_at = time.monotonic()
        while True:
            time.sleep(LOOK_S)
            now = time.monotonic()
            if now - looked_at > 10 * LOOK_S and self._turned_at is not None:
                self.turned()  # the whole process was stopped, or the machine slept
            looked_at = now
            if self.still_s > GIVE_UP_S:
                log.error("hangs", seconds=round(self.still_s, 1))
                os._exit(1)


class Standing:
    """Exports where a process stands in each partition that it owns; what it has lost it exports no more."""

    def __init__(self, metrics: Metrics, group: str) -> None:
        self._metrics = metrics
        self._group = group
        self._shown: set[tuple[str, ...]] = set()

    def show(self, reading: Reading, done: dict[tuple[str, int], int]) -> None:
        """``done``: the next offset to commit of each partition, where it is known."""
        now: dict[tuple[str, ...], float] = {}
        for (topic, partition), place in reading.places.items():
            labels = (self._group, topic, str(partition))
            committed = done.get((topic, partition), place.next)
            if place.end is not None and committed is not None:
                now["shadow_consumer_lag_records", *labels] = max(0, place.end - committed)
            if place.read_until_s is not None:
                now["shadow_consumer_read_until_timestamp_seconds", *labels] = place.read_until_s
        for child, value in now.items():
            self._metrics.gauge(*child).set(value)
        for child in self._shown - now.keys():
            self._metrics.remove(*child)
        self._shown = set(now)
