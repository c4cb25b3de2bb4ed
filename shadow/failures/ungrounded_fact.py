"""Ungrounded fact: the arm states an amount, an identifier or a link that it cannot know."""

from __future__ import annotations

from functools import lru_cache
from itertools import combinations
from typing import Final

from shadow.events import Message, Reply, Turn
from shadow.failures import NOTHING, Findings
from shadow.text.context import squeezed
from shadow.text.facts import facts, numbers

MAX_CONTEXT: Final = 100_000
MAX_SUMMED: Final = 40


class UngroundedFact:
    """``ungrounded_fact``: an amount, identifier or link of the reply that stands nowhere in the turn.

    About 90 us.

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
        known = "\n".join(map(_all_of, turn.messages))
        if len(known) > MAX_CONTEXT:
            return NOTHING
        known_numbers, compact = _known(known)
        amounts = {value.partition(" ")[0] for kind, value in told if kind == "amount"}
        if amounts and not _reckoned(amounts, known_numbers):
            return {"ungrounded_fact": "an amount that stands nowhere in the turn"}
        others = ((kind, squeezed(value)) for kind, value in told if kind != "amount")
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


@lru_cache(maxsize=16)
def _known(text: str) -> tuple[frozenset[str], str]:
    """A turn's numbers and its squeezed text, shared by the replies to it."""
    return frozenset(numbers(text)), squeezed(text)


def _all_of(message: Message) -> str:
    return "\n".join([message.text, *(call.function.arguments for call in message.tool_calls or ())])
