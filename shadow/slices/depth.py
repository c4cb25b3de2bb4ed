"""Depth: how many of the customer's messages came before."""

from __future__ import annotations

from typing import Final

from shadow.events import Turn
from shadow.slices import Why

_FIRST: Final = "depth=1"
_EARLY: Final = "depth=2-4"
_DEEP: Final = "depth=5+"
_EARLY_UNTIL: Final = 3


class Depth:
    """``depth=1``, ``depth=2-4``, ``depth=5+``: the turn's place in its conversation, 1 the first. < 1 us."""

    version: Final = 1
    names = (_FIRST, _EARLY, _DEEP)

    def slices(self, turn: Turn) -> Why:
        """See :class:`shadow.slices.Slicer`."""
        index = turn.turn_index
        name = _FIRST if not index else _EARLY if index <= _EARLY_UNTIL else _DEEP
        return {name: f"customer's message {index + 1}"}
