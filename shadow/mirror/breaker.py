"""A circuit breaker: after so many failures in a row an arm is left alone, but for a probe now and then."""

from __future__ import annotations


class Breaker:
    """Closed until ``failures`` calls in a row have failed; then one probe per ``probe_s``, until one succeeds."""

    def __init__(self, *, failures: int, probe_s: float) -> None:
        self._limit = failures
        self._probe_s = probe_s
        self._row = 0
        self._next_probe_s = 0.0

    @property
    def open(self) -> bool:
        """Whether the arm is being left alone."""
        return self._row >= self._limit

    def refuses(self, now_s: float) -> bool:
        """Whether a call must not be made now. An open breaker that lets one pass takes it for the probe."""
        if not self.open:
            return False
        if now_s < self._next_probe_s:
            return True
        self._next_probe_s = now_s + self._probe_s
        return False

    def record(self, *, ok: bool, now_s: float) -> None:
        """A call has ended."""
        if ok:
            self._row = 0
            return
        self._row += 1
        if self._row == self._limit:
            self._next_probe_s = now_s + self._probe_s
