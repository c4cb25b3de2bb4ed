"""Edge input: the customer's message is of a kind that models stumble over."""

from __future__ import annotations

from typing import Final

from shadow.events import Turn
from shadow.slices import NOTHING, Why
from shadow.slices.customer import last_said
from shadow.text.edges import edges


class EdgeInput:
    """``edge_input``: the last message is one of the kinds of ``edge_kind``. About 6 us.

    One name for all of them, because each kind alone is rare: a verdict needs numbers. Source: ``shadow.text.edges``.
    """

    version: Final = 1
    names = ("edge_input",)

    def slices(self, turn: Turn) -> Why:
        """See :class:`shadow.slices.Slicer`."""
        found = edges(last_said(turn))
        return {"edge_input": f"customer's last message: {', '.join(found)}"} if found else NOTHING
