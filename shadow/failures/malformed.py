"""Malformed: the reply breaks the format that its reader relies on."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any, Final

import orjson
from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError, UnknownType
from jsonschema.protocols import Validator
from jsonschema.validators import extend
from referencing import Registry
from referencing.exceptions import Unresolvable

from shadow.events import FailureKind, FunctionCall, Reply, Turn

MAX_CHARACTERS: Final = 50_000
"""Longer arguments and replies are not parsed: of them only the fence is looked at."""
MAX_CALLS: Final = 64

_FENCED: Final = re.compile(r"\s{0,100}```[\w+-]{0,20}[ \t]{0,20}\n?")
_Checked: Final[type[Validator]] = extend(  # type: ignore[no-untyped-call]
    Draft202012Validator, {"pattern": None, "patternProperties": None, "$dynamicRef": None}
)


class Malformed:
    """``malformed``: the declared format or a tool's schema is broken.

    About 4 us, 80 us with a call and its schema. Each of:

    - JSON is declared (``response_format``), and the text is none: in a code fence, with prose around it, or broken;
      or it breaks the declared schema;
    - the arguments of a tool call are no JSON object, or break the offered tool's schema;
    - tools are offered, and a call of one is written out inside a code fence at the text's beginning.

    A tool without a schema, or with one that is none, takes any object. ``pattern`` is not checked: a careless one
    would hold up the batch. Source: jsonschema, draft 2020-12; nothing is fetched for ``$ref``.
    """

    version: Final = 1

    def detect(self, turn: Turn, reply: Reply) -> list[FailureKind]:
        """See :class:`shadow.failures.Detector`."""
        message = reply.message
        if message is None:
            return []
        schemas = _schemas(turn) if turn.tools else {}
        if message.tool_calls:
            calls = message.tool_calls[:MAX_CALLS]
            return ["malformed"] if any(_breaks(call.function, schemas) for call in calls) else []
        text = message.text
        declared = turn.response_format
        if declared and declared.get("type") in ("json_object", "json_schema"):
            return ["malformed"] if not _declared(text, declared) else []
        return ["malformed"] if schemas and _fenced_call(text, schemas) else []


def _schemas(turn: Turn) -> dict[str, Any]:
    functions = (tool.get("function") for tool in turn.tools)
    return {str(f.get("name")): f.get("parameters") for f in functions if isinstance(f, dict)}


def _breaks(call: FunctionCall, schemas: dict[str, Any]) -> bool:
    if len(call.arguments) > MAX_CHARACTERS:
        return call.arguments.lstrip()[:1] != "{"
    try:
        arguments = orjson.loads(call.arguments or "{}")
    except orjson.JSONDecodeError:
        return True
    return not isinstance(arguments, dict) or not _fits(arguments, schemas.get(call.name))


def _declared(text: str, declared: dict[str, Any]) -> bool:
    """Whether the text is what ``declared`` asks for."""
    if len(text) > MAX_CHARACTERS:
        return text.lstrip()[:1] in ("{", "[")
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError:
        return False
    wanted = declared.get("json_schema")
    schema = wanted.get("schema") if isinstance(wanted, dict) else None
    return isinstance(value, dict) if schema is None else _fits(value, schema)


def _fenced_call(text: str, names: dict[str, Any]) -> bool:
    start = _FENCED.match(text)
    if start is None:
        return False
    inside = text[start.end() : start.end() + MAX_CHARACTERS]
    return any(name in inside for name in names)


def _fits(value: Any, schema: Any) -> bool:
    """Whether ``value`` keeps to ``schema``; a schema that is none refuses nothing."""
    if not isinstance(schema, dict) or not schema:
        return True
    try:
        return bool(_validator(orjson.dumps(schema)).is_valid(value))
    except (SchemaError, UnknownType, Unresolvable, RecursionError, TypeError, ValueError, AttributeError):
        return True


@lru_cache(maxsize=512)
def _validator(schema: bytes) -> Validator:
    parsed = orjson.loads(schema)
    Draft202012Validator.check_schema(parsed)
    checked: Validator = _Checked(parsed, registry=Registry())
    return checked
