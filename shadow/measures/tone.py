"""Tone: is one reply warmer than the other?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from shadow.events import Score
from shadow.measures import NO_TEXT, Pair
from shadow.text.tone import tone

UNSUPPORTED: Final = Score(abstained="unsupported_language")


class Tone:
    """Half the distance of the replies' tones, 0..1. About 15 us.

    A rough sign by few words: read it against the control arm. Abstains where a reply has no text, or its language is
    uncertain or none of en, de, pt, es. Source: own lexicon, see ``shadow.text.tone``.
    """

    version: Final = 1

    def score(self, pairs: Sequence[Pair]) -> list[Score]:
        """See :class:`shadow.measures.Measure`."""
        return [self._one(pair.production.text, pair.arm.text) for pair in pairs]

    def _one(self, production: str, arm: str) -> Score:
        if not production.strip() or not arm.strip():
            return NO_TEXT
        left, right = tone(production), tone(arm)
        if left is None or right is None:
            return UNSUPPORTED
        return Score.trusted(value=round(abs(left - right) / 2.0, 6), abstained=None)
