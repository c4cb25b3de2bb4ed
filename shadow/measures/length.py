"""Length: is one reply much longer than the other?"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

from shadow.events import Score
from shadow.measures import NO_TEXT, Pair

MAX_CHARACTERS: Final = 100_000
OCTAVES: Final = 4.0
"""Sixteen times as many words is as far as lengths can be apart."""


class Length:
    """|log2| of the ratio of the numbers of words, over 4, at most 1: twice as long is 0.25. About 6 us.

    Words are split at white space, so a text without any is one word. Abstains where a reply has no text.
    """

    version: Final = 1

    def score(self, pairs: Sequence[Pair]) -> list[Score]:
        """See :class:`shadow.measures.Measure`."""
        return [self._one(pair.production.text, pair.arm.text) for pair in pairs]

    def _one(self, production: str, arm: str) -> Score:
        left, right = len(production[:MAX_CHARACTERS].split()), len(arm[:MAX_CHARACTERS].split())
        if not left or not right:
            return NO_TEXT
        return Score.trusted(value=round(min(1.0, abs(math.log2(left / right)) / OCTAVES), 6), abstained=None)
