"""Facts: does one reply state another amount, date, number, link or identifier than the other?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Final

from shadow.events import Score
from shadow.measures import Pair
from shadow.text.facts import facts, same_date

NO_FACTS: Final = Score(abstained="no_facts")


class Facts:
    """Share of the facts that are missing, added or changed (one for another of its kind).

    About 10 us, and 60 us for each reply that no plug-in has read before.

    ``03/05/2026`` is equal to both of its readings. Abstains where neither reply states a fact. Only
    the first 8,000 characters of a reply are read. Source: own rules, see ``shadow.text.facts``.
    """

    version: Final = 2

    def score(self, pairs: Sequence[Pair]) -> list[Score]:
        """See :class:`shadow.measures.Measure`."""
        return [self._one(pair.production.text, pair.arm.text) for pair in pairs]

    def _one(self, production: str, arm: str) -> Score:
        left, right = facts(production), facts(arm)
        if not left.found and not right.found:
            return NO_FACTS
        gone, new = set(left.found - right.found), set(right.found - left.found)
        dates = [value for kind, value in new if kind == "date"]
        for kind, value in sorted(gone):
            partner = next((date for date in sorted(dates) if kind == "date" and same_date(value, date)), None)
            if partner is not None:
                dates.remove(partner)
                gone.discard((kind, value))
                new.discard(("date", partner))
        missing, added = Counter(kind for kind, _ in gone), Counter(kind for kind, _ in new)
        differing = sum((missing | added).values())
        common = len(left.found) - len(gone)
        return Score.trusted(value=round(differing / (differing + common), 6), abstained=None)
