"""Simulated judges, to try the judge's path and its calibration on: pure, from a question to a scripted answer.

===============  ==================================================================================================
judge-first      prefers the reply in the first place, always: the calibration must find it out.
judge-facts      prefers the reply that repeats more of the numbers the customer gave; a tie if neither has more.
===============  ==================================================================================================
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final

import orjson

from shadow.simulate.models import conversation_key
from shadow.simulate.scripted import Scripted, tokens
from shadow.simulate.understand import Message, text_of, understand

LATENCY_S: Final = 0.05
_NUMBER: Final = re.compile(r"\d{3,20}")


def answer(name: str, messages: Sequence[Message]) -> Scripted:
    """What judge ``name`` answers to a question as :mod:`shadow.measures.judge` puts it; prose to any other."""
    asked = text_of(messages[-1])
    verdict = "A" if name == "judge-first" else _by_facts(asked)
    text = orjson.dumps({"verdict": verdict}).decode() if verdict else "I see no two replies."
    return Scripted(
        text,
        understand(messages),
        conversation_key(messages),
        latency_s=LATENCY_S,
        first_token_s=LATENCY_S / 2,
        input_tokens=tokens(asked),
    )


def _by_facts(asked: str) -> str | None:
    try:
        question: Any = orjson.loads(asked)
        conversation, first, second = question["conversation"], question["reply_A"], question["reply_B"]
        given = {number for one in conversation if one["role"] == "user" for number in _NUMBER.findall(one["text"])}
        kept = [len(given.intersection(_NUMBER.findall(reply["text"]))) for reply in (first, second)]
    except (orjson.JSONDecodeError, KeyError, TypeError):
        return None
    return "A" if kept[0] > kept[1] else "B" if kept[1] > kept[0] else "tie"
