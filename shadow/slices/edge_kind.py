"""Edge kinds: what is unusual about the customer's message."""

from __future__ import annotations

from typing import Final

from shadow.events import Turn
from shadow.slices import Why
from shadow.slices.customer import last_said
from shadow.text.edges import EDGES, edges


class EdgeKind:
    """``edge_input=empty``, ``emoji_only``, ``very_long``, ``code``, ``injection``, ``mixed_language``. About 1 us.

    Of the last message, and several where several hold. Leave this slicer out, and ``edge_input`` in, where metadata
    fields need its six names. Costs 6 us more where ``edge_input`` has not read the message. Source:
    ``shadow.text.edges``.
    """

    version: Final = 1
    names = tuple(f"edge_input={edge}" for edge in EDGES)

    def slices(self, turn: Turn) -> Why:
        """See :class:`shadow.slices.Slicer`."""
        return {f"edge_input={edge}": why for edge, why in edges(last_said(turn)).items()}
