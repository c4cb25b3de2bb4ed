"""What waits to be sent: bounded in records and bytes, the oldest dropped first, every drop counted by reason."""

from __future__ import annotations

import threading
from collections import Counter, deque
from queue import Empty, SimpleQueue
from typing import Final, TypeAlias

RECORD_OVERHEAD: Final = 256
"""Bytes that a waiting record takes besides key and value."""


Item: TypeAlias = tuple[int, str, bytes, bytes]
"""One record on its way: place in call order, topic, key, value. A plain tuple: production's garbage collector stops
looking at it, which a named tuple or an object would cost it for each of 100,000 waiting records."""


def size_of(key: bytes, value: bytes) -> int:
    """What a record counts for in the byte limit."""
    return len(key) + len(value) + RECORD_OVERHEAD


class Buffer:
    """One lane per topic, in call order within each; what the producer has in flight counts until it is resolved.

    ``given = sent + dropped + queued`` holds at any instant for what :meth:`put` was given. Thread-safe; safe from
    signal handlers and finalisers (the lock is re-entrant, and is never held over a blocking call).
    """

    def __init__(self, max_bytes: int, max_records: int) -> None:
        self._max_bytes = max_bytes
        self._max_records = max_records
        self._lock = threading.RLock()
        self._bell: SimpleQueue[None] = SimpleQueue()
        self._asleep = False
        self._lanes: dict[str, deque[Item]] = {}
        self._flying: dict[int, Item] = {}
        self._number = 0
        self.bytes = 0
        self.records = 0
        self.in_flight_bytes = 0
        self.in_flight = 0
        self.landed = 0
        self.sent = 0
        self.dropped: Counter[str] = Counter()
        self.closed = False

    def put(self, topic: str, key: bytes, value: bytes) -> str | None:
        """Take one record in, dropping the oldest to make room. The reason, if a record was dropped for it."""
        size = len(key) + len(value) + RECORD_OVERHEAD
        reason = None
        with self._lock:
            if self.closed:
                self.dropped["closed"] += 1
                return "closed"
            while self.bytes + size > self._max_bytes or self.records >= self._max_records:
                reason = "queue_full"
                self.dropped[reason] += 1
                if not self._drop_oldest():
                    return reason
            lane = self._lanes.get(topic)
            if lane is None:
                lane = self._lanes[topic] = deque()
            self._number += 1
            lane.append((self._number, topic, key, value))
            self.bytes += size
            self.records += 1
        if self._asleep:
            self.ring()
        return reason

    def _drop_oldest(self) -> bool:
        waiting = [lane for lane in self._lanes.values() if lane]
        if not waiting:
            return False
        item = min(waiting, key=lambda lane: lane[0][0]).popleft()
        self.bytes -= size_of(item[2], item[3])
        self.records -= 1
        return True

    def drop(self, reason: str) -> None:
        """Count a record that was refused before it came in."""
        with self._lock:
            self.dropped[reason] += 1

    @property
    def waiting(self) -> int:
        """Records that are not in flight."""
        return self.records - self.in_flight

    def topics(self) -> list[str]:
        """The topics with records waiting."""
        with self._lock:
            return [topic for topic, lane in self._lanes.items() if lane]

    def take(self, topic: str) -> Item | None:
        """The oldest record of a topic, now in flight: :meth:`resolve` or :meth:`put_back` it."""
        with self._lock:
            lane = self._lanes.get(topic)
            if not lane:
                return None
            item = lane.popleft()
            self._flying[item[0]] = item
            self.in_flight += 1
            self.in_flight_bytes += size_of(item[2], item[3])
            return item

    def put_back(self, item: Item) -> None:
        """Undo :meth:`take`: the record was not handed on, and is its lane's first again."""
        with self._lock:
            if self._lands(item[0]) is not None:
                self._lanes[item[1]].appendleft(item)

    def swap(self, item: Item, value: bytes) -> Item:
        """A record in flight now has this value, also if it is put back or recalled."""
        number, topic, key, old = item
        with self._lock:
            if number not in self._flying:
                return item
            self._flying[number] = (number, topic, key, value)
            self.in_flight_bytes += len(value) - len(old)
            self.bytes += len(value) - len(old)
            return self._flying[number]

    def recall(self) -> int:
        """Undo :meth:`take` for all that is in flight: whoever had it is given up. How many."""
        with self._lock:
            items = sorted(self._flying.values(), reverse=True)
            for item in items:
                self.put_back(item)
            return len(items)

    def resolve(self, number: int, reason: str | None = None) -> None:
        """A record in flight was delivered, or dropped for ``reason``. Nothing happens if it was recalled meanwhile."""
        with self._lock:
            item = self._lands(number)
            if item is None:
                return
            self.landed += 1
            self.records -= 1
            self.bytes -= size_of(item[2], item[3])
            if reason is None:
                self.sent += 1
            else:
                self.dropped[reason] += 1

    def _lands(self, number: int) -> Item | None:
        item = self._flying.pop(number, None)
        if item is not None:
            self.in_flight -= 1
            self.in_flight_bytes -= size_of(item[2], item[3])
        return item

    def drop_waiting(self, reason: str) -> int:
        """Drop all that is not in flight; how many."""
        with self._lock:
            items = [item for lane in self._lanes.values() for item in lane]
            self._lanes.clear()
            self.records -= len(items)
            self.bytes -= sum(size_of(item[2], item[3]) for item in items)
            self.dropped.update([reason] * len(items))
            return len(items)

    def ring(self) -> None:
        """Wake the sender."""
        self._asleep = False
        self._bell.put(None)

    def wait(self, timeout_s: float, *, for_records: bool = True) -> None:
        """Sleep until :meth:`ring`, a new record, or the timeout. Without ``for_records`` only a ring wakes."""
        self._asleep = for_records
        try:
            if not (for_records and self.waiting):
                self._bell.get(timeout=timeout_s)
            while True:
                self._bell.get_nowait()
        except Empty:
            pass
        finally:
            self._asleep = False

    def forget(self) -> None:
        """In a forked child: the parent sends what it was given; locks may be held by threads that are not here."""
        self.__init__(self._max_bytes, self._max_records)  # type: ignore[misc]
