"""Which of the offered tools a simulated model calls, and with which arguments. Nothing is ever executed."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from shadow.simulate.scripted import Call
from shadow.simulate.understand import MAX_READ, Message, Understood, text_of

_PART: Final = re.compile(r"[A-Z]?[a-z]{3,}")
_NUMBER: Final = re.compile(r"\d+(?:[.,]\d+)?")
_PROPER: Final = re.compile(r"(?<!^)(?<![.!?]\s)\b[A-Z][\w'-]+(?: [A-Z][\w'-]+)*")
_DEPTH: Final = 4
_HINTS: Final[Mapping[str, tuple[str, ...]]] = {
    "refund": ("refund", "order"),
    "cancellation": ("cancel",),
    "order_status": ("order", "track", "status"),
    "delivery": ("deliver", "track", "ship"),
    "billing": ("invoice", "charge", "payment"),
    "password": ("password", "reset"),
}
_NEEDS_ORDER: Final = ("refund", "order_status", "billing", "delivery", "cancellation")


def choose(tools: Sequence[Mapping[str, Any]], messages: Sequence[Message], about: Understood) -> Call | None:
    """The call of the tool whose name fits the last customer message best; ``None`` if none fits.

    ``None`` too when a tool has answered already, and when an order is asked about whose number nobody has named.
    """
    if not tools or not messages or messages[-1].get("role") != "user":
        return None
    if about.intent in _NEEDS_ORDER and not about.order:
        return None
    text = text_of(messages[-1])[:MAX_READ]
    best, best_score = None, 0
    for tool in tools:
        function = tool.get("function")
        if not isinstance(function, Mapping) or not isinstance(function.get("name"), str):
            continue
        score = _fit(function["name"], text.lower(), about.intent)
        if score > best_score:
            best, best_score = function, score
    if best is None:
        return None
    parameters = best.get("parameters")
    arguments = fill(parameters, text, about) if isinstance(parameters, Mapping) else {}
    return Call(best["name"], json.dumps(arguments if isinstance(arguments, dict) else {}, ensure_ascii=False))


def _fit(name: str, text: str, intent: str) -> int:
    """How many words of the tool's name stand in the text (by their first five letters); hints of the intent count."""
    score = sum(part.lower()[:5] in text for part in _PART.findall(name))
    hints = _HINTS.get(intent, ())
    return score + sum(2 * (len(hints) - n) for n, hint in enumerate(hints) if hint in name.lower())


def fill(schema: Mapping[str, Any], text: str, about: Understood, name: str = "", depth: int = 0) -> Any:
    """A value that a JSON Schema allows, from the facts of the conversation where a field's name asks for them."""
    options = schema.get("enum")
    if isinstance(options, list) and options:
        return next((option for option in options if str(option).lower() in text.lower()), options[0])
    kind = schema.get("type")
    kind = kind[0] if isinstance(kind, list) and kind else kind
    if kind == "object" or (kind is None and isinstance(schema.get("properties"), Mapping)):
        return _object(schema, text, about, depth)
    if kind == "array":
        items = schema.get("items")
        inner = fill(items, text, about, name, depth + 1) if isinstance(items, Mapping) and depth < _DEPTH else None
        return [] if inner is None else [inner]
    if kind in ("number", "integer"):
        value = _number(about.amount if "amount" in name and about.amount else text)
        return int(value) if kind == "integer" else value
    if kind == "boolean":
        return True
    return None if kind == "null" else _string(name.lower(), text, about)


def _object(schema: Mapping[str, Any], text: str, about: Understood, depth: int) -> dict[str, Any]:
    properties = schema.get("properties")
    if not isinstance(properties, Mapping) or depth >= _DEPTH:
        return {}
    return {
        str(field): fill(inner if isinstance(inner, Mapping) else {}, text, about, str(field), depth + 1)
        for field, inner in properties.items()
    }


def _number(text: str) -> float:
    found = _NUMBER.search(text[:MAX_READ])
    return float(found.group()[:12].replace(",", ".")) if found else 1.0


def _string(name: str, text: str, about: Understood) -> str:
    known = {"order": about.order, "amount": about.amount, "name": about.name}
    for part, value in known.items():
        if part in name and value:
            return value
    fixed = {"reason": about.intent, "intent": about.intent, "language": about.language}
    for part, value in fixed.items():
        if part in name:
            return value
    if any(part in name for part in ("text", "reply", "message", "answer")):
        return text
    proper = _PROPER.search(text)
    return proper.group() if proper else text[:60]
