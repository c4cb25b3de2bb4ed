"""Unknown tool: the arm calls what it was not offered."""

from __future__ import annotations

from typing import Final

from shadow.events import Reply, Turn
from shadow.failures import NOTHING, Findings


class UnknownTool:
    """``unknown_tool``: a call of a tool that the turn does not offer, exact by name. About 1 us.

    A call where no tool at all is offered is one too. A tool without a name is as good as none.
    """

    version: Final = 1

    def detect(self, turn: Turn, reply: Reply) -> Findings:
        """See :class:`shadow.failures.Detector`."""
        if reply.message is None or not reply.message.tool_calls:
            return NOTHING
        functions = (tool.get("function") for tool in turn.tools)
        offered = {str(function.get("name")) for function in functions if isinstance(function, dict)}
        unknown = next((c.function.name for c in reply.message.tool_calls if c.function.name not in offered), None)
        return NOTHING if unknown is None else {"unknown_tool": f"calls {unknown!r}, which is not offered"}
