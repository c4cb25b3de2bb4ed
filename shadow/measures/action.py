"""Action: do the two replies call other tools, or the same tools with other arguments, or in another order?"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from typing import Any, Final

import orjson
from rapidfuzz.distance import Indel

from shadow.events import Message, Score, ToolCall
from shadow.measures import Pair

NO_CALLS: Final = Score(abstained="no_tool_calls")
MAX_CALLS: Final = 64
MAX_ARGUMENTS: Final = 20_000
MAX_DEPTH: Final = 40
ORDER_WEIGHT: Final = 0.25

_ENUM: Final = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,39}\Z")

Call = tuple[str, Any]


class Action:
    """Share of the calls that differ: 1 for a call that only one side makes, else its share of differing arguments.

    Calls are aligned by name; equal ones in another order cost up to 0.25. Arguments are compared as data: key order,
    white space, ``5`` or ``5.0`` and the case of single words do not matter. About 60 us where both call. A side that
    calls while the other does not is 1. Abstains where neither side calls a tool.
    Source: own rules; order by rapidfuzz ``Indel``.
    """

    version: Final = 1

    def score(self, pairs: Sequence[Pair]) -> list[Score]:
        """See :class:`shadow.measures.Measure`."""
        return [
            self._one(pair.production, pair.arm) if pair.production.tool_calls or pair.arm.tool_calls else NO_CALLS
            for pair in pairs
        ]

    def _one(self, production: Message, arm: Message) -> Score:
        left, right = _calls(production.tool_calls), _calls(arm.tool_calls)
        if not left or not right:
            return Score.trusted(value=1.0, abstained=None)
        by_name: dict[str, tuple[list[int], list[int]]] = defaultdict(lambda: ([], []))
        for side, calls in enumerate((left, right)):
            for at, (name, _) in enumerate(calls):
                by_name[name][side].append(at)
        cost, total, partners = 0.0, 0, {}
        for mine, theirs in by_name.values():
            total += max(len(mine), len(theirs))
            cost += abs(len(mine) - len(theirs))
            for one, other in _aligned(mine, theirs, left, right):
                partners[one] = other
                cost += _distance(left[one][1], right[other][1])
        order = [partners[one] for one in sorted(partners)]
        moved = Indel.normalized_distance(order, sorted(order)) if order else 0.0
        value = 1.0 - (1.0 - cost / total) * (1.0 - ORDER_WEIGHT * moved)
        return Score.trusted(value=round(min(1.0, max(0.0, value)), 6), abstained=None)


def _calls(calls: list[ToolCall] | None) -> list[Call]:
    return [(call.function.name, _arguments(call.function.arguments)) for call in (calls or [])[:MAX_CALLS]]


def _arguments(text: str) -> Any:
    """The arguments in canonical form; text that is no JSON, or too long, stands for itself."""
    if len(text) > MAX_ARGUMENTS:
        return ("text", text)
    try:
        return _canonical(orjson.loads(text or "{}"))
    except orjson.JSONDecodeError:
        return ("text", " ".join(text.split()))


def _canonical(value: Any, depth: int = 0) -> Any:
    """``value`` so that equal data is equal in Python, and True is not 1."""
    if isinstance(value, dict):
        if depth >= MAX_DEPTH:
            return ("deep", orjson.dumps(value, option=orjson.OPT_SORT_KEYS))
        return {key: _canonical(inner, depth + 1) for key, inner in value.items()}
    if isinstance(value, list):
        if depth >= MAX_DEPTH:
            return ("deep", orjson.dumps(value, option=orjson.OPT_SORT_KEYS))
        return [_canonical(inner, depth + 1) for inner in value]
    if isinstance(value, str):
        return value.casefold() if _ENUM.match(value) else " ".join(value.split())
    return (type(value).__name__, value) if isinstance(value, bool) else value


def _aligned(mine: list[int], theirs: list[int], left: list[Call], right: list[Call]) -> list[tuple[int, int]]:
    """Calls of one name in pairs: equal ones first, the rest as they stand."""
    free, rest, found = list(theirs), [], []
    for one in mine:
        equal = next((other for other in free if left[one][1] == right[other][1]), None)
        if equal is None:
            rest.append(one)
        else:
            free.remove(equal)
            found.append((one, equal))
    return found + list(zip(rest, free, strict=False))


def _distance(left: Any, right: Any) -> float:
    """Share of the arguments that differ, 0..1."""
    if left == right:
        return 0.0
    if not isinstance(left, dict) or not isinstance(right, dict):
        return 1.0
    keys = left.keys() | right.keys()
    missing = object()
    differing = sum(bool(left.get(key, missing) != right.get(key, missing)) for key in keys)
    return differing / len(keys)
