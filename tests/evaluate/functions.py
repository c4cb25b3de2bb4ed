"""Recorded function-calling items (BFCL) as turns with tools and replies, as their consumer would take them."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from typing import Any, Final

from shadow.events import Message, Turn
from tests.evaluate.data import Row, message, rows, turn

PROMPTED: Final = (
    "gpt-4o-2024-05-13",
    "gpt-4o-2024-08-06",
    "gorilla-openfunctions-v2",
    "meta-llama_Meta-Llama-3-70B-Instruct",
)
"""Models that were asked to write their calls as text: ``[name(argument=value), ...]``."""

_TYPES: Final = {"dict": "object", "float": "number", "tuple": "array"}


@cache
def turns() -> dict[str, Turn]:
    """Each item's turn with its tools as they were declared to the function-calling models."""
    made = {}
    for row in rows("paired/bfcl_prompts"):
        functions = row["functions"] if isinstance(row["functions"], list) else [row["functions"]]
        tools = [{"type": "function", "function": _declared(function)} for function in functions]
        made[row["task_id"]] = turn(row["task_id"], [message("customer", str(row["question"]))], tools=tools)
    return made


def asked(task_id: str) -> Turn:
    """The item's turn; of items without a recorded prompt (no tool fits the question) one without tools."""
    return turns().get(task_id) or turn(task_id, [message("customer", "Not recorded.")])


def runs() -> dict[tuple[str, str], dict[str, Row]]:
    """Each run, a model at a date, as rows by item."""
    found: dict[tuple[str, str], dict[str, Row]] = {}
    for row in rows("paired/bfcl"):
        found.setdefault((row["model"], row["run_date"]), {})[row["task_id"]] = row
    return found


def latest() -> dict[str, dict[str, Row]]:
    """Each model's newest run."""
    return {model: items for (model, _), items in sorted(runs().items())}


def taken(row: Row) -> Message:
    """The reply as its consumer takes it: what prompted models write is parsed, and stays text where it cannot be."""
    text, calls = row["reply"]["text"], row["reply"].get("tool_calls") or []
    if not calls and row["model"] in PROMPTED:
        calls = written_calls(text)
        text = "" if calls else text
    return message("agent", text, [{**call, "name": call["name"].replace(".", "_")} for call in calls])


def written_calls(text: str) -> list[dict[str, Any]]:
    """``[name(argument=value), ...]`` as calls, with or without brackets; nothing where any of it does not parse."""
    text = text.strip()
    try:
        tree = ast.parse(text if text.startswith("[") else f"[{text}]", mode="eval")
        return list(_calls(tree.body))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return []


def _calls(listed: ast.expr) -> Iterator[dict[str, Any]]:
    if not isinstance(listed, ast.List):
        raise ValueError("no list")  # noqa: TRY004 (one error for all that is no call)
    for call in listed.elts:
        if not isinstance(call, ast.Call) or call.args:
            raise ValueError("no call with named arguments")
        given = {str(keyword.arg): ast.literal_eval(keyword.value) for keyword in call.keywords}
        yield {"name": ast.unparse(call.func), "arguments": _plain(given)}


def _plain(value: Any) -> Any:
    """``value`` as JSON holds it. Raises ValueError for what JSON does not know."""
    if isinstance(value, dict):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    if value is None or isinstance(value, str | bool | int | float):
        return value
    raise ValueError(f"{type(value).__name__} is no JSON")


def _declared(function: Row) -> Row:
    parameters = _schema(function["parameters"])
    return {
        "name": function["name"].replace(".", "_"),
        "description": function["description"],
        "parameters": parameters,
    }


def _schema(value: Any) -> Any:
    """The source's own type names as those of JSON Schema; ``any`` declares nothing."""
    if isinstance(value, list):
        return [_schema(inner) for inner in value]
    if not isinstance(value, dict):
        return value
    made = {key: _schema(inner) for key, inner in value.items()}
    kind = value.get("type")
    if isinstance(kind, str):
        made["type"] = _TYPES.get(kind, kind)
        if kind == "any":
            del made["type"]
    return made
