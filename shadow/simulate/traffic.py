"""Live traffic: simulated customers talk to a simulated production, and the Tap records it as it would in earnest.

Open loop: turn ``k`` is due at ``k / rate``, whether production has answered the turns before or not, so a slow
production does not lower the rate. What cannot be started is counted (``behind``), never delayed silently.

A turn's reply is production's first message. Where that is a tool call, the shop's result and the words that follow
it are history of the next turn.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import math
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

import aiohttp

from shadow.simulate import customers
from shadow.simulate.draw import digest
from shadow.simulate.production import MODEL, Answer, Production, ProductionError
from shadow.tap import Tap

OPEN_PER_RATE: Final = 2
MIN_OPEN: Final = 8
MAX_OPEN: Final = 200
FLUSH_S: Final = 30.0
UNANSWERED: Final = (ProductionError, TimeoutError, aiohttp.ClientError)


@dataclass(slots=True)
class Talk:
    """One conversation under way."""

    conversation_id: str
    number: int
    customer: customers.Customer
    history: list[dict[str, Any]] = field(default_factory=lambda: [{"role": "system", "content": customers.SYSTEM}])
    turn: int = 0

    @property
    def ended(self) -> bool:
        """Whether the customer has said everything."""
        return self.turn >= len(self.customer.messages)


@dataclass(slots=True)
class Totals:
    """What a run did. ``behind``: turns that were due and could not be started."""

    conversations: int = 0
    turns: int = 0
    replies: int = 0
    failures: int = 0
    behind: int = 0
    dropped: dict[str, int] = field(default_factory=dict)
    flushed: bool = True
    seconds: float = 0.0


class Traffic:
    """One run: ``rate`` turns per second, for ``seconds`` or until ``conversations`` have ended, whichever is first.

    The conversations are those of ``seed``, the same in every run; ``run_id`` keeps their ids apart.
    """

    def __init__(
        self,
        tap: Tap,
        production: Production,
        *,
        rate: float,
        seed: int,
        run_id: str,
        conversations: int | None = None,
        seconds: float | None = None,
        max_in_flight: int = 256,
    ) -> None:
        self._tap, self._production = tap, production
        self._rate, self._seed, self._run_id = rate, seed, run_id
        self._limit, self._seconds, self._max_in_flight = conversations, seconds, max_in_flight
        self._ready: deque[Talk] = deque()
        self._running: set[asyncio.Task[None]] = set()
        self._open = 0
        self._wanted_open = min(MAX_OPEN, max(MIN_OPEN, OPEN_PER_RATE * rate))
        self.totals = Totals()

    async def run(self) -> Totals:
        """Drive it to the end, flush the Tap; the totals."""
        started, slot = time.monotonic(), 0
        while not self._over(slot):
            await asyncio.sleep(max(0.0, slot / self._rate - (time.monotonic() - started)))
            if len(self._running) >= self._max_in_flight:
                await asyncio.wait(self._running, return_when=asyncio.FIRST_COMPLETED)
                slot = self._skip_to(slot, (time.monotonic() - started) * self._rate)
            elif self._seconds is not None and time.monotonic() - started > self._seconds:
                slot = self._skip_to(slot, self._seconds * self._rate)
            else:
                self._start_turn()
                slot += 1
        await asyncio.gather(*self._running)
        self.totals.seconds = time.monotonic() - started
        self.totals.flushed = await asyncio.to_thread(self._tap.flush, FLUSH_S)
        self.totals.dropped = {reason: n for reason, n in self._tap.stats().dropped.items() if n}
        return self.totals

    def _over(self, slot: int) -> bool:
        if self._seconds is not None and slot >= self._seconds * self._rate:
            return True
        return self._limit is not None and self.totals.conversations >= self._limit and not self._open

    def _skip_to(self, slot: int, due: float) -> int:
        """The slot that is due now; those passed over could not be used and are counted."""
        if self._seconds is not None:
            due = min(due, self._seconds * self._rate)
        skipped = max(0, math.ceil(due) - slot)
        self.totals.behind += skipped
        return slot + skipped

    def _start_turn(self) -> None:
        """Use one slot of the schedule. With all conversations started and none waiting, there is nothing to start."""
        talk = self._next()
        if talk is not None:
            task = asyncio.create_task(self._turn(talk))
            self._running.add(task)
            task.add_done_callback(self._running.discard)

    def _next(self) -> Talk | None:
        """A new conversation while few are open or none waits, else the one that has waited longest."""
        may_start = self._limit is None or self.totals.conversations < self._limit
        if may_start and (self._open < self._wanted_open or not self._ready):
            number = self.totals.conversations
            self.totals.conversations += 1
            self._open += 1
            return Talk(f"sim-{self._run_id}-{number}", number, customers.customer(self._seed, number))
        return self._ready.popleft() if self._ready else None

    async def _turn(self, talk: Talk) -> None:
        """One customer message: record the turn, ask production, record its reply, go on."""
        customer = talk.customer
        talk.history.append({"role": "user", "content": customer.messages[talk.turn]})
        self.totals.turns += 1
        message = None
        try:
            with self._tap.call(
                conversation_id=talk.conversation_id,
                messages=talk.history,
                turn_index=talk.turn,
                tools=customer.tools,
                metadata=customer.metadata,
                gen_ai={"gen_ai.provider.name": "shadow.simulate", "gen_ai.request.model": MODEL},
            ) as call:
                answer = await self._ask(talk, "first", call.first_token)
                call.reply(answer.message, gen_ai=answer.gen_ai, cost_usd=answer.cost_usd)
            message = answer.message
            self.totals.replies += 1
        except UNANSWERED:  # recorded by the Tap; the customer goes on
            self.totals.failures += 1
        if message is not None:
            await self._follow(talk, message)
        talk.turn += 1
        if talk.ended:
            self._open -= 1
        else:
            self._ready.append(talk)

    async def _ask(self, talk: Talk, step: str, first_token: Callable[[], None]) -> Answer:
        seed = int.from_bytes(digest(self._seed, talk.number, talk.turn, step)[:4])
        return await self._production.answer(talk.history, talk.customer.tools, seed=seed, first_token=first_token)

    async def _follow(self, talk: Talk, message: dict[str, Any]) -> None:
        """Put production's message into the history; after a tool call the shop's result and what is said then."""
        calls = message.get("tool_calls") or ()
        talk.history.append(message)
        for call in calls:
            result = customers.tool_result(call["function"]["name"], talk.customer.facts)
            talk.history.append({"role": "tool", "tool_call_id": call["id"], "content": json.dumps(result)})
        if calls:
            with contextlib.suppress(*UNANSWERED):  # no part of the recorded reply
                talk.history.append((await self._ask(talk, "then", lambda: None)).message)
