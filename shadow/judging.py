"""Asks a judge about pairs, both orders of each: once for the same content, and within its budget's and time's bounds.

Whoever calls it brings ``ask``: how one question is put (the consumer's retries, or one plain call). What comes back is
a :class:`Ruling`: a judgement, or the reason why there is none.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final

from shadow.adapters import Adapter, AdapterError
from shadow.config import Judge, Price
from shadow.events import GenAI, Message, Turn
from shadow.measures import Pair
from shadow.measures.judge import Choice, Judged, JudgeError, content_key, identical, question, read

REMEMBERED: Final = 20_000
"""Judgements by content; the oldest are forgotten first."""

CHARACTERS_PER_TOKEN: Final = 4
IDENTICAL: Final = "identical"
ANSWERED: Final = "message"

Ask = Callable[[Turn], Awaitable[dict[str, Any]]]
"""Puts one question: the fields of a reply, ``message`` and ``gen_ai``, or ``failure``, or ``shed``."""


@dataclass(frozen=True, slots=True)
class Ruling:
    """What became of a pair: ``judged``, or ``reason`` (``identical``, or what failed); and what it took to know."""

    judged: Judged | None
    reason: str | None = None
    cost_usd: float = 0.0


class Bench:
    """Judges pairs; remembers what it has judged. Failures are not remembered: asked again, they may be none."""

    def __init__(self, judge: Judge, ask: Ask) -> None:
        self._price = judge.price
        self._ask = ask
        self._calls = asyncio.Semaphore(judge.max_in_flight)
        self._known: dict[str, Judged] = {}

    async def rule(self, pair: Pair) -> Ruling:
        """Ask in both orders, unless both replies are the same or their like has been judged."""
        if identical(pair):
            return Ruling(None, IDENTICAL)
        key = content_key(pair)
        if (known := self._known.get(key)) is not None:
            return Ruling(known)
        forward, backward = await asyncio.gather(
            self._choice(pair.turn, pair.production, pair.arm), self._choice(pair.turn, pair.arm, pair.production)
        )
        cost = forward[2] + backward[2]
        if forward[0] is None or backward[0] is None:
            return Ruling(None, forward[1] or backward[1], cost)
        judged = Judged(forward[0], backward[0])
        self._known[key] = judged
        while len(self._known) > REMEMBERED:
            del self._known[next(iter(self._known))]
        return Ruling(judged, None, cost)

    async def _choice(self, turn: Turn, first: Message, second: Message) -> tuple[Choice | None, str | None, float]:
        """One order's choice, or why there is none, and what it cost."""
        asked = question(turn, first, second)
        async with self._calls:
            fields = await self._ask(asked)
        message, gen_ai = fields.get(ANSWERED), fields.get("gen_ai") or GenAI()
        if message is None:
            failure = fields.get("failure")
            return None, failure.kind if failure is not None else str(fields.get("shed")), 0.0
        cost = cost_usd(self._price, gen_ai, asked, message)
        try:
            return read(message.text, gen_ai.finish_reasons), None, cost
        except JudgeError as error:
            return None, error.reason, cost


def cost_usd(price: Price, gen_ai: GenAI, asked: Turn, message: Message) -> float:
    """US dollars of one call; tokens that the server did not count are four characters each: never nothing."""
    counts = (
        (gen_ai.input_tokens, sum(len(one.text) for one in asked.messages), price.input_usd_per_million),
        (gen_ai.output_tokens, len(message.text), price.output_usd_per_million),
    )
    return sum(
        (characters / CHARACTERS_PER_TOKEN if tokens is None else tokens) * each / 1e6
        for tokens, characters, each in counts
    )


def plainly(adapter: Adapter, timeout_s: float) -> Ask:
    """An ``ask`` of one attempt, for a person who waits."""

    async def ask(turn: Turn) -> dict[str, Any]:
        try:
            async with asyncio.timeout(timeout_s):
                answer = await adapter.answer(turn)
        except AdapterError as error:
            return {"failure": error}
        except TimeoutError:
            return {"shed": "timeout"}
        return {ANSWERED: answer.message, "gen_ai": answer.gen_ai}

    return ask
