"""What each measure, failure detector and slicer costs: ``python -m tests.benchmarks.plugins``. No broker, no process.

On typical support pairs in batches, no pair twice: nothing is remembered but what two plug-ins read of one text, the
system prompt and common words. The best of the rounds is printed, in CPU time.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

from shadow import plugins
from shadow.config import Comparator, Slices
from shadow.events import Message, Reply, Turn
from shadow.measures import Pair
from tests.benchmarks.figure import Figure, Scale
from tests.fixtures import events

GOAL_US = 250.0
SLICERS_GOAL_US = 30.0
BATCH = 250
_TOOLS = [
    {"type": "function", "function": {"name": "get_order", "parameters": {"type": "object", "required": ["order"]}}}
]
_SYSTEM = "You are the support assistant of a shop. Refunds take 5 business days. Shipping costs 4.90 EUR. " * 4


def pairs(count: int, salt: int) -> list[tuple[Turn, Reply, Reply]]:
    """Different turns, the second of their conversations, with two replies of forty words; one in ten calls a tool."""
    made = []
    for number in range(count):
        order, amount = f"AB-{salt}{number:05}", f"{20 + number % 70}.{number % 90 + 10}"
        asked = f"Where is my order {order}? I paid {amount} EUR on 3 May 2026 and have heard nothing since."
        talk = [("system", _SYSTEM), ("user", f"Hello, this is customer {salt}-{number}, can you help me?")]
        talk += [("assistant", "Of course. What would you like to know?"), ("user", asked)]
        messages = [Message(role=role, content=text) for role, text in talk]
        turn = events.turn(f"c{salt}:{number}", messages=messages, turn_index=1, tools=_TOOLS)
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
    """Microseconds a pair of each default measure and detector (for both replies), a turn of each default slicer."""
    measures, detectors = plugins.measures([*Comparator().measures, "tone"]), plugins.detectors()
    slicers = plugins.slicers(Slices().use, {})
    best: dict[str, float] = {}
    for salt in range(rounds):
        batch = pairs(BATCH, salt)
        asked = [Pair(turn, *(one.message for one in both)) for turn, *both in batch]

        def timed(name: str, work: Callable[[], Any]) -> None:
            began = time.process_time()
            work()
            best[name] = min(best.get(name, 1e9), (time.process_time() - began) / BATCH * 1e6)

        for name, slicer in slicers.items():
            timed(f"slicer {name}", lambda s=slicer, b=batch: [s.slices(turn) for turn, *_ in b])
        for name, detector in detectors.items():
            timed(
                f"failure {name}",
                lambda d=detector, b=batch: [d.detect(turn, one) for turn, *both in b for one in both],
            )
        for name, measure in measures.items():
            timed(f"measure {name}", lambda m=measure, a=asked: m.score(a))
    return best


def figures(scale: Scale) -> Iterator[Figure]:
    """One line for each plug-in, then the slicers, then all that is on by default."""
    found = costs(5 * scale.rounds)
    for name, cost in sorted(found.items(), key=lambda item: -item[1]):
        yield Figure(name, f"{cost:.1f} us", "", "a turn" if name.startswith("slicer") else "a pair")
    slicers = sum(cost for name, cost in found.items() if name.startswith("slicer"))
    yield Figure("default slicers", f"{slicers:.0f} us", f"{SLICERS_GOAL_US:.0f} us", "a turn; goal")
    total = sum(found.values()) - found["measure tone"]
    yield Figure("default measures, detectors and slicers", f"{total:.0f} us", f"{GOAL_US:.0f} us", "a pair; goal")


if __name__ == "__main__":
    for figure in figures(Scale()):
        print(figure)
