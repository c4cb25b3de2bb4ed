"""Ungrounded fact: the arm states an amount, an identifier or a link that it cannot know."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

from shadow.events import Reply, Turn
from shadow.failures import NOTHING, Findings
from shadow.text.context import squeezed
from shadow.text.fact_values import numbers
from shadow.text.facts import facts

MAX_CONTEXT: Final = 100_000
MAX_RECKONED: Final = 400
MAX_DIGITS: Final = 40
SHORT: Final = 2_000
MOST_TIMES: Final = 12
MIN_OWNER: Final = 4
"""Letters of a site's name; shorter ones stand in many words by chance."""

_ARCHIVED: Final = re.compile(r"^web\.archive\.org/web/\d{1,14}/(?:https?://)?(?:www\.)?")
_SECOND_LEVEL: Final = frozenset({"ac", "co", "com", "gov", "net", "org"})


class UngroundedFact:
    """``ungrounded_fact``: an amount, identifier or link of the reply that stands nowhere in the turn.

    About 60 us.

    Conservative: an amount is grounded by its bare number, as sum or difference of two numbers, or as a multiple of
    one; a link also by its site, if the turn names it. Plain numbers, dates and durations are not judged; nothing is,
    where the turn is longer than 100,000 characters.
    Source: ``shadow.text.facts``.
    """

    version: Final = 2

    def detect(self, turn: Turn, reply: Reply) -> Findings:
        """See :class:`shadow.failures.Detector`."""
        found = facts(reply.message.text).found if reply.message is not None else frozenset()
        told = [(kind, value) for kind, value in found if kind in ("amount", "identifier", "link")]
        if not told:
            return NOTHING
        texts = _texts(turn)
        if sum(map(len, texts)) + len(texts) - 1 > MAX_CONTEXT:
            return NOTHING
        known = [(_short if len(text) <= SHORT else _long)(text) for text in texts]
        amounts = {value.partition(" ")[0] for kind, value in told if kind == "amount"}
        if amounts and not _reckoned(amounts, frozenset().union(*(numbers for numbers, _ in known))):
            return {"ungrounded_fact": "an amount that stands nowhere in the turn"}
        others = [(kind, value) for kind, value in told if kind != "amount"]
        compact = "".join([text for _, text in known]) if others else ""
        unknown = next((kind for kind, value in others if not _stands(kind, value, compact)), None)
        return NOTHING if unknown is None else {"ungrounded_fact": f"{unknown} that stands nowhere in the turn"}


def _stands(kind: str, value: str, compact: str) -> bool:
    if kind == "link":
        value = _ARCHIVED.sub("", value)
    return squeezed(value) in compact or (kind == "link" and _is_ours(value, compact))


def _reckoned(amounts: set[str], known: frozenset[str]) -> bool:
    """Whether each amount is a known number, zero, a sum or difference of two, or a small multiple of one."""
    rest = amounts - known - {"0"}
    if not rest:
        return True
    exact = {round(float(number), 2) for number in sorted(known)[:MAX_RECKONED] if len(number) <= MAX_DIGITS}
    return all(len(amount) <= MAX_DIGITS and _follows(float(amount), exact) for amount in rest)


def _follows(amount: float, known: set[float]) -> bool:
    two = any(round(amount - one, 2) in known or round(amount + one, 2) in known for one in known)
    return two or any(round(amount / times, 2) in known for times in range(2, MOST_TIMES + 1))


def _is_ours(link: str, compact: str) -> bool:
    """Whether the turn names whose site it is: ``help.acme.com`` where somebody speaks of Acme or ``@AcmeSupport``."""
    labels = link.partition("/")[0].partition(":")[0].split(".")[:-1]
    while labels and labels[-1] in _SECOND_LEVEL:
        labels.pop()
    owner = squeezed(labels[-1]) if labels else ""
    return len(owner) >= MIN_OWNER and owner in compact


def _texts(turn: Turn) -> list[str]:
    """What each message says, and the arguments of its calls."""
    texts = []
    for message in turn.messages:
        texts.append(message.text)
        if message.tool_calls:
            texts += [call.function.arguments for call in message.tool_calls]
    return texts


def _read(text: str) -> tuple[frozenset[str], str]:
    """The numbers of a text, and the text squeezed; no number reaches over a line's end."""
    return frozenset(numbers(text)), squeezed(text)


_short = lru_cache(maxsize=2_048)(_read)
_long = lru_cache(maxsize=32)(_read)
"""A system prompt stands in every turn, a message in all turns after it: each is read once."""
