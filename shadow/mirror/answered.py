"""Which turns of a partition has the arm answered, and from where must its replies be read again after a crash? Pure.

Turns and replies are named by their offsets; ``position`` is the next turn to be committed: all before it are done.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

REMEMBERED: Final = 20_000
"""Turns per partition that are recognised when they are delivered a second time."""


@dataclass(slots=True)
class Answered:
    """The turns of one partition that an arm has answered or is answering, and where its replies to them lie."""

    turns: dict[str, tuple[int, int | None]] = field(default_factory=dict)  # turn id: offset of turn, and of reply
    replied: dict[int, int] = field(default_factory=dict)  # turn, not committed yet: its reply
    next_reply: int = 0

    def __contains__(self, turn_id: str) -> bool:
        return turn_id in self.turns

    def begin(self, turn_id: str, turn: int) -> None:
        """Work on this turn begins."""
        self.turns[turn_id] = (turn, None)

    def again(self, turn_id: str, turn: int) -> None:
        """A turn that was begun before has come once more, at ``turn``; a reply to it is the reply to this one."""
        reply = self.turns[turn_id][1]
        if reply is not None:
            self.replied[turn] = reply

    def stored(self, turn_id: str, turn: int, reply: int) -> None:
        """The broker holds the reply to this turn."""
        self.replied[turn] = reply
        self.turns[turn_id] = (turn, reply)
        self.passed(reply)

    def found(self, turn_id: str, turn: int | None, reply: int) -> None:
        """A reply of the arm was found in the log; old records do not say which turn it is to."""
        self.turns[turn_id] = (turn or 0, reply)
        if turn is not None:
            self.replied[turn] = reply

    def passed(self, reply: int) -> None:
        """The log of replies has been read or written up to this one."""
        self.next_reply = max(self.next_reply, reply + 1)

    def forget(self, position: int) -> None:
        """Of many answered turns, forget the oldest; never one that may be delivered again after a crash."""
        while len(self.turns) > REMEMBERED:
            oldest = next(iter(self.turns))
            if self.turns[oldest][0] >= position:
                break
            del self.turns[oldest]

    def first_reply(self, position: int) -> int:
        """From where the replies to turns from ``position`` on are found."""
        self.replied = {turn: reply for turn, reply in self.replied.items() if turn >= position}
        return min(self.replied.values(), default=self.next_reply)
