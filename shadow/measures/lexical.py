"""Lexical divergence: do the two replies use different words?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from rapidfuzz.distance import Indel

from shadow.events import Score
from shadow.measures import NO_TEXT, Pair

MAX_WORDS: Final = 2_000
MAX_CHARACTERS: Final = 40_000
"""Longer replies are cut, so that one reply cannot stall a batch."""


class Lexical:
    """Normalised Indel distance of the case-folded words: insertions and deletions over the words of both. About 4 us.

    It tells a new model from a rerun no better than chance (two samples of one model differ in most words): read it
    against the control arm. Abstains where a reply has no text. Source: rapidfuzz, ``Indel.normalized_distance``.
    """

    version: Final = 1

    def score(self, pairs: Sequence[Pair]) -> list[Score]:
        """See :class:`shadow.measures.Measure`."""
        return [self._one(pair.production.text, pair.arm.text) for pair in pairs]

    def _one(self, production: str, arm: str) -> Score:
        left = production[:MAX_CHARACTERS].casefold().split()[:MAX_WORDS]
        right = arm[:MAX_CHARACTERS].casefold().split()[:MAX_WORDS]
        if not left or not right:
            return NO_TEXT
        return Score.trusted(value=round(Indel.normalized_distance(left, right), 6), abstained=None)
