"""Failures that need no look at the words: the call failed, nothing came, or the reply was cut."""

from __future__ import annotations

from typing import Final

from shadow.events import Reply, Turn
from shadow.failures import NOTHING, Findings

CUT: Final = frozenset({"length", "max_tokens"})


class Transport:
    """The failure that the caller recorded (timeout, provider_error, rate_limited), ``empty``, ``truncated``. < 1 us.

    A reply of nothing but tool calls is not empty. ``truncated`` rests on the server's finish reason.
    """

    version: Final = 1

    def detect(self, turn: Turn, reply: Reply) -> Findings:  # noqa: ARG002 (the family's signature)
        """See :class:`shadow.failures.Detector`."""
        if reply.failure is not None:
            return {reply.failure.kind: reply.failure.detail}
        if reply.message is None:
            return NOTHING
        if not reply.message.tool_calls and not reply.message.text.strip():
            return {"empty": "neither text nor tool calls"}
        finished = (reply.gen_ai and reply.gen_ai.finish_reasons) or ()
        cut = CUT.intersection(finished)
        return {"truncated": f"finish reason {min(cut)!r}"} if cut else NOTHING
