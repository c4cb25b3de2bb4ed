"""What each measure and each failure detector costs: ``python -m tests.benchmarks.plugins``. No broker, no process.

On typical support pairs in batches, no pair twice, so that nothing is remembered; the best of the rounds is
printed, in CPU time.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

from shadow import plugins
from shadow.config import Comparator
from shadow.events import Message, Reply, Turn
from shadow.measures import Pair
from tests.benchmarks.figure import Figure, Scale
from tests.fixtures import events

GOAL_US = 250.0
BATCH = 250
_TOOLS = [
    {"type": "function", "function": {"name": "get_order", "parameters": {"type": "object", "required": ["order"]}}}
]
_SYSTEM = "You are the support assistant of a shop. Refunds take 5 business days. Shipping costs 4.90 EUR. " * 4


def pairs(count: int, salt: int) -> list[tuple[Turn, Reply, Reply]]:
    """Different turns with two replies of forty words; one in ten calls a tool."""
    made = []
    for number in range(count):
        order, amount = f"AB-{salt}{number:05}", f"{20 + number % 70}.{number % 90 + 10}"
        asked = f"Where is my order {order}? I paid {amount} EUR on 3 May 2026 and have heard nothing since."
        messages = [Message(role="system", content=_SYSTEM), Message(role="user", content=asked)]
        turn = events.turn(f"c{salt}:{number}", messages=messages, tools=_TOOLS)
        one = (
            f"Thank you for your message. I looked it up for you: {order} was sent on 2026-05-04 and should reach you "
        )
        one += (
            f"in 2 business days. You paid {amount} EUR; the delivery was free. Let me know if you need anything else."
        )
        other = (
            f"I am sorry for the wait! Your order {order} left our warehouse on May 4th, 2026. The courier needs two "
        )
        other += f"business days. The amount of {amount} euros was received. Is there anything else I can do for you?"
        both = [events.reply(turn.turn_id, message=Message(role="assistant", content=text)) for text in (one, other)]
        if number % 10 == 0:
            call = {"function": {"name": "get_order", "arguments": f'{{"order": "{order}"}}'}}
            message = Message.model_validate({"role": "assistant", "tool_calls": [call]})
            both = [events.reply(turn.turn_id, message=message)] * 2
        made.append((turn, *both))
    return made


def costs(rounds: int) -> dict[str, float]:
    """Microseconds a pair of each default measure and each detector (for both of its replies)."""
    measures, detectors = plugins.measures([*Comparator().measures, "tone"]), plugins.detectors()
    best: dict[str, float] = {}
    for salt in range(rounds):
        batch = pairs(BATCH, salt)
        asked = [Pair(turn, *(one.message for one in both)) for turn, *both in batch]

        def timed(name: str, work: Callable[[], Any]) -> None:
            began = time.process_time()
            work()
            best[name] = min(best.get(name, 1e9), (time.process_time() - began) / BATCH * 1e6)

        for name, detector in detectors.items():
            timed(
                f"failure {name}",
                lambda d=detector, b=batch: [d.detect(turn, one) for turn, *both in b for one in both],
            )
        for name, measure in measures.items():
            timed(f"measure {name}", lambda m=measure, a=asked: m.score(a))
    return best


def figures(scale: Scale) -> Iterator[Figure]:
    """One line for each plug-in, then the defaults together."""
    found = costs(5 * scale.rounds)
    for name, cost in sorted(found.items(), key=lambda item: -item[1]):
        yield Figure(name, f"{cost:.1f} us", "", "a pair")
    total = sum(found.values()) - found["measure tone"]
    yield Figure("default measures and all detectors", f"{total:.0f} us", f"{GOAL_US:.0f} us", "a pair; goal")


if __name__ == "__main__":
    for figure in figures(Scale()):
        print(figure)
