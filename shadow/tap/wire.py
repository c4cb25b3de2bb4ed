"""The wire form of what the Tap writes, built and checked without pydantic (production may pin another one).

A contract test holds it to :mod:`shadow.events`: every record made here decodes as its event.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, Final

import orjson

from shadow.identity import valid_id

SCHEMA_VERSION: Final = "1.0"
PRODUCTION: Final = "production"
EARLIEST_CLOCK_S: Final = 978_307_200.0
LATEST_CLOCK_S: Final = 4_102_444_800.0
LARGEST: Final = 2**53
MAX_DETAIL: Final = 500
MAX_METADATA: Final = 32
ROLES: Final = frozenset({"system", "developer", "user", "assistant", "tool"})
FAILURE_KINDS: Final = frozenset({
    "timeout", "provider_error", "rate_limited", "empty", "truncated", "refusal", "malformed", "unknown_tool",
    "pii_leak", "ungrounded_fact", "claimed_action", "language_mismatch", "prompt_leak", "repetition",
})  # fmt: skip

_ARM: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")
_OUTCOME: Final = re.compile(r"[a-z][a-z0-9_]{0,39}")
_TRACE: Final = re.compile(r"[0-9a-f]{32}")
_WEIGH_DEPTH: Final = 6
_GEN_AI: Final[dict[str, str]] = {
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


def _invalid(field: str, fix: str) -> RefusedError:
    return RefusedError("invalid", f"{field}: {fix}")


def dump(record: dict[str, Any], limit: int) -> bytes:
    """``record`` as JSON. Raises :class:`RefusedError`; what is far over ``limit`` bytes is refused before encoding."""
    if _weigh(record, limit, 0) > limit:
        raise RefusedError("too_large", f"{record['type']}: over {limit} bytes; shorten the history that is sent along")
    try:
        data = orjson.dumps(record, default=_plain)
    except orjson.JSONEncodeError as error:
        raise _invalid(
            record["type"], f"is not JSON ({error!s:.200}); give plain dicts, lists, text and numbers"
        ) from None
    if len(data) > limit:
        raise RefusedError(
            "too_large", f"{record['type']}: {len(data)} bytes, the limit is {limit}; shorten the history"
        )
    return data


def _weigh(value: Any, limit: int, depth: int) -> int:
    """At least how many bytes the JSON of a dict or list takes; stops counting over ``limit``. Messages count fast."""
    total = len(value)
    if total > limit or depth > _WEIGH_DEPTH:
        return total
    for item in value.values() if isinstance(value, dict) else value:
        kind = type(item)
        if kind is str:
            total += len(item)
        elif kind is dict or kind is list:
            total += _weigh(item, limit, depth + 1)
        if total > limit:
            break
    return total


def _plain(value: Any) -> Any:
    """Objects of the openai library and the like, as plain data."""
    if callable(found := getattr(value, "model_dump", None)):
        return found(mode="json", exclude_none=True)
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, (tuple, set, frozenset)):
        return list(value)
    raise TypeError(f"{type(value).__name__} is not JSON")


def _object(field: str, value: Any) -> dict[str, Any]:
    if isinstance(value, dict):
        return value
    with suppress(TypeError):
        if isinstance(found := _plain(value), dict):
            return found
    raise _invalid(field, f"must be a dict, not {type(value).__name__}")


def _list(field: str, value: Any) -> list[Any]:
    if isinstance(value, list):
        return value
    if isinstance(value, tuple):
        return list(value)
    raise _invalid(field, f"must be a list, not {type(value).__name__}")


def identity(field: str, value: Any) -> str:
    """``value``, if it may name a turn, conversation or outcome. Raises :class:`RefusedError`."""
    if isinstance(value, str) and valid_id(value):
        return value
    shown = f"{value[:60]!r}" if isinstance(value, str) else type(value).__name__
    raise _invalid(field, f"{shown} is no id; use 1-200 of A-Z a-z 0-9 _ . : # @ + = ~ / - and no '..'")


def clock(field: str, value: Any) -> float:
    """Unix seconds between 2001 and 2100. Raises :class:`RefusedError`."""
    if isinstance(value, (int, float)) and EARLIEST_CLOCK_S <= value < LATEST_CLOCK_S:
        return float(value)
    raise _invalid(field, "is not between the years 2001 and 2100 in Unix seconds; set the machine's clock")


def amount(field: str, value: Any) -> float | None:
    """A finite number >= 0, or None. Raises :class:`RefusedError`."""
    if value is None:
        return None
    if isinstance(value, (int, float)) and 0 <= value <= LARGEST:
        return float(value)
    raise _invalid(field, "must be a finite number >= 0, and at most 2**53")


def _text(field: str, value: Any) -> str:
    if not isinstance(value, str):
        raise _invalid(field, f"must be text, not {type(value).__name__}")
    return value


def message(field: str, value: Any, role: str | None = None) -> dict[str, Any]:
    """One message in OpenAI chat format; text alone is the content of a message by ``role``."""
    if role is not None and isinstance(value, str):
        return {"role": role, "content": value}
    found = _object(field, value)
    if role is not None and "role" not in found:
        found = {"role": role, **found}
    if not isinstance(found.get("role"), str) or found["role"] not in ROLES:
        raise _invalid(f"{field}.role", f"must be one of {', '.join(sorted(ROLES))}")
    content = found.get("content")
    if content is not None and not isinstance(content, str):
        found = {**found, "content": [_object(f"{field}.content", part) for part in _list(f"{field}.content", content)]}
    for name in ("name", "tool_call_id"):
        if found.get(name) is not None:
            _text(f"{field}.{name}", found[name])
    if found.get("tool_calls") is not None:
        calls = _list(f"{field}.tool_calls", found["tool_calls"])
        found = {**found, "tool_calls": [_tool_call(f"{field}.tool_calls", call) for call in calls]}
    return found


def _tool_call(field: str, value: Any) -> dict[str, Any]:
    call = _object(field, value)
    if call.get("type", "function") != "function":
        raise _invalid(f"{field}.type", "must be 'function'")
    function = _object(f"{field}.function", call.get("function"))
    _text(f"{field}.function.name", function.get("name"))
    _text(f"{field}.function.arguments", function.get("arguments", "{}"))
    if call.get("id") is not None:
        _text(f"{field}.id", call["id"])
    return {**call, "function": function}


def _metadata(value: Any) -> dict[str, str]:
    found = _object("metadata", value)
    if len(found) > MAX_METADATA:
        raise _invalid("metadata", f"has {len(found)} fields, the limit is {MAX_METADATA}")
    for name, item in found.items():
        if type(name) is not str or type(item) is not str:
            break
    else:
        return found
    return {_text("metadata", k): _scalar(f"metadata.{k}", item) for k, item in found.items() if item is not None}


def _scalar(field: str, value: Any) -> str:
    return str(value) if type(value) in (int, float, bool) else _text(field, value)


def _gen_ai(value: Any) -> dict[str, Any]:
    """The attributes under their OpenTelemetry names, from those names or from the short ones of events.GenAI."""
    given, wire = _object("gen_ai", value), {}
    for short, name in _GEN_AI.items():
        item = given.get(name, given.get(short))
        if item is None:
            continue
        if short.endswith("_tokens"):
            if type(item) is not int or not 0 <= item <= LARGEST:
                raise _invalid(name, "must be a whole number >= 0, and at most 2**53")
        elif short == "finish_reasons":
            item = [_text(name, reason) for reason in _list(name, item)]
        else:
            _text(name, item)
        wire[name] = item
    return wire


def turn_index(messages: Any) -> int:
    """How many customer turns came before the one that ``messages`` ends with."""
    roles = (item.get("role") if isinstance(item, Mapping) else getattr(item, "role", None) for item in messages)
    return max(0, list(roles).count("user") - 1)


def _index(value: Any) -> int:
    if type(value) is not int or not 0 <= value <= LARGEST:
        raise _invalid("turn_index", "must be a whole number >= 0, and at most 2**53")
    return value


def _trace_id(value: Any) -> str:
    if isinstance(value, str) and _TRACE.fullmatch(value):
        return value
    raise _invalid("trace_id", "must be 32 lower-case hexadecimal digits")


_OPTIONAL: Final[dict[str, Callable[[Any], Any]]] = {
    "tools": lambda value: [_object("tools", tool) for tool in _list("tools", value)],
    "response_format": lambda value: _object("response_format", value),
    "params": lambda value: _object("params", value),
    "metadata": _metadata,
    "gen_ai": _gen_ai,
    "trace_id": _trace_id,
}


def _head(kind: str, ids: tuple[Any, Any]) -> dict[str, Any]:
    return {
        "schema_version": SCHEMA_VERSION,
        "type": kind,
        "turn_id": identity("turn_id", ids[1]),
        "conversation_id": identity("conversation_id", ids[0]),
    }


def turn(ids: tuple[Any, Any], index: Any, messages: Any, now: float, extra: Mapping[str, Any]) -> dict[str, Any]:
    """A turn's record. ``ids``: conversation, turn; ``extra``: the optional fields. Raises :class:`RefusedError`."""
    found = _list("messages", messages)
    if not found:
        raise _invalid("messages", "is empty; give the history and the customer's message")
    record = _head("turn", ids)
    record["turn_index"] = _index(index)
    record["occurred_at"] = clock("occurred_at", now)
    record["messages"] = [message("messages", item) for item in found]
    for name, value in extra.items():
        if value is not None:
            record[name] = _OPTIONAL[name](value)
    return record


def reply(ids: tuple[Any, Any], answer: Any, failure: Any, now: Any, extra: Mapping[str, Any]) -> dict[str, Any]:
    """Production's reply. ``extra`` holds latencies, cost_usd, gen_ai. Neither answer nor failure: it is ``empty``."""
    if answer is not None and failure is not None:
        raise _invalid("reply", "give message or failure, not both")
    record = _head("reply", ids)
    record["arm"] = PRODUCTION
    record["occurred_at"] = clock("occurred_at", now)
    if answer is not None:
        record["message"] = message("message", answer, "assistant")
    else:
        record["failure"] = _failure(failure or ("empty", ""))
    for name, value in extra.items():
        if value is not None:
            record[name] = _gen_ai(value) if name == "gen_ai" else amount(name, value)
    return record


def known(value: Any) -> list[str]:
    """Names and addresses that the caller declares. Raises :class:`RefusedError`."""
    if isinstance(value, str):
        return [value]
    return [_text("known", name) for name in _list("known", value)]


def _failure(value: Any) -> dict[str, str]:
    if not (isinstance(value, (tuple, list)) and len(value) == len(("kind", "detail"))):
        raise _invalid("failure", "must be a pair: kind, detail")
    kind, detail = value
    if not (isinstance(kind, str) and kind in FAILURE_KINDS):
        raise _invalid("failure", f"the kind must be one of {', '.join(sorted(FAILURE_KINDS))}")
    return {"kind": kind, "detail": _text("failure detail", detail)[:MAX_DETAIL]}


def outcome(ids: tuple[Any, Any], given: Mapping[str, Any], now: float) -> dict[str, Any]:
    """What became of a turn. ``given``: outcome_id, arm, name, value. Raises :class:`RefusedError`."""
    arm, name, value = given["arm"], given["name"], given["value"]
    if not (isinstance(arm, str) and _ARM.fullmatch(arm)):
        raise _invalid("arm", "must be 1-40 of a-z 0-9 -")
    if not (isinstance(name, str) and _OUTCOME.fullmatch(name)):
        raise _invalid("name", "must be 1-40 of a-z 0-9 _, a letter first")
    if not isinstance(value, str) and not (isinstance(value, (int, float)) and math.isfinite(value)):
        raise _invalid("value", "must be a finite number or text")
    record = _head("outcome", ids)
    record["outcome_id"] = identity("outcome_id", given["outcome_id"])
    record["value"] = value if isinstance(value, str) else float(value)
    return {**record, "arm": arm, "name": name, "occurred_at": clock("occurred_at", now)}
