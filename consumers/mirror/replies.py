"""Writes the arm's replies, one record a sampled turn; a turn is done when the broker has stored its reply."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

from consumers.mirror.partition import Item
from consumers.stream import Stream
from shadow.config import Arm
from shadow.events import RecordRef
from shadow.mirror.budget import Budget
from shadow.mirror.replies import arm_reply
from shadow.topology import ARM_REPLIES


class Replies:
    """The replies on their way to the broker; ``failed`` is told of one that it does not take."""

    def __init__(self, arm: Arm, budget: Budget, stream: Stream, failed: Callable[[BaseException], object]) -> None:
        self._arm = arm
        self._revision = arm.revision
        self._budget = budget
        self._stream = stream
        self._failed = failed
        self._writes: dict[asyncio.Future[Any], Item] = {}

    async def write(self, item: Item, **fields: Any) -> None:
        """Hand the reply to the producer, with what ``fields`` say: a message, a failure or a shed reason, figures."""
        turn, part = item.turn, item.part
        reply, value = arm_reply(
            turn,
            arm=self._arm.name,
            revision=self._revision,
            at_s=time.time(),
            ref=RecordRef.trusted(partition=part.number, offset=item.offset),
            said=fields,
        )
        self._budget.spend(part.number, reply.cost_usd or 0.0, reply.occurred_at)
        write = await self._stream.producer.send(
            ARM_REPLIES, value, key=turn.conversation_id.encode(), partition=part.number
        )
        self._writes[write] = item
        write.add_done_callback(self._written)

    async def settle(self) -> None:
        """Wait until the broker has answered for all that was written."""
        await asyncio.gather(*self._writes)

    def _written(self, write: asyncio.Future[Any]) -> None:
        item = self._writes.pop(write)
        if write.cancelled():
            return
        if (error := write.exception()) is not None:
            self._failed(error)
            return
        answered = item.part.answered
        answered.stored(item.turn.turn_id, item.offset, write.result().offset)
        answered.forget(item.part.done(item.offset).position)
