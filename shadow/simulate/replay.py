"""Recorded conversations as turns and replies (pure): one JSON object per line in, what the Tap is given out.

A line holds ``conversation_id``, ``lang`` and ``turns``: ``{role: customer | agent | tool, text, tool_calls?, ts?}``.

- A **turn** ends where the agent speaks: customer messages in a row are one user message, unless ``i`` shows that
  something between them is missing, then each is a turn without a reply.
- The **reply** is the agent's next message. Agent messages in a row are one message: texts joined by a line break, tool
  calls appended. When the agent calls a tool first and speaks after its result, the call is the reply of the turn (it
  is what the model said to this customer message); the result and the words are history of the next turn.
- **Tools** offered are those that the agent calls anywhere in the conversation: recordings do not list the others.
- A tool result goes to the oldest call that waits for one. A call whose result was not recorded gets a result that says
  so, and a result without a call becomes a system message: endpoints refuse such histories otherwise.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from shadow.identity import valid_id

ROLES: Final = ("customer", "agent", "tool")
MAX_ID: Final = 190  # room for ":" and the turn's number
NO_RESULT: Final = "(no result was recorded)"
JSON_TYPES: Final[Mapping[type, str]] = {str: "string", bool: "boolean", int: "integer", float: "number", list: "array"}


class MalformedError(ValueError):
    """A line that is no conversation. ``where`` is the field, ``fix`` what to do."""

    def __init__(self, where: str, what: str, fix: str) -> None:
        super().__init__(f"{where}: {what}; {fix}")
        self.where = where
        self.fix = fix


@dataclass(frozen=True, slots=True)
class Step:
    """One customer turn with production's recorded reply. Times are Unix seconds, ``None`` where none was recorded."""

    conversation_id: str
    turn_index: int
    messages: list[dict[str, Any]]
    tools: list[dict[str, Any]]
    metadata: dict[str, str]
    reply: dict[str, Any] | None
    asked_at: float | None = None
    replied_at: float | None = None

    @property
    def turn_id(self) -> str:
        """The turn's identity: the same in every replay of the same line."""
        return f"{self.conversation_id}:{self.turn_index}"


@dataclass(frozen=True, slots=True)
class _Said:
    """One entry of ``turns``, checked."""

    role: str
    text: str
    calls: list[dict[str, Any]]
    at: float | None
    gap: bool  # something is missing before it


@dataclass(slots=True)
class _History:
    """The conversation until now, in OpenAI chat format."""

    messages: list[dict[str, Any]] = field(default_factory=list)
    waiting: list[str] = field(default_factory=list)

    def add(self, said: list[_Said]) -> dict[str, Any]:
        """Append what one role said in a row, as one message; the message."""
        text = "\n".join(part.text for part in said if part.text)
        if said[0].role == "tool":
            return self._tool(text)
        self._settle()
        if said[0].role == "customer":
            message: dict[str, Any] = {"role": "user", "content": text}
        else:
            calls = [call for part in said for call in part.calls]
            message = {"role": "assistant", "content": text or (None if calls else "")}
            if calls:
                ids = [f"call_{len(self.messages)}_{n}" for n in range(len(calls))]
                named = zip(ids, calls, strict=True)
                message["tool_calls"] = [{"id": name, "type": "function", "function": call} for name, call in named]
                self.waiting = ids
        self.messages.append(message)
        return message

    def _tool(self, text: str) -> dict[str, Any]:
        if self.waiting:
            message = {"role": "tool", "tool_call_id": self.waiting.pop(0), "content": text}
        else:
            message = {"role": "system", "content": f"Tool result: {text}"}
        self.messages.append(message)
        return message

    def _settle(self) -> None:
        """Calls that nobody has answered get a result that says so."""
        while self.waiting:
            self._tool(NO_RESULT)


def steps(line: bytes | str, *, run_id: str | None = None) -> list[Step]:
    """The turns of one recorded conversation, in order. Raises :class:`MalformedError`."""
    row = json_object(line)
    conversation_id = _identity(row, run_id)
    said, metadata = _turns(row), _metadata(row)
    offered = _offered(said)
    history, found = _History(), list[Step]()
    asked_at: float | None = None
    asked = False

    def step(reply: dict[str, Any] | None, replied_at: float | None) -> None:
        given = history.messages if reply is None else history.messages[:-1]
        common = (conversation_id, len(found), list(given), offered, metadata)
        found.append(Step(*common, reply, asked_at, replied_at))

    for run in _runs(said):
        role = run[0].role
        if role == "customer":
            if asked and run[0].gap:
                step(None, None)
            asked, asked_at = True, run[-1].at
        message = history.add(run)
        if role == "agent" and asked:
            step(message, run[0].at)
            asked = False
    if asked:
        step(None, None)
    return found


def _runs(said: list[_Said]) -> Iterator[list[_Said]]:
    """Entries of the same role in a row; tool results and messages behind a gap stand alone."""
    run: list[_Said] = []
    for entry in said:
        if run and (entry.role != run[0].role or entry.role == "tool" or entry.gap):
            yield run
            run = []
        run.append(entry)
    if run:
        yield run


def json_object(line: bytes | str) -> dict[str, Any]:
    """The object that a line holds. Raises :class:`MalformedError`."""
    try:
        row = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise MalformedError("(line)", f"not JSON ({error})", "write one JSON object per line") from None
    if not isinstance(row, dict):
        raise MalformedError("(line)", f"a {type(row).__name__}", "write one JSON object per line")
    return row


def _identity(row: Mapping[str, Any], run_id: str | None) -> str:
    name = row.get("conversation_id")
    if not isinstance(name, str):
        raise MalformedError("conversation_id", f"is {name!r:.40}", "give each conversation a string of its own")
    full = f"{name}~{run_id}" if run_id else name
    if not valid_id(full) or len(full) > MAX_ID:
        fix = f"use up to {MAX_ID} of A-Z a-z 0-9 _ . : # @ + = ~ / - (the run id included) and no '..'"
        raise MalformedError("conversation_id", f"{full!r:.80} cannot be an id", fix)
    return full


def _turns(row: Mapping[str, Any]) -> list[_Said]:
    turns = row.get("turns")
    if not isinstance(turns, list) or not turns:
        raise MalformedError("turns", f"is {turns!r:.40}", "list what was said: {role, text}")
    said: list[_Said] = []
    last: int | None = None
    for n, entry in enumerate(turns):
        if not isinstance(entry, dict):
            raise MalformedError(f"turns[{n}]", f"is {entry!r:.40}", "write {role, text}")
        number = entry.get("i")
        number = number if isinstance(number, int) else None
        gap = number is not None and last is not None and number > last + 1
        said.append(_said(f"turns[{n}]", entry, gap=gap))
        last = number
    return said


def _said(where: str, entry: Mapping[str, Any], *, gap: bool) -> _Said:
    role, text = entry.get("role"), entry.get("text")
    if role not in ROLES:
        raise MalformedError(f"{where}.role", f"is {role!r:.40}", f"use one of {', '.join(ROLES)}")
    if not isinstance(text, str):
        raise MalformedError(f"{where}.text", f"is {text!r:.40}", 'write a string, "" for none')
    calls = entry.get("tool_calls") or []
    if not isinstance(calls, list):
        raise MalformedError(f"{where}.tool_calls", f"is {calls!r:.40}", "list {name, arguments}")
    found = [_call(f"{where}.tool_calls[{k}]", call) for k, call in enumerate(calls)]
    return _Said(role, _plain(text), found, _time(f"{where}.ts", entry.get("ts")), gap)


def _plain(text: str) -> str:
    """The text without lone surrogates, which cannot travel."""
    return text.encode("utf-8", "replace").decode()


def _call(where: str, call: object) -> dict[str, str]:
    if not isinstance(call, dict) or not isinstance(call.get("name"), str):
        raise MalformedError(where, f"is {call!r:.40}", "write {name, arguments}")
    arguments = call.get("arguments", {})
    text = arguments if isinstance(arguments, str) else json.dumps(arguments)
    return {"name": _plain(call["name"]), "arguments": _plain(text)}


def _time(where: str, value: object) -> float | None:
    """Unix seconds; a time without a zone is UTC."""
    if value is None:
        return None
    try:
        if isinstance(value, str):
            at = datetime.fromisoformat(value)
            return (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()
        if isinstance(value, (int, float)) and math.isfinite(value):
            return float(value)
    except (ValueError, OverflowError, OSError):
        pass
    raise MalformedError(where, f"is {value!r:.40}", "write ISO 8601, such as 2024-05-13T09:30:00Z, or Unix seconds")


def _metadata(row: Mapping[str, Any]) -> dict[str, str]:
    """The closed fields that the line brings: language, source, and a conversation's one intent, channel or tier."""
    labels = row.get("labels")
    labels = labels if isinstance(labels, dict) else {}
    found = {"language": row.get("lang"), "source": row.get("source")}
    found |= {name: labels.get(name) for name in ("intent", "channel", "tier")}
    return {name: _plain(value)[:80] for name, value in found.items() if isinstance(value, str) and value}


def _offered(said: list[_Said]) -> list[dict[str, Any]]:
    """Function declarations of the tools that are called, with the arguments that they are called with."""
    declared: dict[str, dict[str, Any]] = {}
    for call in (call for entry in said for call in entry.calls):
        properties = declared.setdefault(call["name"], {})
        try:
            arguments = json.loads(call["arguments"])
        except (ValueError, RecursionError):
            continue
        if isinstance(arguments, dict):
            properties |= {name: {"type": JSON_TYPES.get(type(value), "object")} for name, value in arguments.items()}
    return [
        {"type": "function", "function": {"name": name, "parameters": {"type": "object", "properties": properties}}}
        for name, properties in declared.items()
    ]
