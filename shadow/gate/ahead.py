"""How much longer, for people: supposing that traffic and candidate go on as they did. It decides nothing."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any, Final

from shadow.gate.session import Session

SAME: Final = 1e-6
"""Cycles that two instants may differ by, and be the same."""


def ahead(session: Session, cells: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """What lies between the last look and a promotion, of a candidate that goes on as it did.

    ``cells`` as the report has them. ``conversations``: how many more, of any kind; None: not known yet, or never,
    because of the cells in ``never``. ``decision_at``: the end of a cycle of traffic that they are there at, at the
    pace so far (``per_hour``); where the pace or the number is not known, the next end. Times are Unix seconds.
    """
    closed = session.traffic.conversations
    waiting = [each for each in cells if each["state"] != "pass"] if closed else []
    still = {each["name"]: more_of_all(each["more"], each["conversations"], closed) for each in waiting}
    never = [name for name, more in still.items() if more is None]
    few = session.least - closed
    more = None if never or not closed else max([few, 0, *(each for each in still.values() if each is not None)])
    pace = _per_second(session)
    return {
        "conversations": more,
        "never": never,
        "per_hour": None if pace is None else round(pace * 3_600, 1),
        "decision_at": _cycle_end(session, (more or 0) / pace if pace else 0.0),
        "first_look_at": None if session.seen.first is None else session.seen.first + session.experiment.close_after_s,
    }


def more_of_all(more: int | None, have: int, closed: int) -> int | None:
    """Conversations of any kind that bring ``more`` with a value for a cell for which ``have`` of ``closed`` had one.

    None: never, or there was none yet.
    """
    if not more:
        return more
    return math.ceil(more * closed / have) if have else None


def _per_second(session: Session) -> float | None:
    """Conversations a second, of those that could have closed by the last look; None: too early to say."""
    first, looked_at = session.seen.first, session.looked_at
    if first is None or looked_at is None or not session.traffic.conversations:
        return None
    elapsed = looked_at - session.experiment.close_after_s - first
    return session.traffic.conversations / elapsed if elapsed > 0 else None


def _cycle_end(session: Session, wait_s: float) -> float | None:
    """The first end of a cycle after the last look that lies ``wait_s`` or more ahead of it; None before any look."""
    first, looked_at, experiment = session.seen.first, session.looked_at, session.experiment
    if first is None or looked_at is None:
        return None
    begin, cycle_s = first + experiment.close_after_s, experiment.look_s * experiment.looks_a_cycle
    after = math.floor((looked_at - begin) / cycle_s + SAME) + 1
    there = math.ceil((looked_at + wait_s - begin) / cycle_s - SAME)
    return begin + max(after, there) * cycle_s
