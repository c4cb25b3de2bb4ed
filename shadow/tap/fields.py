"""The fields of what the Tap writes, checked without pydantic: each function gives the wire form or refuses.

All but ``plain`` raise :class:`RefusedError`, whose text names the field and the fix.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Final

from shadow.identity import valid_id

EARLIEST_CLOCK_S: Final = 978_307_200.0
LATEST_CLOCK_S: Final = 4_102_444_800.0
LARGEST: Final = 2**53
MAX_METADATA: Final = 32
ROLES: Final = frozenset({"system", "developer", "user", "assistant", "tool"})

_TRACE: Final = re.compile(r"[0-9a-f]{32}")
GEN_AI: Final[dict[str, str]] = {
    "provider_name": "gen_ai.provider.name",
    "request_model": "gen_ai.request.model",
    "response_model": "gen_ai.response.model",
    "response_id": "gen_ai.response.id",
    "finish_reasons": "gen_ai.response.finish_reasons",
    "input_tokens": "gen_ai.usage.input_tokens",
    "output_tokens": "gen_ai.usage.output_tokens",
}


class RefusedError(ValueError):
    """A record that the Tap does not send. ``reason`` is ``invalid`` or ``too_large``; the text names field and fix."""

    def __init__(self, reason: str, text: str) -> None:
        super().__init__(text)
        self.reason = reason


def invalid(field: str, fix: str) -> RefusedError:
    """The error that names a field and its fix."""
    return RefusedError("invalid", f"{field}: {fix}")


def plain(value: Any) -> Any:
    """Objects of the openai library and the like, as plain data."""
    if callable(found := getattr(value, "model_dump", None)):
        return found(mode="json", exclude_none=True)
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, (tuple, set, frozenset)):
        return list(value)
    raise TypeError(f"{type(value).__name__} is not JSON")


def mapping(field: str, value: Any) -> dict[str, Any]:
    """A dict, or what can become one."""
    if isinstance(value, dict):
        return value
    with suppress(TypeError):
        if isinstance(found := plain(value), dict):
            return found
    raise invalid(field, f"must be a dict, not {type(value).__name__}")


def sequence(field: str, value: Any) -> list[Any]:
    """A list, also of a tuple."""
    if isinstance(value, list):
        return value
    if isinstance(value, tuple):
        return list(value)
    raise invalid(field, f"must be a list, not {type(value).__name__}")


def identity(field: str, value: Any) -> str:
    """``value``, if it may name a turn, conversation or outcome. Raises :class:`RefusedError`."""
    if isinstance(value, str) and valid_id(value):
        return value
    shown = f"{value[:60]!r}" if isinstance(value, str) else type(value).__name__
    raise invalid(field, f"{shown} is no id; use 1-200 of A-Z a-z 0-9 _ . : # @ + = ~ / - and no '..'")


def clock(field: str, value: Any) -> float:
    """Unix seconds between 2001 and 2100. Raises :class:`RefusedError`."""
    if isinstance(value, (int, float)) and EARLIEST_CLOCK_S <= value < LATEST_CLOCK_S:
        return float(value)
    raise invalid(field, "is not between the years 2001 and 2100 in Unix seconds; set the machine's clock")


def amount(field: str, value: Any) -> float | None:
    """A finite number >= 0, or None. Raises :class:`RefusedError`."""
    if value is None:
        return None
    if isinstance(value, (int, float)) and 0 <= value <= LARGEST:
        return float(value)
    raise invalid(field, "must be a finite number >= 0, and at most 2**53")


def text(field: str, value: Any) -> str:
    """A text, as it is."""
    if not isinstance(value, str):
        raise invalid(field, f"must be text, not {type(value).__name__}")
    return value


def message(field: str, value: Any, role: str | None = None) -> dict[str, Any]:
    """One message in OpenAI chat format; text alone is the content of a message by ``role``."""
    if role is not None and isinstance(value, str):
        return {"role": role, "content": value}
    found = mapping(field, value)
    if role is not None and "role" not in found:
        found = {"role": role, **found}
    if not isinstance(found.get("role"), str) or found["role"] not in ROLES:
        raise invalid(f"{field}.role", f"must be one of {', '.join(sorted(ROLES))}")
    content = found.get("content")
    if content is not None and not isinstance(content, str):
        at = f"{field}.content"
        found = {**found, "content": [mapping(at, part) for part in sequence(at, content)]}
    for name in ("name", "tool_call_id"):
        if found.get(name) is not None:
            text(f"{field}.{name}", found[name])
    if found.get("tool_calls") is not None:
        calls = sequence(f"{field}.tool_calls", found["tool_calls"])
        found = {**found, "tool_calls": [_tool_call(f"{field}.tool_calls", call) for call in calls]}
    return found


def _tool_call(field: str, value: Any) -> dict[str, Any]:
    call = mapping(field, value)
    if call.get("type", "function") != "function":
        raise invalid(f"{field}.type", "must be 'function'")
    function = mapping(f"{field}.function", call.get("function"))
    text(f"{field}.function.name", function.get("name"))
    text(f"{field}.function.arguments", function.get("arguments", "{}"))
    if call.get("id") is not None:
        text(f"{field}.id", call["id"])
    return {**call, "function": function}


def metadata(value: Any) -> dict[str, str]:
    """At most 32 fields, all text; numbers become text, and what is None is left out."""
    found = mapping("metadata", value)
    if len(found) > MAX_METADATA:
        raise invalid("metadata", f"has {len(found)} fields, the limit is {MAX_METADATA}")
    for name, item in found.items():
        if type(name) is not str or type(item) is not str:
            break
    else:
        return found
    return {text("metadata", k): _scalar(f"metadata.{k}", item) for k, item in found.items() if item is not None}


def _scalar(field: str, value: Any) -> str:
    return str(value) if type(value) in (int, float, bool) else text(field, value)


def gen_ai(value: Any) -> dict[str, Any]:
    """The attributes under their OpenTelemetry names, from those names or from the short ones of events.GenAI."""
    given, wire = mapping("gen_ai", value), {}
    for short, name in GEN_AI.items():
        item = given.get(name, given.get(short))
        if item is None:
            continue
        if short.endswith("_tokens"):
            if type(item) is not int or not 0 <= item <= LARGEST:
                raise invalid(name, "must be a whole number >= 0, and at most 2**53")
        elif short == "finish_reasons":
            item = [text(name, reason) for reason in sequence(name, item)]
        else:
            text(name, item)
        wire[name] = item
    return wire


def index(value: Any) -> int:
    """A turn's index: a whole number from 0."""
    if type(value) is not int or not 0 <= value <= LARGEST:
        raise invalid("turn_index", "must be a whole number >= 0, and at most 2**53")
    return value


def trace_id(value: Any) -> str:
    """A trace of OpenTelemetry."""
    if isinstance(value, str) and _TRACE.fullmatch(value):
        return value
    raise invalid("trace_id", "must be 32 lower-case hexadecimal digits")
