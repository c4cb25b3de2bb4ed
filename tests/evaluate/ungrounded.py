"""How often ``ungrounded_fact`` alarms on recorded agents, and how often it finds a fact that was put in.

Human agents know their trade, so most of what they state is grounded in truth though perhaps not in the turn: their
rate is the rate of false alarms. (The tau2 agents are models, and may invent.) Where the data names the company, as
with ibm_twitter, a system prompt of one sentence names it, as every real one does. Then one fact that stands nowhere is
put into each reply; where the reply alarms anyway, it does not count.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Final

from shadow.events import Message, Reply, Turn
from shadow.failures.ungrounded_fact import UngroundedFact
from tests.evaluate.data import AT, Half, Row, half, message, rows, spoken, turn
from tests.evaluate.table import table

SOURCES: Final = (
    "conversations/maia",
    "conversations/ibm_twitter",
    "conversations/sgd",
    "conversations/tm4_coffee",
    "paired/tau2",
)
MOST: Final = 1_500
"""Replies of a source and half: enough for a rate."""


def agents_turns(rows_: list[Row]) -> Iterator[tuple[Turn, Message]]:
    """Each reply in words, with all that was said before."""
    for number, row in enumerate(rows_):
        company = row.get("labels", {}).get("company")
        before: list[Message] = [message("system", f"You answer for @{company}.")] if company else []
        for each in row.get("turns") or row["messages"]:
            said = spoken(each)
            if each["role"] == "agent" and said.text and before:
                yield turn(f"c{number}:{len(before)}", list(before)), said
            before.append(said)


def tables() -> Iterator[str]:
    """One table of both rates."""
    body: list[list[object]] = []
    names: tuple[Half, ...] = ("tuned", "fresh")
    for source in SOURCES:
        for name in names:
            draw = random.Random(f"{source} {name}")
            replies = list(agents_turns([row for row in rows(source) if half(row) == name]))
            chosen = draw.sample(replies, min(MOST, len(replies)))
            quiet = [(asked, said) for asked, said in chosen if not found(asked, said.text)]
            line: list[object] = [f"{source}, {name}", len(chosen), 1 - len(quiet) / len(chosen)]
            line += [
                sum(found(asked, f"{said.text} {make(draw)}") for asked, said in quiet) / len(quiet)
                for make in INJECTED.values()
            ]
            body.append(line)
    head = ("source and half", "replies", "alarms", *(f"finds {name}" for name in INJECTED))
    yield table("ungrounded_fact on recorded agents", head, body)


def found(asked: Turn, text: str) -> bool:
    """Whether the detector alarms."""
    said = Message(role="assistant", content=text)
    reply = Reply(turn_id=asked.turn_id, conversation_id=asked.conversation_id, occurred_at=AT, message=said)
    return bool(UngroundedFact().detect(asked, reply))


def _letters(draw: random.Random, count: int) -> str:
    return "".join(draw.choices("bcdfghjklmnpqrstvwxz", k=count))


INJECTED: Final = {
    "an amount": lambda draw: f"The fee is ${draw.randrange(200, 900)}.{draw.randrange(11, 99)}.",
    "an id": lambda draw: f"The case is {_letters(draw, 3).upper()}-{draw.randrange(10_000, 99_999)}.",
    "a link": lambda draw: f"See https://{_letters(draw, 7)}.example/help/{draw.randrange(1_000)}.",
}

if __name__ == "__main__":
    for text in tables():
        print(text)
