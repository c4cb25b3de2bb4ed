"""Asks one arm as its mirror would: attempts, time-outs, kinds of failure, pace; but what is late is not shed."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from shadow.adapters import Adapter
from shadow.adapters.recorded import Recorded
from shadow.asking import Asker
from shadow.backtest.budget import Spent
from shadow.backtest.journal import Journal
from shadow.config import Arm
from shadow.events import RecordRef, Reply, Turn
from shadow.metrics.exporter import Metrics
from shadow.mirror.admission import Admission
from shadow.mirror.replies import arm_reply

DOWN: Final = frozenset({"timeout", "provider_error", "rate_limited"})
"""What an arm that is down looks like."""

PROBES: Final = 3
"""Turns that may fail after the breaker has opened; then the arm is taken for down."""

WAIT_S: Final = 0.1

NOWHERE: Final = RecordRef(partition=0, offset=0)
"""Turns of a history lie in no broker."""


@dataclass(frozen=True, slots=True)
class Answered:
    """A reply, or None where none was recorded. ``order``: when it was asked for; ``good``: it does not look DOWN."""

    reply: Reply | None
    order: int
    good: bool = True


class Lane:
    """One arm's calls. Replies are kept in ``journal`` as they come, ``spent`` is shared by all arms."""

    def __init__(self, arm: Arm, adapter: Adapter, *, replies: Recorded | None, journal: Journal, spent: Spent) -> None:
        self.arm, self.revision = arm, arm.revision
        self._replies = replies
        self._journal, self._spent = journal, spent
        self._admission = Admission(arm.limits.model_copy(update={"usd_per_day": None}), partitions=1)
        self._asker = Asker(arm, adapter, self._admission.breaker, Metrics("backtest"))
        self._room = asyncio.Semaphore(arm.limits.max_in_flight)
        self._order = self._last_good = 0
        self._held: list[tuple[int, Reply, bytes]] = []
        self.asked = self.found = 0
        self.last_failure = ""

    @property
    def down(self) -> bool:
        """Whether so many turns asked in a row have failed that the arm, or the way to it, is out of order.

        In a row by when they were asked, not by when they came back: time-outs come late, and side by side.
        """
        return len(self._held) >= self.arm.limits.breaker_failures + PROBES

    @property
    def left_alone(self) -> bool:
        """Whether its last calls have failed, so that only a probe is let through now and then."""
        return self._admission.breaker.open

    def settled(self, answered: Answered) -> bool:
        """Whether a failure is the reply's own: the arm has answered a turn that it was asked later."""
        return answered.good or answered.order <= self._last_good

    def settle(self) -> None:
        """Keep the last failures as well: nothing more is asked, and the arm is not down."""
        self._settle(self._order)

    async def answer(self, turn: Turn, stopped: Callable[[], bool]) -> Answered | None:
        """The arm's answer: kept from before, else asked for; None if ``stopped()`` says that no call may be made."""
        known = self._journal.find((turn.turn_id, self.arm.name, self.revision))
        if known is not None:
            self.found += 1
            return Answered(known, 0)
        if self._replies is not None and self._replies.find(turn.turn_id) is None:
            return Answered(None, 0)
        async with self._room:
            self._order += 1
            order = self._order
            said = await self._ask(turn, stopped)
        if said is None:
            return None
        reply, value = arm_reply(
            turn, arm=self.arm.name, revision=self.revision, at_s=time.time(), ref=NOWHERE, said=said
        )
        return self._keep(order, reply, value)

    async def close(self) -> None:
        """Close the adapter's connections."""
        await self._asker.close()

    async def _ask(self, turn: Turn, stopped: Callable[[], bool]) -> dict[str, Any] | None:
        """A reply's fields. Where the mirror would shed for the breaker or its own pace, this waits."""
        size = len(turn.to_json())
        while not stopped() and not self.down:
            reason = self._admission.decide(paused=False, turn_bytes=size, age_s=0.0, now_s=time.time())
            if reason == "breaker":
                await asyncio.sleep(WAIT_S)
                continue
            if reason is not None:
                return {"shed": reason, "attempts": 0}
            self._spent.under_way += 1
            try:
                said = await self._asker.ask(turn)
            finally:
                self._spent.under_way -= 1
            if "shed" not in said:
                self._spent.paid(said.get("cost_usd") or 0.0)
                self.asked += 1
                return said
            await asyncio.sleep(WAIT_S)  # the arm's own pace: it sheds without waiting, and others need the loop
        return None

    def _keep(self, order: int, reply: Reply, value: bytes) -> Answered:
        """A failure that may mean that the arm is down is kept once it has answered a turn that it was asked later."""
        if self._replies is not None:
            return Answered(reply, order)
        if reply.failure is not None and reply.failure.kind in DOWN:
            self._held.append((order, reply, value))
            self.last_failure = f"{reply.failure.kind}: {reply.failure.detail}"
            self._settle(self._last_good)
            return Answered(reply, order, good=False)
        self._journal.add(reply, value)
        if reply.shed is None:
            self._settle(order)
        return Answered(reply, order)

    def _settle(self, good: int) -> None:
        """The arm has answered what it was asked as number ``good``: earlier failures are its own."""
        self._last_good = max(self._last_good, good)
        for order, reply, value in self._held:
            if order <= self._last_good:
                self._journal.add(reply, value)
        self._held = [each for each in self._held if each[0] > self._last_good]
