"""Arguments of a tool call as comparable data: what means the same is equal, whoever wrote it.

Knows nothing of calls or turns: a value comes in, its comparable form or a distance comes out.
"""

from __future__ import annotations

import re
from typing import Any, Final

import orjson
from rapidfuzz.distance import Indel

from shadow.text.facts import date_of

MAX_CHARACTERS: Final = 20_000
MAX_DEPTH: Final = 40
MAX_DESCRIPTION: Final = 1_000
MAX_DEFAULT: Final = 60
FREE_TEXT_WORDS: Final = 4
"""From so many words on, two texts are wordings rather than values, ..."""
FREE_TEXT_WEIGHT: Final = 0.5
"""... and no words in common make half a difference, as long as they hold the same digits."""

_JOINTS: Final = re.compile(r"(?<=[^\W\d_])[-_]+(?=[^\W\d_])")
_QUOTES: Final = str.maketrans("", "", "'\"`’‘“”")
_DIGITS: Final = re.compile(r"\d+")
_DEFAULT: Final = re.compile(
    r"\bdefault(?:s|ed|ing)?\b(?: value| values)?(?:[ ]?(?:is|are|to|of|=|:)){0,2}(?: set to| be)?"
)
_EMPTY: Final[tuple[Any, ...]] = (None, "", [], {})
_MISSING: Final = object()


def arguments(text: str) -> Any:
    """A call's arguments, JSON as a model wrote it, in comparable form.

    Text that is no JSON, or longer than 20,000 characters, stands for itself.
    """
    if len(text) > MAX_CHARACTERS:
        return ("text", text)
    try:
        return comparable(orjson.loads(text or "{}"))
    except orjson.JSONDecodeError:
        return ("text", " ".join(text.split()))


def comparable(value: Any, depth: int = 0) -> Any:
    """``value`` so that equal meaning is equality in Python: ``5`` and ``5.0``, but not ``True`` and ``1``.

    Of a text, case, quotes, white space and what joins words (``round_trip``, ``round-trip``) do not matter; a text
    that is a date stands for the day. A list of texts has no order. Deeper than 40 levels, the JSON text stands for
    the value.
    """
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, dict | list):
        if depth >= MAX_DEPTH:
            return ("deep", orjson.dumps(value, option=orjson.OPT_SORT_KEYS))
        if isinstance(value, dict):
            return {key: comparable(inner, depth + 1) for key, inner in value.items()}
        inner = [comparable(each, depth + 1) for each in value]
        return sorted(inner) if all(isinstance(each, str) for each in inner) else inner
    return (type(value).__name__, value) if isinstance(value, bool) else value


def without_defaults(given: Any, schema: Any) -> Any:
    """``given``, a value of :func:`arguments`, without what is as good as left out.

    That is an argument that is empty, or that ``schema``, the tool's parameters, calls the default: as ``default``, or
    in the words of the description. A required argument stays.
    """
    if not isinstance(given, dict):
        return given
    declared, required = (
        (schema.get("properties"), schema.get("required")) if isinstance(schema, dict) else (None, None)
    )
    properties = declared if isinstance(declared, dict) else {}
    kept = required if isinstance(required, list) else []
    return {
        key: value
        for key, value in given.items()
        if key in kept or not (value in _EMPTY or _is_default(value, properties.get(key)))
    }


def distance(left: Any, right: Any) -> float:
    """Share of the arguments that differ, 0..1, of two values of :func:`arguments`; free text counts by its wording."""
    if left == right:
        return 0.0
    if not isinstance(left, dict) or not isinstance(right, dict):
        return 1.0
    keys = left.keys() | right.keys()
    return sum(_of_values(left.get(key, _MISSING), right.get(key, _MISSING)) for key in keys) / len(keys)


def _text(value: str) -> Any:
    text = " ".join(_JOINTS.sub(" ", value.translate(_QUOTES).casefold()).split())
    if text[-1:].isdigit() or text[:1].isdigit():
        return date_of(text) or text
    return text


def _of_values(left: Any, right: Any) -> float:
    if left == right:
        return 0.0
    if not isinstance(left, str) or not isinstance(right, str):
        return 1.0
    words, others = left.split(), right.split()
    if min(len(words), len(others)) < FREE_TEXT_WORDS or _DIGITS.findall(left) != _DIGITS.findall(right):
        return 1.0
    return FREE_TEXT_WEIGHT * Indel.normalized_distance(words, others)


def _is_default(value: Any, declared: Any) -> bool:
    """Whether ``value``, in comparable form, is what the tool takes where the argument is left out."""
    if not isinstance(declared, dict):
        return False
    if "default" in declared and comparable(declared["default"]) == value:
        return True
    said = declared.get("description")
    if not isinstance(said, str) or "default" not in said.lower():
        return False
    plain = value[1] if isinstance(value, tuple) else value
    if not isinstance(plain, str | int | float):
        return False
    wanted = _words(str(plain))
    if not 0 < len(wanted) <= MAX_DEFAULT:
        return False
    words = f" {_words(said[:MAX_DESCRIPTION])} "
    after = (words[match.end() : match.end() + len(wanted) + 2] for match in _DEFAULT.finditer(words))
    return f" {wanted} as default " in words or any(_begins(rest, wanted) for rest in after)


def _begins(text: str, wanted: str) -> bool:
    return text.startswith(f" {wanted}") and not (text[len(wanted) + 1 :] or " ")[0].isalnum()


def _words(text: str) -> str:
    """``text`` in one case, without quotes and without a full stop or bracket after a word."""
    plain = _JOINTS.sub(" ", text.translate(_QUOTES).casefold())
    return " ".join(word.strip("().,;") for word in plain.split())
