"""Questions: does one reply ask the customer more than the other?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from shadow.events import Score
from shadow.measures import NO_TEXT, Pair

MARKS: Final = ("?", "؟", "？")  # Latin, Arabic, full width


class Questions:
    """Difference of the numbers of question marks, over the larger of both: 0 the same, 1 where one side asks nothing.

    Who asks back more solves less at the first contact. Where neither asks, 0. About 1 us. Abstains where a reply has
    no text. Source: own rule; `??` counts twice.
    """

    version: Final = 1

    def score(self, pairs: Sequence[Pair]) -> list[Score]:
        """See :class:`shadow.measures.Measure`."""
        return [self._one(pair.production.text, pair.arm.text) for pair in pairs]

    def _one(self, production: str, arm: str) -> Score:
        if not production.strip() or not arm.strip():
            return NO_TEXT
        ours, theirs = _marks(production), _marks(arm)
        return Score(value=abs(ours - theirs) / max(ours, theirs, 1))


def _marks(text: str) -> int:
    return sum(text.count(mark) for mark in MARKS)
