"""Acknowledgement in offset order: a record is committed only when it and all before it in its partition are done.

Faust 0.15.3 does not hold to this (``Consumer._new_offset`` passes over a pending head message when exactly one is
missing, or when nothing was committed yet), so Shadow's consumers keep their own count.
"""

from __future__ import annotations

from collections import deque


class OffsetTracker:
    """The offsets of one partition between reading and committing."""

    def __init__(self, position: int) -> None:
        self._pending: deque[int] = deque()
        self._done: set[int] = set()
        self.position = position
        """The next offset to be committed: everything below it is done."""
        self.last = position - 1
        """The last offset that has been read."""

    def __len__(self) -> int:
        """How many offsets have been read and are not below ``position`` yet."""
        return len(self._pending)

    def read(self, offset: int) -> None:
        """A record has been read. Offsets come in rising order; gaps (compaction, transactions) are passed over."""
        self._pending.append(offset)
        self.last = offset

    def done(self, offset: int) -> None:
        """A record needs no work any more."""
        self._done.add(offset)
        while self._pending and self._pending[0] in self._done:
            self.position = self._pending.popleft() + 1
            self._done.discard(self.position - 1)
