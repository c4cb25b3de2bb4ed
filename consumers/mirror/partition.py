"""What a mirror knows of one partition of turns, and of the arm's own replies in the same partition."""

from __future__ import annotations

from dataclasses import dataclass, field

from aiokafka import TopicPartition

from consumers.acks import OffsetTracker
from shadow.events import Turn
from shadow.mirror.answered import Answered
from shadow.topology import ARM_REPLIES, TURNS


@dataclass(slots=True)
class Partition:
    """One partition from when it is gained until it is lost; its turns wait until what was answered before is known."""

    number: int
    acks: OffsetTracker | None = None
    answered: Answered = field(default_factory=Answered)
    recovering_since_s: float | None = None
    recovered: bool = False

    @property
    def turns(self) -> TopicPartition:
        """The partition of turns."""
        return TopicPartition(TURNS, self.number)

    @property
    def replies(self) -> TopicPartition:
        """The partition of replies to these turns."""
        return TopicPartition(ARM_REPLIES, self.number)

    def read(self, offset: int) -> OffsetTracker:
        """A turn has been read."""
        if self.acks is None:
            self.acks = OffsetTracker(offset)
        self.acks.read(offset)
        return self.acks

    def done(self, offset: int) -> OffsetTracker:
        """A turn that has been read is done with."""
        assert self.acks is not None  # noqa: S101 (its turn has been read)
        self.acks.done(offset)
        return self.acks

    def positions(self) -> dict[TopicPartition, int]:
        """The next turn to commit, and from where the replies to it and later turns are found after a crash."""
        if self.acks is None:
            return {}
        position = self.acks.position
        return {self.turns: position, self.replies: self.answered.first_reply(position)}


@dataclass(frozen=True, slots=True)
class Item:
    """A sampled turn on its way to the arm."""

    part: Partition
    turn: Turn
    offset: int
    arrived_s: float
    size: int
