"""Long context: the model is given much to read."""

from __future__ import annotations

from typing import Final

from shadow.events import Turn
from shadow.slices import NOTHING, Why

CHARACTERS: Final = 16_000


class LongContext:
    """``long_context``: all messages of the turn together have 16,000 characters or more. About 2 us.

    About 4,000 tokens of system prompt, history, retrieved text and tools' results; the definitions of tools, which are
    the same on every turn, are not counted. No recorded chat gets there by talk alone (the longest has 6,000
    characters): what does is policy, retrieval and results.
    """

    version: Final = 1
    names = ("long_context",)

    def slices(self, turn: Turn) -> Why:
        """See :class:`shadow.slices.Slicer`."""
        given = sum(len(message.text) for message in turn.messages)
        return (
            {"long_context": f"{given:,} characters in {len(turn.messages)} messages"}
            if given >= CHARACTERS
            else NOTHING
        )
