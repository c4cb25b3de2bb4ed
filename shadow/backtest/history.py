"""Reads history: every line is looked at before anything is asked, and those that cannot be used are named."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from shadow.backtest.cases import Case, Known, case, drawn
from shadow.backtest.lines import LineError, said
from shadow.config import Arm
from shadow.spool import Place, Spool

MOST_SHOWN: Final = 20
"""Lines that are named; all are counted."""


class Line(NamedTuple):
    """A line, and where it stands: ``file:number``."""

    place: str
    text: bytes


class History:
    """The conversations of ``lines``, in the order of a backtest. ``digest`` is the hash of all that was read."""

    def __init__(self, lines: Iterable[Line]) -> None:
        self._spool = Spool()
        self._places: dict[str, list[Place]] = {}
        self._known = Known()
        self.problems: list[str] = []
        self.bad = self.repeated = 0
        digest = hashlib.sha256()
        for line in lines:
            if line.text.strip():
                digest.update(line.text)
                self._take(line)
        self.digest = digest.hexdigest()
        self.counts = dict(self._known.counts)
        self.unanswered, self.strays = self._known.unanswered(), self._known.strays()
        del self._known

    def _take(self, line: Line) -> None:
        try:
            events = said(line.text)
            new = self._known.take(events)
        except LineError as error:
            self.bad += 1
            if len(self.problems) < MOST_SHOWN:
                self.problems.append(f"{line.place}: {error}")
            return
        if not new:
            self.repeated += bool(events)
            return
        place = self._spool.add(line.text)
        for conversation_id in {event.conversation_id for event in events}:
            self._places.setdefault(conversation_id, []).append(place)

    def cases(self, arm: Arm) -> Iterator[Case]:
        """The conversations that ``arm`` is asked in, in the order drawn."""
        for conversation_id in drawn(self._places):
            places = self._places[conversation_id]
            found = case(conversation_id, (event for place in places for event in said(self._spool.get(place))), arm)
            if found is not None:
                yield found
