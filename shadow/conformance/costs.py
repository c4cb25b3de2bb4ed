"""What each plug-in costs on typical support pairs: microseconds of processor time, the best of several rounds."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from shadow.conformance.samples import TOOLS, message, reply, turn
from shadow.events import Message, Reply, Turn
from shadow.measures import Pair

BATCH: Final = 250
_SYSTEM: Final = "You are the support assistant of a shop. Refunds take 5 business days. Shipping costs 4.90 EUR. " * 4


@dataclass(frozen=True, slots=True)
class Cost:
    """One plug-in's microseconds: a pair for measures, both replies of a pair for detectors, a turn for slicers."""

    family: str
    name: str
    us: float


def pairs(count: int, salt: int) -> list[tuple[Turn, Reply, Reply]]:
    """Different turns, the second of their conversations, with two replies of forty words; one in ten calls a tool."""
    made = []
    for number in range(count):
        order, amount = f"AB-{salt}{number:05}", f"{20 + number % 70}.{number % 90 + 10}"
        asked = f"Where is my order {order}? I paid {amount} EUR on 3 May 2026 and have heard nothing since."
        messages = [
            Message(role="system", content=_SYSTEM),
            Message(role="user", content=f"Hello, this is customer {salt}-{number}, can you help me?"),
            Message(role="assistant", content="Of course. What would you like to know?"),
            Message(role="user", content=asked),
        ]
        said = turn(turn_id=f"c{salt}:{number}", messages=messages, turn_index=1, tools=TOOLS[:1])
        one = message(
            f"Thank you for your message. I looked it up for you: {order} was sent on 2026-05-04 and should reach you "
            f"in 2 business days. You paid {amount} EUR; the delivery was free. Let me know if you need anything else."
        )
        other = message(
            f"I am sorry for the wait! Your order {order} left our warehouse on May 4th, 2026. The courier needs two "
            f"business days. The amount of {amount} euros was received. Is there anything else I can do for you?"
        )
        if number % 10 == 0:
            one = other = message(None, f'{{"order": "{order}"}}')
        made.append((said, reply(one, said.turn_id), reply(other, said.turn_id)))
    return made


def costs(plugins: Mapping[str, Mapping[str, Any]], rounds: int) -> list[Cost]:
    """The cost of each of ``plugins`` (family to name to instance), dearest first.

    No pair comes twice: nothing is remembered but what two plug-ins read of one text, and common words.
    """
    best: dict[tuple[str, str], float] = {}
    for salt in range(rounds):
        batch = pairs(BATCH, salt)
        asked = [Pair(said, *(one.message for one in both if one.message)) for said, *both in batch]
        for family, found in plugins.items():
            for name, plugin in found.items():
                took = _timed(family, plugin, batch, asked)
                best[family, name] = min(took, best.get((family, name), took))
    found_costs = [Cost(family, name, took / BATCH * 1e6) for (family, name), took in best.items()]
    return sorted(found_costs, key=lambda cost: -cost.us)


def _timed(family: str, plugin: Any, batch: Sequence[tuple[Turn, Reply, Reply]], asked: Sequence[Pair]) -> float:
    began = time.process_time()
    if family == "shadow.measures":
        plugin.score(asked)
    elif family == "shadow.failures":
        for said, one, other in batch:
            plugin.detect(said, one)
            plugin.detect(said, other)
    else:
        for said, _, _ in batch:
            plugin.slices(said)
    return time.process_time() - began
