"""An arm's answers, held against production's: what the noise floor is computed from, as rows and as columns."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from shadow.gate.prefix import PREFIXES, Prefix

Integers = NDArray[np.int64]
Flags = NDArray[np.bool_]
Values = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Measured:
    """One arm's answer to one turn, held against production's. ``scores``: of the measures that did not abstain."""

    conversation_id: str
    turn_id: str
    scores: Mapping[str, float]
    failed: bool = False
    prefix: Prefix = "valid"
    slices: Collection[str] = ()


@dataclass(frozen=True, slots=True)
class Side:
    """One arm's answers as columns, one row a turn, each turn once.

    ``conversations`` and ``turns`` are any numbers that name them, the same on both sides; ``prefixes`` index
    :data:`PREFIXES`; a score is NaN where there is none.
    """

    conversations: Integers
    turns: Integers
    prefixes: Integers
    failed: Flags
    scores: Mapping[str, Values]
    slices: Mapping[str, Flags]

    @classmethod
    def of(cls, rows: Iterable[Measured]) -> Self:
        """The same from rows."""
        given = list(rows)
        measures = sorted({measure for row in given for measure in row.scores})
        slices = sorted({name for row in given for name in row.slices})
        return cls(
            np.array([hash(row.conversation_id) for row in given], np.int64),
            np.array([hash(row.turn_id) for row in given], np.int64),
            np.array([PREFIXES.index(row.prefix) for row in given], np.int64),
            np.array([row.failed for row in given], np.bool_),
            {measure: np.array([row.scores.get(measure, np.nan) for row in given]) for measure in measures},
            {name: np.array([name in row.slices for row in given], np.bool_) for name in slices},
        )

    def score(self, measure: str) -> Values:
        """The measure's column."""
        found = self.scores.get(measure)
        return np.full(len(self.turns), np.nan) if found is None else found
