"""Action: do the two replies call other tools, or the same tools with other arguments, or in another order?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Final

from rapidfuzz.distance import Indel

from shadow.events import Message, Score, ToolCall, Turn
from shadow.measures import Pair
from shadow.text.arguments import arguments, distance, without_defaults

NO_CALLS: Final = Score(abstained="no_tool_calls")
SAME: Final = Score(value=0.0)
MAX_CALLS: Final = 64
ORDER_WEIGHT: Final = 0.25

Call = tuple[str, Any]


class Action:
    """Share of the calls that differ: 1 for a call that only one side makes, else its share of differing arguments.

    Calls are aligned by name; tools in another order cost up to 0.25, calls of one tool among themselves nothing.
    Arguments are compared by meaning (``shadow.text.arguments``): case, key order, ``5`` or ``5.0``, a date's format, a
    default that is written out do not matter; of free text, wording counts half. About 60 us where both call. A side
    that calls while the other does not is 1. Abstains where neither side calls a tool.
    Source: own rules; order by rapidfuzz ``Indel``.
    """

    version: Final = 2

    def score(self, pairs: Sequence[Pair]) -> list[Score]:
        """See :class:`shadow.measures.Measure`."""
        return [
            self._one(pair.turn, pair.production, pair.arm)
            if pair.production.tool_calls or pair.arm.tool_calls
            else NO_CALLS
            for pair in pairs
        ]

    def _one(self, turn: Turn, production: Message, arm: Message) -> Score:
        left, right = _calls(production.tool_calls), _calls(arm.tool_calls)
        if left == right:
            return SAME
        if not left or not right:
            return Score.trusted(value=1.0, abstained=None)
        schemas = _schemas(turn)
        left, right = _meant(left, schemas), _meant(right, schemas)
        cost, total = 0.0, 0
        for name in {name for name, _ in left + right}:
            mine, theirs = _of_tool(name, left), _of_tool(name, right)
            total += max(len(mine), len(theirs))
            cost += abs(len(mine) - len(theirs)) + _apart(mine, theirs)
        value = 1.0 - (1.0 - cost / total) * (1.0 - ORDER_WEIGHT * _moved(left, right))
        return Score.trusted(value=round(min(1.0, max(0.0, value)), 6), abstained=None)


def _calls(calls: list[ToolCall] | None) -> list[Call]:
    return [(call.function.name, arguments(call.function.arguments)) for call in (calls or [])[:MAX_CALLS]]


def _schemas(turn: Turn) -> dict[str, Any]:
    """Each offered tool's parameters, by its name."""
    functions = (tool.get("function") for tool in turn.tools)
    return {str(each.get("name")): each.get("parameters") for each in functions if isinstance(each, dict)}


def _meant(calls: list[Call], schemas: Mapping[str, Any]) -> list[Call]:
    return [(name, without_defaults(given, schemas.get(name))) for name, given in calls]


def _of_tool(name: str, calls: list[Call]) -> list[Any]:
    return [given for called, given in calls if called == name]


def _apart(mine: list[Any], theirs: list[Any]) -> float:
    """Distances of one tool's calls, in pairs: equal ones first, the rest as they stand."""
    free, rest = list(theirs), []
    for one in mine:
        if one in free:
            free.remove(one)
        else:
            rest.append(one)
    return sum(distance(one, other) for one, other in zip(rest, free, strict=False))


def _moved(left: list[Call], right: list[Call]) -> float:
    """How far the tools that both call are in another order, 0..1."""
    names, others = [name for name, _ in left], [name for name, _ in right]
    both = Counter(names) & Counter(others)
    return Indel.normalized_distance(_first(names, both), _first(others, both)) if both else 0.0


def _first(names: list[str], counts: Counter[str]) -> list[str]:
    """``names`` without what exceeds ``counts``."""
    left, kept = Counter(counts), []
    for name in names:
        if left[name] > 0:
            left[name] -= 1
            kept.append(name)
    return kept
