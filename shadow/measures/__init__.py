"""How far two replies to one turn differ: a measure maps (turn, production reply, arm reply) to a score in 0..1.

A measure is a class without arguments, registered under the entry point group ``shadow.measures``; its ``score`` is
pure and takes a batch, because embeddings are cheaper by the dozen. Where it cannot judge it abstains with a reason:
no score is not zero.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from shadow.events import Message, Score, Turn

__all__ = ["NO_TEXT", "Measure", "Pair"]

NO_TEXT = Score(abstained="no_text")


@dataclass(frozen=True, slots=True)
class Pair:
    """One turn with production's answer and an arm's."""

    turn: Turn
    production: Message
    arm: Message


@runtime_checkable
class Measure(Protocol):
    """One way to say how far two replies differ."""

    def score(self, pairs: Sequence[Pair]) -> list[Score]:
        """One score per pair, in their order: 0 is the same, 1 as far apart as can be."""
