"""Is this process doing its work? Pure: told what was read and seen, and when; says why not, one line a reason.

Times are monotonic seconds, but for those of records, which are the broker's wall clock.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

BEHIND_S: Final = 30.0
"""A partition with unread records is not caught up if what was read of it last is older."""

SILENT_S: Final = 10.0
"""A broker that answers no fetch for so long is away: an empty fetch is answered within a tenth of a second."""

STALL_S: Final = 15.0
"""After so long without a record, a stream that has reason to doubt asks the broker whether there is one."""

HANG_S: Final = 60.0
"""A work loop that does not turn for so long hangs: a batch takes seconds, a write to the broker is given a minute."""

GIVE_UP_S: Final = 120.0
"""A hanging loop is given up after so long: the process ends, and whoever started it starts it again."""

Part = tuple[str, int]
"""Topic and partition."""


@dataclass(slots=True)
class Place:
    """How far one partition has been read: next offset, the log's end when last seen, and the broker's time."""

    next: int | None = None
    end: int | None = None
    read_until_s: float | None = None

    @property
    def unread(self) -> int:
        """Records that are known to be there and have not been read."""
        return 0 if self.next is None or self.end is None else max(0, self.end - self.next)


class Reading:
    """The partitions that a process owns, and where it stands in each."""

    def __init__(self) -> None:
        self.places: dict[Part, Place] = {}
        self.joined = False
        """Whether the group has said which partitions are this process's; there may be none."""
        self.progress_at = 0.0
        """When a record was last read, or partitions were gained."""

    def own(self, parts: Iterable[Part], now: float) -> None:
        """These partitions are this process's now, and no others; nothing is known of them yet."""
        self.places = {part: Place() for part in parts}
        self.joined, self.progress_at = True, now

    def lose(self) -> None:
        """No partition is this process's until the group says so again."""
        self.places, self.joined = {}, False

    def read(self, part: Part, *, offset: int, at_s: float, now: float) -> None:
        """All records up to ``offset`` have been read; the last one reached the broker at ``at_s``."""
        place = self.places.get(part)
        if place is not None:
            place.next, place.read_until_s, self.progress_at = offset + 1, at_s, now

    def looked(self, part: Part, *, position: int, end: int, at_s: float) -> None:
        """A fetch at ``at_s`` (Unix seconds) said where the log ends; ``position`` is the next offset to read."""
        place = self.places.get(part)
        if place is not None:
            place.next, place.end = position, end
            if not place.unread:
                place.read_until_s = max(at_s, place.read_until_s or 0.0)

    def why_not_ready(self, now_s: float) -> str | None:
        """That the group has not been joined, or is not caught up with; ``now_s`` is Unix time."""
        if not self.joined:
            return "joining its consumer group"
        unknown = sum(place.end is None for place in self.places.values())
        if unknown:
            return f"not caught up: {unknown} of {len(self.places)} partitions have not been looked at"
        behind = [place for place in self.places.values() if place.unread and self._age(place, now_s) > BEHIND_S]
        if not behind:
            return None
        unread, oldest_s = sum(place.unread for place in behind), max(self._age(place, now_s) for place in behind)
        age = f"{oldest_s:.0f} s behind" if oldest_s < float("inf") else "none read yet"
        return f"not caught up: {unread} records in {len(behind)} partitions are unread, {age}"

    @staticmethod
    def _age(place: Place, now_s: float) -> float:
        return float("inf") if place.read_until_s is None else now_s - place.read_until_s


class Patience:
    """How long a silence may last until somebody is asked.

    That is ``first_s``, and each time it was in vain twice as long, up to ``longest_s``.
    """

    def __init__(self, first_s: float, longest_s: float) -> None:
        self._first_s, self._longest_s = first_s, longest_s
        self._wait_s = first_s
        self._ends_at = 0.0

    def begin(self, now: float) -> None:
        """A silence begins now."""
        self._ends_at = now + self._wait_s

    def heard(self, now: float) -> None:
        """The silence is over, and nothing has been in vain."""
        self._wait_s = self._first_s
        self.begin(now)

    def ends(self, now: float) -> bool:
        """Whether it is time to ask; says so once, and a new silence begins."""
        if now < self._ends_at:
            return False
        self.begin(now)
        return True

    def in_vain(self) -> None:
        """What was done about this silence may not help: from the next one on, wait twice as long."""
        self._wait_s = min(2 * self._wait_s, self._longest_s)


def why_silent(silent_s: float) -> str | None:
    """That the broker answers no fetch."""
    return f"broker: no fetch has been answered for {silent_s:.0f} s" if silent_s > SILENT_S else None


def why_hanging(still_s: float) -> str | None:
    """That the work loop does not turn."""
    return f"hangs: the work loop has not turned for {still_s:.0f} s" if still_s > HANG_S else None


def why_stalled(waiting: int, still_s: float) -> str | None:
    """That nothing is read although the broker has records."""
    return f"stalled: {waiting} records wait, none has been read for {still_s:.0f} s" if waiting else None
