"""The prefix of each comparison in the ledger: what :func:`shadow.gate.prefix.prefixes` says of one conversation.

Always of all turns, whatever time is asked about: a conversation may have begun before. Both databases give the rows in
the order of ``comparisons_by_conversation``; the rest is counted here, at once for all, which takes a tenth of the time
of SQL's windows.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Select, select

from shadow.gate.prefix import PREFIXES
from shadow.ledger.schema import BY_CONVERSATION, comparisons

VALID, UNKNOWN, BROKEN = (PREFIXES.index(name) for name in ("valid", "unknown", "broken"))

IN_ORDER: Final[Select[Any]] = select(*(comparisons.c[name] for name in BY_CONVERSATION)).order_by(
    *(comparisons.c[name] for name in BY_CONVERSATION[:-1])
)
"""``conversation_id, arm, arm_revision, turn_index, agreed`` of each row."""

Integers = NDArray[np.int64]


def prefixes(whose: Integers, indexes: Integers, agreed: NDArray[np.float64]) -> Integers:
    """Each row's place in :data:`PREFIXES`. Rows of one conversation, arm and revision stand together, by index.

    ``whose`` is one number for each of those, ``agreed`` is 0, 1 or NaN. Rows of the same index are not earlier than
    each other: what counts is what stands between the group's first row and the first one of the same index.
    """
    at = np.arange(len(whose))
    begins = np.ones(len(whose), np.bool_)
    begins[1:] = whose[1:] != whose[:-1]
    moves = begins.copy()
    moves[1:] |= indexes[1:] != indexes[:-1]
    first = np.maximum.accumulate(np.where(begins, at, 0))
    here = np.maximum.accumulate(np.where(moves, at, 0))

    def before(flags: NDArray[np.bool_]) -> Integers:
        """How many earlier rows have the flag."""
        counted = np.concatenate([np.zeros(1, np.int64), np.cumsum(flags)])
        found: Integers = counted[here] - counted[first]
        return found

    missing = before(moves) != indexes  # of the indexes 0 .. index - 1
    unknown = missing | (before(np.isnan(agreed)) > 0)
    return np.where(before(agreed == 0) > 0, BROKEN, np.where(unknown, UNKNOWN, VALID))
