"""Tool use: an answer may act, or rests on what a tool said."""

from __future__ import annotations

from typing import Final

from shadow.events import Turn
from shadow.slices import NOTHING, Why


class ToolUse:
    """``tool_use``: tools are offered, or a tool's call or result stands in the history. < 1 us.

    Whoever releases a model wants to know apart where it can do harm by acting, so an offer is enough: whether a tool
    is then called is what the arms are compared by. Where an application offers tools on every turn, every turn is one.
    """

    version: Final = 1
    names = ("tool_use",)

    def slices(self, turn: Turn) -> Why:
        """See :class:`shadow.slices.Slicer`."""
        if turn.tools:
            return {"tool_use": f"{len(turn.tools)} tools offered"}
        if any(message.role == "tool" or message.tool_calls for message in turn.messages):
            return {"tool_use": "a tool's call or result in the history"}
        return NOTHING
