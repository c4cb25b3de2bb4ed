"""A long batch of the comparator leaves the loop to others in between: the heartbeat, the health checks."""

from __future__ import annotations

import asyncio
from typing import Any

import consumers.comparator
from consumers.comparator import AT_A_TIME, Comparator
from consumers.health import Health
from shadow.comparator.compare import Compared, compare
from shadow.comparator.join import Held, Resolved
from shadow.config import Config
from shadow.metrics.exporter import Metrics
from shadow.topology import ARM_REPLIES, REPLIES, TURNS
from tests.fixtures.brokers import config_for
from tests.fixtures.events import NOW, reply, turn


def resolved(number: int, *arms: str) -> list[Resolved]:
    asked, name = turn(f"t{number}"), f"t{number}"
    one, two = (Held(event.to_json(), (topic, number), NOW, event) for topic, event in
                ((TURNS, asked), (REPLIES, reply(name))))  # fmt: skip
    three = {arm: reply(name, arm=arm) for arm in arms}
    held = {arm: Held(event.to_json(), (ARM_REPLIES, number), NOW, event) for arm, event in three.items()}
    return [Resolved(0, one, arm, "r1", two, held[arm], expired=False) for arm in arms]


def comparator() -> Comparator:
    document = {**config_for("127.0.0.1:1").model_dump(), "comparator": {"measures": ["lexical"]}}
    return Comparator(Config.model_validate(document), Metrics("comparator"), Health())


async def test_the_loop_turns_while_a_long_batch_is_measured_and_all_of_it_is() -> None:
    """Measured at one go, it took longer than a session on a busy machine: thrown out, and begun again, for ever."""
    turned = 0

    async def heart() -> None:
        nonlocal turned
        while True:
            turned += 1
            await asyncio.sleep(0)

    beating = asyncio.create_task(heart())
    pairs = [pair for number in range(5 * AT_A_TIME + 1) for pair in resolved(number, "cand")]
    found = await comparator()._compare(pairs, NOW)
    beating.cancel()
    assert [each.turn_id for each in found] == [f"t{number}" for number in range(5 * AT_A_TIME + 1)]
    assert turned >= 5


async def test_what_the_arms_of_a_turn_share_is_read_once_however_long_the_batch(monkeypatch) -> None:
    """Arm by arm, as replies come; the turn, its slices and production's side are the same for all of them."""
    turns, pieces = 2 * AT_A_TIME, []

    def seen(some: list[Resolved], **settings: Any) -> Compared:
        pieces.append(some)
        return compare(some, **settings)

    monkeypatch.setattr(consumers.comparator, "compare", seen)
    both = [resolved(number, "better", "worse") for number in range(turns)]
    found = await comparator()._compare([pair[arm] for arm in (0, 1) for pair in both], NOW)
    assert len(found) == 2 * turns
    assert len(pieces) == 4
    assert sum(len({id(each.turn) for each in some}) for some in pieces) == turns
