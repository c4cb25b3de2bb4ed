"""Malformed: the reply breaks the format that its reader relies on."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any, Final

import orjson
from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError, UnknownType, best_match
from jsonschema.protocols import Validator
from jsonschema.validators import extend
from referencing import Registry
from referencing.exceptions import Unresolvable

from shadow.events import FunctionCall, Message, Reply, Turn
from shadow.failures import NOTHING, Findings

MAX_CHARACTERS: Final = 50_000
"""Longer arguments and replies are not parsed: of them only the fence is looked at."""
MAX_CALLS: Final = 64
MAX_DEPTH: Final = 6

_FENCED: Final = re.compile(r"\s{0,100}```[\w+-]{0,20}[ \t]{0,20}\n?")
_CAUSES: Final = {"required": "missing_field", "type": "wrong_type", "enum": "wrong_value", "const": "wrong_value"}
_Checked: Final[type[Validator]] = extend(  # type: ignore[no-untyped-call]
    Draft202012Validator, {"pattern": None, "patternProperties": None, "$dynamicRef": None}
)


class Malformed:
    """``malformed``: the declared format or a tool's schema is broken; the cause says how.

    About 4 us, 80 us with a call and its schema. Each of:

    - JSON is declared (``response_format``), and the text is none: in a code fence, with prose around it, or broken;
      or it breaks the declared schema;
    - the arguments of a tool call are no JSON object, or break the offered tool's schema;
    - tools are offered, and a call of one is written out inside a code fence at the text's beginning.

    A tool without a schema, or with one that is none, takes any object. ``pattern`` is not checked: a careless one
    would hold up the batch. Source: jsonschema, draft 2020-12; nothing is fetched for ``$ref``.
    """

    version: Final = 2

    def detect(self, turn: Turn, reply: Reply) -> Findings:
        """See :class:`shadow.failures.Detector`."""
        message = reply.message
        if message is None:
            return NOTHING
        cause = _cause(turn, message)
        return NOTHING if cause is None else {"malformed": cause}


def _cause(turn: Turn, message: Message) -> str | None:
    """What is broken, or None."""
    schemas = _schemas(turn) if turn.tools else {}
    if message.tool_calls:
        found = (_in_call(call.function, schemas) for call in message.tool_calls[:MAX_CALLS])
        return next((cause for cause in found if cause is not None), None)
    text = message.text
    declared = turn.response_format
    if declared and declared.get("type") in ("json_object", "json_schema"):
        return _in_text(text, declared)
    return "code_fence: a tool call written out as text" if schemas and _fenced_call(text, schemas) else None


def _schemas(turn: Turn) -> dict[str, Any]:
    functions = (tool.get("function") for tool in turn.tools)
    return {str(f.get("name")): f.get("parameters") for f in functions if isinstance(f, dict)}


def _in_call(call: FunctionCall, schemas: dict[str, Any]) -> str | None:
    """What is broken in a call's arguments."""
    if len(call.arguments) > MAX_CHARACTERS:
        return None if call.arguments.lstrip()[:1] == "{" else "not_json: arguments are no object"
    try:
        arguments = orjson.loads(call.arguments or "{}")
    except orjson.JSONDecodeError:
        return f"{_no_json(call.arguments)} in a call's arguments"
    if not isinstance(arguments, dict):
        return f"wrong_type: arguments are {_kind(arguments)}, not an object"
    return _misfit(arguments, schemas.get(call.name))


def _in_text(text: str, declared: dict[str, Any]) -> str | None:
    """What is broken in a text that should be what ``declared`` asks for."""
    if len(text) > MAX_CHARACTERS:
        return None if text.lstrip()[:1] in ("{", "[") else "prose_around: the text does not begin with JSON"
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError:
        return f"{_no_json(text)} where JSON is declared"
    wanted = declared.get("json_schema")
    schema = wanted.get("schema") if isinstance(wanted, dict) else None
    if schema is None:
        return None if isinstance(value, dict) else f"wrong_type: {_kind(value)}, not an object"
    return _misfit(value, schema)


def _no_json(text: str) -> str:
    """Why a text is no JSON, as far as it can be told."""
    if _FENCED.match(text):
        return "code_fence"
    if "\n```" in text:
        return "prose_around: a code fence within prose"
    start = text.lstrip()[:1]
    if start in ("{", "["):
        ended = text.rstrip()[-1:] in ("}", "]")
        whole = not ended and text.rfind({"{": "}", "[": "]"}[start]) > text.rfind(start)
        return "prose_around: prose after the JSON" if whole else "not_json"
    return "prose_around: prose before the JSON" if "{" in text and "}" in text else "not_json"


def _fenced_call(text: str, names: dict[str, Any]) -> bool:
    start = _FENCED.match(text)
    if start is None:
        return False
    inside = text[start.end() : start.end() + MAX_CHARACTERS]
    return any(name in inside for name in names)


def _misfit(value: Any, schema: Any) -> str | None:
    """The first way in which ``value`` breaks ``schema``; a schema that is none refuses nothing."""
    if not isinstance(schema, dict) or not schema:
        return None
    try:
        checked = _validator(orjson.dumps(schema))
        if checked.is_valid(value):
            return None
        broken = best_match(checked.iter_errors(value))
    except (SchemaError, UnknownType, Unresolvable, RecursionError, TypeError, ValueError, AttributeError):
        return None
    if broken is None:
        return None
    path = [str(part) for part in list(broken.absolute_path)[:MAX_DEPTH]]
    if broken.validator == "required":
        path += [name for name in broken.validator_value if name not in broken.instance][:1]
    cause = _CAUSES.get(str(broken.validator), f"schema ({broken.validator})")
    return f"{cause}: {'.'.join(path) or 'the whole'}"


def _kind(value: Any) -> str:
    """A JSON value's type, as people say it."""
    return {list: "a list", str: "a text", bool: "a truth value", dict: "an object"}.get(
        type(value), "a number or null"
    )


@lru_cache(maxsize=512)
def _validator(schema: bytes) -> Validator:
    parsed = orjson.loads(schema)
    Draft202012Validator.check_schema(parsed)
    checked: Validator = _Checked(parsed, registry=Registry())
    return checked
