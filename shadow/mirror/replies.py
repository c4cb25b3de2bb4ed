"""What an arm said of a turn, as the record that is written: the same live and in a backtest. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from shadow.events import Failure, RecordRef, Reply, Turn
from shadow.topology import MAX_RECORD_BYTES

_REPLY: Final[dict[str, Any]] = {name: field.default for name, field in Reply.model_fields.items()}
"""A reply's fields as they are when nothing else is said."""


def arm_reply(
    turn: Turn, *, arm: str, revision: str, at_s: float, ref: RecordRef, said: Mapping[str, Any]
) -> tuple[Reply, bytes]:
    """The reply with what is ``said`` of it (a message, a failure or a shed reason, and figures), and its wire form.

    One that no record can hold is ``truncated``: its message is left out.
    """
    fields = {
        **_REPLY,
        "turn_id": turn.turn_id,
        "conversation_id": turn.conversation_id,
        "arm": arm,
        "arm_revision": revision,
        "occurred_at": at_s,
        "turn_ref": ref,
        **said,
    }
    reply = Reply.trusted(**fields)
    value = reply.to_json()
    if len(value) <= MAX_RECORD_BYTES:
        return reply, value
    too_long = Failure(kind="truncated", detail=f"a reply of {len(value)} bytes does not fit into a record")
    reply = Reply.trusted(**{**fields, "message": None, "failure": too_long})
    return reply, reply.to_json()
