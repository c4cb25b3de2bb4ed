"""The labelled data as the tables read it: rows of a source, turns and replies made of them, and two halves by hash."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final, Literal

from shadow.events import Message, Turn

DATA: Final = Path(os.environ.get("SHADOW_DATA_DIR", Path(__file__).parents[2].parent / "shared" / "data"))
AT: Final = 1_790_000_000.0

Row = dict[str, Any]
Half = Literal["tuned", "fresh"]


class AbsentError(Exception):
    """A source is not there; the message names the file and the remedy."""


@cache
def rows(source: str) -> list[Row]:
    """Every row of ``open/<source>``. Raises :class:`AbsentError`."""
    path = DATA / "open" / f"{source}.jsonl.gz"
    if not path.is_file():
        raise AbsentError(
            f"{path.name} is absent from {path.parent.name}: name the folder of the data in SHADOW_DATA_DIR"
        )
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def half(row: Row) -> Half:
    """``tuned``: rules may have been looked at on it; ``fresh``: never. By a hash of the split key, so whole tasks."""
    return "tuned" if hashlib.sha256(str(row["split_key"]).encode()).digest()[0] % 2 else "fresh"


def message(role: str, text: str, calls: Iterable[Mapping[str, Any]] = ()) -> Message:
    """One message; ``calls`` are ``{name, arguments}`` with arguments as data, or as text that the model wrote."""
    made = [
        {
            "function": {
                "name": call["name"],
                "arguments": call["arguments"] if isinstance(call["arguments"], str) else json.dumps(call["arguments"]),
            }
        }
        for call in calls
    ]
    named = {"customer": "user", "agent": "assistant"}.get(role, role)
    return Message.model_validate({"role": named, "content": text, "tool_calls": made or None})


def spoken(each: Row, role: str = "agent") -> Message:
    """A row's turn, message or reply as a message."""
    return message(each.get("role", role), each.get("text") or "", each.get("tool_calls") or ())


def turn(turn_id: str, messages: list[Message], **fields: Any) -> Turn:
    """A turn of its own conversation."""
    return Turn(turn_id=turn_id, conversation_id=turn_id, occurred_at=AT, messages=messages, **fields)


@cache
def system_prompts() -> dict[str, str]:
    """Policies by id; empty where they are absent."""
    folder = DATA / "common" / "system_prompts"
    return {path.stem: path.read_text(encoding="utf-8") for path in folder.glob("*")} if folder.is_dir() else {}
