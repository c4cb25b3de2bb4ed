"""Language: do the two replies speak different languages?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from shadow.events import Score
from shadow.measures import NO_TEXT, Pair
from shadow.text.language import language

UNCERTAIN: Final = Score(abstained="uncertain_language")


class Language:
    """1 where the replies are in two languages, 0 where in one. About 2 us, and 6 us for each new reply.

    Abstains where the language of a reply is not certain (short, mixed, or none of en, de, pt, es, fr).
    Source: own stop-word profiles, see ``shadow.text.language``.
    """

    version: Final = 1

    def score(self, pairs: Sequence[Pair]) -> list[Score]:
        """See :class:`shadow.measures.Measure`."""
        return [self._one(pair.production.text, pair.arm.text) for pair in pairs]

    def _one(self, production: str, arm: str) -> Score:
        if not production.strip() or not arm.strip():
            return NO_TEXT
        left, right = language(production), language(arm)
        return UNCERTAIN if left is None or right is None else Score.trusted(value=float(left != right), abstained=None)
