"""Shouting: the customer writes in capitals."""

from __future__ import annotations

from typing import Final

from shadow.events import Turn
from shadow.slices import NOTHING, Why

MAX_CHARACTERS: Final = 2_000
LEAST: Final = 12
SHARE: Final = 0.8


class Shouting:
    """``shouting``: of a last message with 12 letters or more, 80 % are capitals. About 10 us.

    Scripts without capitals are never shouted in. The reason holds numbers, and none of the customer's words.
    """

    version: Final = 1
    names = ("shouting",)

    def slices(self, turn: Turn) -> Why:
        """See :class:`shadow.slices.Slicer`."""
        said = next((message.text for message in reversed(turn.messages) if message.role == "user"), "")
        letters = [char for char in said[:MAX_CHARACTERS] if char.isupper() or char.islower()]
        capitals = sum(map(str.isupper, letters))
        if len(letters) < LEAST or capitals < SHARE * len(letters):
            return NOTHING
        return {"shouting": f"{capitals} of {len(letters)} letters are capitals"}
