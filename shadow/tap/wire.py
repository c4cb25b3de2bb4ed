"""The wire form of what the Tap writes, built and checked without pydantic (production may pin another one).

A contract test holds it to :mod:`shadow.events`: every record made here decodes as its event.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from typing import Any, Final

import orjson

from shadow.tap import fields
from shadow.tap.fields import RefusedError

SCHEMA_VERSION: Final = "1.0"
PRODUCTION: Final = "production"
MAX_DETAIL: Final = 500
FAILURE_KINDS: Final = frozenset({
    "timeout", "provider_error", "rate_limited", "empty", "truncated", "refusal", "malformed", "unknown_tool",
    "pii_leak", "ungrounded_fact", "claimed_action", "language_mismatch", "prompt_leak", "repetition",
})  # fmt: skip

_ARM: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")
_OUTCOME: Final = re.compile(r"[a-z][a-z0-9_]{0,39}")
_WEIGH_DEPTH: Final = 6


def dump(record: dict[str, Any], limit: int) -> bytes:
    """``record`` as JSON. Raises :class:`RefusedError`; what is far over ``limit`` bytes is refused before encoding."""
    if _weigh(record, limit, 0) > limit:
        raise RefusedError("too_large", f"{record['type']}: over {limit} bytes; shorten the history that is sent along")
    try:
        data = orjson.dumps(record, default=fields.plain)
    except orjson.JSONEncodeError as error:
        raise fields.invalid(
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


def turn_index(messages: Any) -> int:
    """How many customer turns came before the one that ``messages`` ends with."""
    roles = (item.get("role") if isinstance(item, Mapping) else getattr(item, "role", None) for item in messages)
    return max(0, list(roles).count("user") - 1)


_OPTIONAL: Final[dict[str, Callable[[Any], Any]]] = {
    "tools": lambda value: [fields.mapping("tools", tool) for tool in fields.sequence("tools", value)],
    "response_format": lambda value: fields.mapping("response_format", value),
    "params": lambda value: fields.mapping("params", value),
    "metadata": fields.metadata,
    "gen_ai": fields.gen_ai,
    "trace_id": fields.trace_id,
}


def _head(kind: str, ids: tuple[Any, Any]) -> dict[str, Any]:
    return {
        "schema_version": SCHEMA_VERSION,
        "type": kind,
        "turn_id": fields.identity("turn_id", ids[1]),
        "conversation_id": fields.identity("conversation_id", ids[0]),
    }


def turn(ids: tuple[Any, Any], index: Any, messages: Any, now: float, extra: Mapping[str, Any]) -> dict[str, Any]:
    """A turn's record. ``ids``: conversation, turn; ``extra``: the optional fields. Raises :class:`RefusedError`."""
    found = fields.sequence("messages", messages)
    if not found:
        raise fields.invalid("messages", "is empty; give the history and the customer's message")
    record = _head("turn", ids)
    record["turn_index"] = fields.index(index)
    record["occurred_at"] = fields.clock("occurred_at", now)
    record["messages"] = [fields.message("messages", item) for item in found]
    for name, value in extra.items():
        if value is not None:
            record[name] = _OPTIONAL[name](value)
    return record


def reply(ids: tuple[Any, Any], answer: Any, failure: Any, now: Any, extra: Mapping[str, Any]) -> dict[str, Any]:
    """Production's reply. ``extra`` holds latencies, cost_usd, gen_ai. Neither answer nor failure: it is ``empty``."""
    if answer is not None and failure is not None:
        raise fields.invalid("reply", "give message or failure, not both")
    record = _head("reply", ids)
    record["arm"] = PRODUCTION
    record["occurred_at"] = fields.clock("occurred_at", now)
    if answer is not None:
        record["message"] = fields.message("message", answer, "assistant")
    else:
        record["failure"] = _failure(failure or ("empty", ""))
    for name, value in extra.items():
        if value is not None:
            record[name] = fields.gen_ai(value) if name == "gen_ai" else fields.amount(name, value)
    return record


def known(value: Any) -> list[str]:
    """Names and addresses that the caller declares. Raises :class:`RefusedError`."""
    if isinstance(value, str):
        return [value]
    return [fields.text("known", name) for name in fields.sequence("known", value)]


def _failure(value: Any) -> dict[str, str]:
    if not (isinstance(value, (tuple, list)) and len(value) == len(("kind", "detail"))):
        raise fields.invalid("failure", "must be a pair: kind, detail")
    kind, detail = value
    if not (isinstance(kind, str) and kind in FAILURE_KINDS):
        raise fields.invalid("failure", f"the kind must be one of {', '.join(sorted(FAILURE_KINDS))}")
    return {"kind": kind, "detail": fields.text("failure detail", detail)[:MAX_DETAIL]}


def outcome(ids: tuple[Any, Any], given: Mapping[str, Any], now: float) -> dict[str, Any]:
    """What became of a turn. ``given``: outcome_id, arm, name, value. Raises :class:`RefusedError`."""
    arm, name, value = given["arm"], given["name"], given["value"]
    if not (isinstance(arm, str) and _ARM.fullmatch(arm)):
        raise fields.invalid("arm", "must be 1-40 of a-z 0-9 -")
    if not (isinstance(name, str) and _OUTCOME.fullmatch(name)):
        raise fields.invalid("name", "must be 1-40 of a-z 0-9 _, a letter first")
    if not isinstance(value, str) and not (isinstance(value, (int, float)) and math.isfinite(value)):
        raise fields.invalid("value", "must be a finite number or text")
    record = _head("outcome", ids)
    record["outcome_id"] = fields.identity("outcome_id", given["outcome_id"])
    record["value"] = value if isinstance(value, str) else float(value)
    return {**record, "arm": arm, "name": name, "occurred_at": fields.clock("occurred_at", now)}
