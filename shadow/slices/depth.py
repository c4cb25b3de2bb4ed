"""Depth: how many of the customer's messages came before."""

from __future__ import annotations

from typing import Final

from shadow.events import Turn
from shadow.slices import Why

_STEPS: Final = ((0, "depth=1"), (3, "depth=2-4"))
_DEEP: Final = "depth=5+"


class Depth:
    """``depth=1``, ``depth=2-4``, ``depth=5+``: the turn's place in its conversation, 1 the first. < 1 us."""

    version: Final = 1
    names = (*(name for _, name in _STEPS), _DEEP)

    def slices(self, turn: Turn) -> Why:
        """See :class:`shadow.slices.Slicer`."""
        name = next((name for last, name in _STEPS if turn.turn_index <= last), _DEEP)
        return {name: f"customer's message {turn.turn_index + 1}"}
