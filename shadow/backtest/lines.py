"""What a line of history says: events as they stand on the wire, or a whole recorded conversation. Pure.

A line with ``type`` is a turn, a reply or an outcome (docs/data-format.md); one without is a conversation, as
``shadow replay`` plays it (:mod:`shadow.simulate.replay`). A conversation's replies are production's.
"""

from __future__ import annotations

from typing import Any, Final

from pydantic import ValidationError

from shadow.backtest.clock import BEGIN
from shadow.events import BrokenRecordError, Message, Outcome, Reply, Turn, decode
from shadow.simulate.replay import MalformedError, Step, json_object, steps

Said = Turn | Reply | Outcome

WIRE: Final[dict[str, type[Said]]] = {"turn": Turn, "reply": Reply, "outcome": Outcome}

MAX_LINE_BYTES: Final = 20_000_000
"""A longer line is no conversation."""


class BacktestError(Exception):
    """What the user can put right, in one line."""


class LineError(ValueError):
    """A line that cannot be used: the field, what is wrong with it, what to do."""

    def __init__(self, where: str, what: str, fix: str) -> None:
        super().__init__(f"{where}: {what}; {fix}")
        self.where = where


def said(line: bytes) -> list[Said]:
    """The events of one line, in order. Raises :class:`LineError`."""
    if len(line) > MAX_LINE_BYTES:
        raise LineError("(line)", f"is {len(line)} bytes long", f"split it: {MAX_LINE_BYTES} at most")
    try:
        row = json_object(line)
        if "type" in row:
            return [_event(row, line)]
        return [event for step in steps(line) for event in _of(step)]
    except MalformedError as error:
        raise LineError(
            error.where, str(error).removeprefix(f"{error.where}: ").partition("; ")[0], error.fix
        ) from None
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        raise LineError(".".join(map(str, first["loc"])), first["msg"], "correct this field") from None


def _event(row: dict[str, Any], line: bytes) -> Said:
    kind = row["type"]
    if not isinstance(kind, str) or kind not in WIRE:
        raise LineError("type", f"is {kind!r:.40}", f"use {', '.join(map(repr, WIRE))}, or none for a conversation")
    try:
        return decode(WIRE[kind], line, str(row.get("conversation_id")).encode(errors="replace"))
    except BrokenRecordError as error:
        where, _, what = error.detail.partition(": ")
        where, what = (where, what) if what and " " not in where else ("(line)", error.detail)
        raise LineError(where, what, "docs/data-format.md has the fields") from None


def _of(step: Step) -> list[Said]:
    """A recorded step's turn and, if there is one, production's reply; its latency only where both were timed."""
    names = {"turn_id": step.turn_id, "conversation_id": step.conversation_id}
    asked_at = BEGIN + step.turn_index if step.asked_at is None else step.asked_at
    messages = [Message.model_validate(message) for message in step.messages]
    found: list[Said] = [
        Turn(
            **names,
            turn_index=step.turn_index,
            occurred_at=asked_at,
            messages=messages,
            tools=step.tools,
            metadata=step.metadata,
        )
    ]
    if step.reply is not None:
        timed = step.asked_at is not None and step.replied_at is not None
        replied_at = step.replied_at if timed and step.replied_at is not None else asked_at
        found.append(
            Reply(
                **names,
                occurred_at=replied_at,
                message=Message.model_validate(step.reply),
                latency_s=max(0.0, replied_at - asked_at) if timed else None,
            )
        )
    return found
