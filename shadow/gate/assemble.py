"""From rows to closed conversations: each once, closed by the clock, whatever the order in which rows are read.

A conversation takes rows as they were recorded. It closes ``close_after_s`` (idle time, join window, and a grace for
the pipeline) after the last one; a row recorded later is *late*: it is left out, and missing from completeness. Of what
it took, turns that the customer sent more than ``idle_s`` after the one before are left out too: that is another visit.
Neither depends on what the arm answered. So a conversation is a function of its rows' times alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from heapq import heappop, heappush
from typing import Final, NamedTuple

from shadow.gate.prefix import Prefix, of_both, prefixes
from shadow.gate.rows import LedgerRow, OutcomeRow

GRACE_S: Final = 60.0
"""What broker, comparator and recorder may take beyond the join window."""


class TurnRows(NamedTuple):
    """A turn of a closed conversation: the arm's row, control's if it was asked, what became of it on each side."""

    row: LedgerRow
    prefix: Prefix
    control: LedgerRow | None
    paired_prefix: Prefix
    """The worse of the arm's and control's: for what compares the two."""
    outcomes: Mapping[tuple[str, str], float]
    """(arm, outcome name) to value."""


@dataclass(frozen=True, slots=True)
class Conversation:
    """A closed conversation, its turns in the order in which they arrived."""

    conversation_id: str
    closed_at: float
    turns: tuple[TurnRows, ...]
    another_visit: int
    """Turns left out because the customer came back too late."""


@dataclass(slots=True)
class _Open:
    closes_at: float
    rows: list[LedgerRow] = field(default_factory=list)
    control: dict[str, LedgerRow] = field(default_factory=dict)
    outcomes: dict[str, dict[tuple[str, str], float]] = field(default_factory=dict)


@dataclass(slots=True)
class Assembler:
    """One arm's conversations. Rows must come in the order of ``recorded_at``: the session sorts them."""

    idle_s: float
    close_after_s: float
    late: int = 0
    """Rows of the arm that were recorded after their conversation had closed."""
    _open: dict[str, _Open] = field(default_factory=dict)
    _closed: set[str] = field(default_factory=set)
    _due: list[tuple[float, str]] = field(default_factory=list)

    @property
    def open(self) -> int:
        """Conversations with a row of the arm that are not closed yet."""
        return sum(1 for each in self._open.values() if each.rows)

    def take(self, row: LedgerRow) -> None:
        """A row of the arm."""
        found = self._open.get(row.conversation_id)
        if found is not None and row.recorded_at <= found.closes_at:  # most rows
            found.closes_at = row.recorded_at + self.close_after_s
            found.rows.append(row)
            return
        found = self._conversation(row.conversation_id, row.recorded_at)
        if found is None:
            self.late += 1
        else:
            found.rows.append(row)

    def take_control(self, row: LedgerRow) -> None:
        """A row of the control arm: what the arm's own is held against."""
        found = self._conversation(row.conversation_id, row.recorded_at)
        if found is not None:
            found.control.setdefault(row.turn_id, row)

    def take_outcome(self, row: OutcomeRow) -> None:
        """What became of a turn. It prolongs nothing: outcomes must not decide which conversations count."""
        value = row.value_number
        if value is None or not 0 <= value <= 1 or row.conversation_id in self._closed:
            return
        found = self._opened(row.conversation_id, row.recorded_at)
        found = found or self._conversation(row.conversation_id, row.recorded_at)
        if found is None or row.recorded_at > found.closes_at:
            return
        found.outcomes.setdefault(row.turn_id, {}).setdefault((row.arm, row.name), value)

    def close(self, until: float) -> list[Conversation]:
        """The conversations that have closed by then, in the order in which they did."""
        closed = []
        while self._due and self._due[0][0] <= until:
            _, name = heappop(self._due)
            found = self._open[name]
            if found.closes_at > until:
                heappush(self._due, (found.closes_at, name))
                continue
            del self._open[name]
            if found.rows:
                self._closed.add(name)
                closed.append(_conversation(name, found, self.idle_s))
        closed.sort(key=lambda each: (each.closed_at, each.conversation_id))
        return closed

    def _opened(self, name: str, at: float) -> _Open | None:
        """What is open. An outcome or a row of control may come first: it opens nothing beyond its own time.

        So a row of the arm that comes after it is not late, whether a look has been taken in between or not.
        """
        found = self._open.get(name)
        if found is not None and not found.rows and at > found.closes_at:
            found.closes_at = at + self.close_after_s
            found.control.clear()
            found.outcomes.clear()
        return found

    def _conversation(self, name: str, recorded_at: float) -> _Open | None:
        """The open conversation, kept open by this row; None: it had closed before."""
        closes_at = recorded_at + self.close_after_s
        found = self._opened(name, recorded_at)
        if found is None:
            if name in self._closed:
                return None
            found = self._open[name] = _Open(closes_at)
            heappush(self._due, (closes_at, name))
        elif recorded_at > found.closes_at:
            return None
        else:
            found.closes_at = closes_at
        return found


def _conversation(name: str, found: _Open, idle_s: float) -> Conversation:
    rows = sorted(found.rows, key=lambda row: (row.turn_arrived_at, row.turn_index, row.turn_id))
    kept = len(rows)
    for index in range(1, len(rows)):
        if rows[index].turn_arrived_at - rows[index - 1].turn_arrived_at > idle_s:
            kept = index
            break
    nothing: Mapping[tuple[str, str], float] = {}
    agreed = [(row.turn_index, None if row.agreed is None else bool(row.agreed)) for row in rows[:kept]]
    known = prefixes(agreed)
    control = found.control
    if not control and not found.outcomes:
        alone = tuple([TurnRows(row, prefix, None, prefix, nothing) for row, prefix in zip(rows, known, strict=False)])
        return Conversation(name, found.closes_at, alone, len(rows) - kept)
    of_control: dict[str, Prefix] = {}
    if control:
        asked = list(control.values())
        said = [(row.turn_index, None if row.agreed is None else bool(row.agreed)) for row in asked]
        of_control = dict(zip((row.turn_id for row in asked), prefixes(said), strict=True))
    turns = tuple(
        TurnRows(
            row,
            prefix,
            control.get(row.turn_id),
            of_both(prefix, of_control.get(row.turn_id)),
            found.outcomes.get(row.turn_id, nothing),
        )
        for row, prefix in zip(rows, known, strict=False)
    )
    return Conversation(name, found.closes_at, turns, len(rows) - kept)
