"""100,000 random and mutated replies through every registered measure, detector and slicer: seeded.

No call may raise, take more than 50 ms of CPU (the best of three where one did: the machine is shared), or give a score
outside 0..1. Long replies are few: each costs as much as thousands of short ones.
"""

from __future__ import annotations

import json
import random
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from shadow import plugins
from shadow.events import Message, Reply, Turn
from shadow.measures import Pair
from tests.evaluate.data import AT, message, turn
from tests.evaluate.table import table

REPLIES: Final = 100_000
SEED: Final = 7
LIMIT_S: Final = 0.05
LONG: Final = 100
"""Replies of a million characters; every measure and detector reads them all."""
Families = tuple[dict[str, Any], dict[str, Any], dict[str, Any]]

_SAMPLES: Final = (
    "Your refund of $49.00 for order AB-10234 arrives by May 3, 2026. See https://shop.example/o/1 for more!",
    "Ihre Erstattung von 49,00 € kommt bis 3. Mai 2026 an; rufen Sie +49 151 23456789 an. Danke für Ihre Geduld.",
    "O reembolso de R$ 49,00 foi processado; escreva para anna@mail.example até 03/05/2026. Obrigado!",
    "Lo siento, no puedo ayudarle con eso. ¿Le paso con un agente humano? Tarda de 3 a 5 días hábiles.",
    '```json\n[get_order(order="x")]\n```',
    "IBAN DE89 3704 0044 0532 0130 00, card 4111 1111 1111 1111, 10:30 pm, 5 %, 1.234,56",
)
_ALPHABETS: Final = (
    "abc xyz ,.!?",
    "0123456789.,:/- $€%#@",
    "שלום مرحبا \u202e\u200f",
    "😀😡👍🏽\u200d❤️",
    "".join(chr(code) for code in range(32)) + "\x7f\u0085\u2028",
    "漢字かな交じり文ก็ã̈́",
    "{}[]\"':,\\ntruefalse123",
    "`*_~|<>&;=+()^",
    "ﬀİıſK\u0130\ufeff\ufffd\U0010ffff",
)
_TOOL: Final = {
    "type": "function",
    "function": {
        "name": "get_order",
        "parameters": {
            "type": "object",
            "properties": {"order": {"type": "string"}, "n": {"type": "integer", "description": "Default is 5."}},
            "required": ["order"],
        },
    },
}


@dataclass(slots=True)
class Log:
    """What was seen: calls, the slowest of each plug-in, and everything that broke a promise."""

    calls: int = 0
    slowest: dict[str, tuple[float, int]] = field(default_factory=dict)
    broken: list[str] = field(default_factory=list)

    def call(self, name: str, size: int, work: Callable[[], Any]) -> Any:
        """Do it; a crash or a hang is noted. None if it raised."""
        self.calls += 1
        took = []
        for _ in range(3):
            began = time.process_time()
            try:
                found = work()
            except Exception as error:  # noqa: BLE001 (whatever it raises is what is looked for)
                self.broken.append(f"{name} raised {error!r:.100} on {size} characters")
                return None
            took.append(time.process_time() - began)
            if took[-1] <= LIMIT_S:
                break
        best = min(took)
        if best > LIMIT_S:
            self.broken.append(f"{name} took {best * 1000:.0f} ms on {size} characters")
        if best > self.slowest.get(name, (0.0, 0))[0]:
            self.slowest[name] = (best, size)
        return found


def text(draw: random.Random) -> str:
    """A reply of up to a few hundred characters: a mutated sample, noise of one alphabet, or JSON."""
    kind = draw.random()
    if kind < 0.45:
        said = list(draw.choice(_SAMPLES))
        for _ in range(draw.randrange(1, 12)):
            at = draw.randrange(len(said) + 1)
            said[at : at + draw.randrange(4)] = draw.choices(draw.choice(_ALPHABETS), k=draw.randrange(4))
        return "".join(said)
    if kind < 0.85:
        return "".join(draw.choices(draw.choice(_ALPHABETS), k=draw.randrange(200)))
    if kind < 0.95:
        return json.dumps(nested(draw, draw.randrange(30)))
    return "".join(chr(draw.randrange(0xD800)) for _ in range(draw.randrange(60)))


def nested(draw: random.Random, depth: int) -> Any:
    """JSON of that depth."""
    if depth == 0:
        return draw.choice([None, True, 5, 1e300, "x", "2026-05-03", ""])
    inner = nested(draw, depth - 1)
    return [inner] * draw.randrange(1, 3) if draw.random() < 0.5 and depth < 8 else {draw.choice("abc"): inner}


def long_text(draw: random.Random) -> str:
    """A million characters: one piece over and over, brackets, digits, or one word without an end."""
    piece = draw.choice(
        [text(draw) or "x", "[", '{"a":', "1", "1.", "a", "a@", "$1 ", "```\n", "https://x/", "\n", "😀", "0 1 "]
    )
    return (piece * (1_000_000 // len(piece) + 1))[:1_000_000]


def said(draw: random.Random, words: str) -> Message:
    """The reply: words, or a tool call whose arguments they are."""
    if draw.random() < 0.1:
        return message(
            "agent", "", [{"name": draw.choice(["get_order", "x", "transfer_to_human"]), "arguments": words}]
        )
    return message("agent", words)


def tables() -> Iterator[str]:
    """One line of promises, then the slowest calls."""
    draw, log = random.Random(SEED), Log()
    measures = plugins.measures(sorted(plugins.installed("shadow.measures")))
    detectors = plugins.detectors()
    slicers = plugins.slicers(sorted(plugins.installed("shadow.slices")), {})
    for plugin in (measures, detectors, slicers):
        _warm(plugin)
    long = set(random.Random(SEED).sample(range(REPLIES), LONG))
    for number in range(REPLIES):
        if number % 20_000 == 0:
            print(f"fuzz: {number} of {REPLIES} replies", file=sys.stderr)
        words, other = (long_text(draw) if number in long else text(draw)), text(draw)
        asked = turn(
            "c1:0",
            [
                message("system", "Help."),
                message("customer", other or "?"),
                said(draw, text(draw)),
                message("customer", words),
            ],
            tools=[_TOOL] if number % 2 else [],
            response_format={"type": "json_object"} if number % 7 == 0 else None,
        )
        _one(log, asked, said(draw, other), said(draw, words), (measures, detectors, slicers))
    head = ("replies", "of 1 MB", "calls", "crashed", "over 50 ms", "score out of 0..1")
    counted = [sum(word in line for line in log.broken) for word in (" raised ", " took ", " scored ")]
    note = "; ".join(sorted(set(log.broken))[:10])
    yield table(f"Random replies, seed {SEED}", head, [(REPLIES, LONG, log.calls, *counted)], note)
    slowest = sorted(log.slowest.items(), key=lambda item: -item[1][0])[:8]
    lines = [(name, f"{took * 1000:.1f} ms", size) for name, (took, size) in slowest]
    yield table("The slowest calls", ("plug-in", "CPU", "characters of the reply"), lines)


def _warm(family: dict[str, Any]) -> None:
    """What is loaded at the first call is no call's cost."""
    asked = turn("c1:0", [message("customer", "Hello.")], tools=[_TOOL])
    given = message("agent", "Hello, this is it.", [{"name": "get_order", "arguments": "{}"}])
    for plugin in family.values():
        if hasattr(plugin, "score"):
            plugin.score([Pair(asked, given, message("agent", "No."))])
        elif hasattr(plugin, "detect"):
            plugin.detect(asked, _reply(given))
        else:
            plugin.slices(asked)


def _reply(given: Message) -> Reply:
    return Reply(turn_id="c1:0", conversation_id="c1:0", occurred_at=AT, message=given)


def _one(log: Log, asked: Turn, production: Message, arm: Message, families: Families) -> None:
    size = len(arm.text) + sum(len(call.function.arguments) for call in arm.tool_calls or ())
    pair, reply = Pair(asked, production, arm), _reply(arm)
    measures, detectors, slicers = families
    for name, measure in measures.items():
        [score] = log.call(f"measure {name}", size, lambda m=measure: m.score([pair])) or [None]
        if score is not None and score.value is not None and not 0 <= score.value <= 1:
            log.broken.append(f"measure {name} scored {score.value!r} on {size} characters")
    for name, detector in detectors.items():
        log.call(f"failure {name}", size, lambda d=detector: d.detect(asked, reply))
    for name, slicer in slicers.items():
        log.call(f"slice {name}", size, lambda s=slicer: s.slices(asked))


if __name__ == "__main__":
    for each in tables():
        print(each)
