"""Commands to a mirror: run, pause, kill. One compacted topic holds the last one of each arm."""

from __future__ import annotations

from typing import Literal

from shadow.events import Record, UnixSeconds

State = Literal["running", "paused", "killed"]
"""``paused`` sheds new turns; ``killed`` also gives up the calls under way."""


class Command(Record):
    """What an arm's mirror shall do from now on, who says so, and why."""

    state: State
    by: str
    reason: str = ""
    at: UnixSeconds
