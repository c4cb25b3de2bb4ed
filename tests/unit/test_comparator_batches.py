"""A long batch of the comparator leaves the loop to others in between: the heartbeat, the health checks."""

from __future__ import annotations

import asyncio

from consumers.comparator import AT_A_TIME, Comparator
from consumers.health import Health
from shadow.comparator.join import Held, Resolved
from shadow.config import Config
from shadow.metrics.exporter import Metrics
from shadow.topology import ARM_REPLIES, REPLIES, TURNS
from tests.fixtures.brokers import config_for
from tests.fixtures.events import NOW, reply, turn


def resolved(number: int) -> Resolved:
    asked, name = turn(f"t{number}"), f"t{number}"
    held = [
        Held(event.to_json(), (topic, number), NOW, event)
        for topic, event in ((TURNS, asked), (REPLIES, reply(name)), (ARM_REPLIES, reply(name, arm="cand")))
    ]
    return Resolved(0, held[0], "cand", "r1", held[1], held[2], expired=False)


async def test_the_loop_turns_while_a_long_batch_is_measured_and_all_of_it_is() -> None:
    """Measured at one go, it took longer than a session on a busy machine: thrown out, and begun again, for ever."""
    document = {**config_for("127.0.0.1:1").model_dump(), "comparator": {"measures": ["lexical"]}}
    comparator = Comparator(Config.model_validate(document), Metrics("comparator"), Health())
    turned = 0

    async def heart() -> None:
        nonlocal turned
        while True:
            turned += 1
            await asyncio.sleep(0)

    beating = asyncio.create_task(heart())
    found = await comparator._compare([resolved(number) for number in range(5 * AT_A_TIME + 1)], NOW)
    beating.cancel()
    assert [each.turn_id for each in found] == [f"t{number}" for number in range(5 * AT_A_TIME + 1)]
    assert turned >= 5
