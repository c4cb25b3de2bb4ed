"""Repetition: the arm says the same over and over."""

from __future__ import annotations

import re
from collections import Counter
from typing import Final

from shadow.events import Reply, Turn
from shadow.failures import NOTHING, Findings

MAX_WORDS: Final = 1_000
MAX_CHARACTERS: Final = 8_000
MIN_WORDS: Final = 20
WINDOW: Final = 5
TIMES: Final = 3
NEW: Final = 0.5
SHARE: Final = 0.4

STUCK: Final = 40
_STUCK: Final = re.compile(r"([^\W_])\1{39}")


class Repetition:
    """``repetition``: five words in a row come three times or more and make up 40 % of a reply. About 7 us.

    One letter or digit 40 times in a row is one too; lines of dashes are not. Replies under 20 words, and those of
    which half the words are new, are not looked at further. Source: own rule, first 1,000 words.
    """

    version: Final = 1

    def detect(self, turn: Turn, reply: Reply) -> Findings:  # noqa: ARG002 (the family's signature)
        """See :class:`shadow.failures.Detector`."""
        if reply.message is None:
            return NOTHING
        text = reply.message.text[:MAX_CHARACTERS]
        words = text.lower().split()[:MAX_WORDS]
        if len(max(words, key=len, default="")) >= STUCK and any(map(_STUCK.search, words)):
            return {"repetition": "one character, 40 times in a row"}
        if len(words) < MIN_WORDS or len(set(words)) > NEW * len(words):
            return NOTHING
        windows = Counter(tuple(words[at : at + WINDOW]) for at in range(len(words) - WINDOW + 1))
        again = sum(count for count in windows.values() if count >= TIMES)
        if again < SHARE * len(words):
            return NOTHING
        return {"repetition": f"runs of {WINDOW} words that come again make up {again / len(words):.0%}"}
