"""Ungrounded fact: the arm states an amount, an identifier or a link that it cannot know."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from itertools import combinations
from typing import Final

from shadow.events import Message, Reply, Turn
from shadow.failures import NOTHING, Findings
from shadow.text.context import squeezed
from shadow.text.facts import facts, numbers

MAX_CONTEXT: Final = 100_000
MAX_SUMMED: Final = 40
SHORT: Final = 2_000


class UngroundedFact:
    """``ungrounded_fact``: an amount, identifier or link of the reply that stands nowhere in the turn.

    About 60 us.

    Conservative: an amount is grounded by its bare number, or as sum or difference of two numbers; plain numbers,
    dates and durations are not judged; nothing is, where the turn is longer than 100,000 characters.
    Source: ``shadow.text.facts``.
    """

    version: Final = 1

    def detect(self, turn: Turn, reply: Reply) -> Findings:
        """See :class:`shadow.failures.Detector`."""
        found = facts(reply.message.text).found if reply.message is not None else frozenset()
        told = [(kind, value) for kind, value in found if kind in ("amount", "identifier", "link")]
        if not told:
            return NOTHING
        texts = [text for message in turn.messages for text in _texts(message)]
        if sum(map(len, texts)) + len(texts) - 1 > MAX_CONTEXT:
            return NOTHING
        known = [(_short if len(text) <= SHORT else _long)(text) for text in texts]
        amounts = {value.partition(" ")[0] for kind, value in told if kind == "amount"}
        if amounts and not _reckoned(amounts, frozenset().union(*(numbers for numbers, _ in known))):
            return {"ungrounded_fact": "an amount that stands nowhere in the turn"}
        others = [(kind, squeezed(value)) for kind, value in told if kind != "amount"]
        compact = "".join([text for _, text in known]) if others else ""
        unknown = next((kind for kind, value in others if value not in compact), None)
        return NOTHING if unknown is None else {"ungrounded_fact": f"{unknown} that stands nowhere in the turn"}


def _reckoned(amounts: set[str], known: frozenset[str]) -> bool:
    """Whether each amount is a known number, zero, or a sum or difference of two."""
    rest = amounts - known - {"0"}
    if not rest:
        return True
    values = [float(number) for number in sorted(known) if len(number) <= MAX_SUMMED][:MAX_SUMMED]
    sums = {round(value, 2) for a, b in combinations(values, 2) for value in (a + b, abs(a - b))}
    return all(round(float(amount), 2) in sums for amount in rest)


def _texts(message: Message) -> Iterator[str]:
    """What a message says, and the arguments of its calls."""
    yield message.text
    for call in message.tool_calls or ():
        yield call.function.arguments


def _read(text: str) -> tuple[frozenset[str], str]:
    """The numbers of a text, and the text squeezed; no number reaches over a line's end."""
    return frozenset(numbers(text)), squeezed(text)


_short = lru_cache(maxsize=2_048)(_read)
_long = lru_cache(maxsize=32)(_read)
"""A system prompt stands in every turn, a message in all turns after it: each is read once."""
