"""Unknown tool: the arm calls what it was not offered."""

from __future__ import annotations

from typing import Final

from shadow.events import FailureKind, Reply, Turn


class UnknownTool:
    """``unknown_tool``: a call of a tool that the turn does not offer, exact by name. About 1 us.

    A call where no tool at all is offered is one too. A tool without a name is as good as none.
    """

    version: Final = 1

    def detect(self, turn: Turn, reply: Reply) -> list[FailureKind]:
        """See :class:`shadow.failures.Detector`."""
        if reply.message is None or not reply.message.tool_calls:
            return []
        functions = (tool.get("function") for tool in turn.tools)
        offered = {str(function.get("name")) for function in functions if isinstance(function, dict)}
        return ["unknown_tool"] if any(c.function.name not in offered for c in reply.message.tool_calls) else []
