"""One arm's comparisons as columns of numbers: what grows in memory is a few numbers a row, never its text."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import orjson
from numpy.typing import NDArray
from sqlalchemy import Connection, Select, select

from shadow.ledger.prefix import IN_ORDER, UNKNOWN, prefixes
from shadow.ledger.schema import comparisons

Within = Callable[[Select[Any]], Select[Any]]
Values = NDArray[np.float64]
Integers = NDArray[np.int64]

CHUNK: Final = 500
"""Rows at once: so few stay in the processor's cache while they are taken apart."""
LATENCIES: Final = ("candidate_latency_s", "candidate_ttft_s", "production_latency_s")
ENDED: Final = ("arm_revision", "evaluator_revision", "outcome", "slices")
"""Columns of few different values: each row holds the number of its combination."""


@dataclass(frozen=True, slots=True)
class Prefixes:
    """The prefix at each place of a conversation, by a hash of conversation, arm, revision and index; sorted by it."""

    keys: Integers
    values: Integers

    @classmethod
    def read(cls, connection: Connection) -> Prefixes:
        """Of the whole ledger."""
        parts: defaultdict[str, list[Any]] = defaultdict(lambda: [np.zeros(0, np.int64)])
        for rows in chunks(connection, IN_ORDER):
            conversations, arms, revisions, indexes, agreed = zip(*rows, strict=True)
            parts["conversations"].append(_hashes(conversations))
            parts["arms"].append(_hashes(list(zip(arms, revisions, strict=True))))
            parts["indexes"].append(np.array(indexes, np.int64))
            parts["agreed"].append(np.array(agreed, np.float64))  # None becomes NaN
        whose, arm, index, known = (
            np.concatenate(parts[name]) for name in ("conversations", "arms", "indexes", "agreed")
        )
        values = prefixes(_keys(whose, arm, np.zeros_like(index)), index, known)
        keys = _keys(whose, arm, index)
        order = np.argsort(keys)
        return cls(keys[order], values[order])

    def of(self, keys: Integers) -> Integers:
        """The prefix of each; a key that another reader has just written is not known yet."""
        if not len(self.keys):
            return np.full(len(keys), UNKNOWN)
        at = np.searchsorted(self.keys, keys).clip(max=len(self.keys) - 1)
        return np.where(self.keys[at] == keys, self.values[at], UNKNOWN).astype(np.int64)


@dataclass(frozen=True, slots=True)
class Columns:
    """An arm's rows; conversations, turns and keys by their hashes. A number is NaN where there is none.

    ``kinds`` are the different combinations of :data:`ENDED`, ``kind`` each row's.
    """

    scores: Mapping[str, Values]
    latencies: Mapping[str, Values]
    conversations: Integers
    turns: Integers
    keys: Integers
    kind: NDArray[np.intp]
    kinds: Sequence[tuple[Any, ...]]

    @classmethod
    def read(cls, connection: Connection, within: Within, arm: str) -> Columns:
        """The arm's rows within the time asked about."""
        names = ("conversation_id", "turn_id", "turn_index", *ENDED, "measures", "scores", *LATENCIES)
        query = within(select(*(comparisons.c[column] for column in names)).where(comparisons.c.arm == arm))
        kinds: dict[tuple[Any, ...], int] = {}
        parts: defaultdict[str, list[Any]] = defaultdict(list)
        scores: list[dict[str, Values]] = []
        for rows in chunks(connection, query):
            conversations, turns, indexes, revisions, *rest = zip(*rows, strict=True)
            *more, measures, scored, candidate, first_token, production = rest
            parts["conversations"].append(_hashes(conversations))
            parts["turns"].append(_hashes(turns))
            parts["indexes"].append(np.array(indexes, np.int64))
            parts["kind"].append([kinds.setdefault(kind, len(kinds)) for kind in zip(revisions, *more, strict=True)])
            for name, values in zip(LATENCIES, (candidate, first_token, production), strict=True):
                parts[name].append(np.array(values, np.float64))  # None becomes NaN
            scores.append(_scores(measures, scored))
        joined = {name: np.concatenate(found) for name, found in parts.items()}
        latencies = {name: joined.pop(name) for name in LATENCIES}
        whose = np.array([hash((arm, revision)) for revision, *_ in kinds], np.int64)[joined["kind"]]
        joined["keys"] = _keys(joined["conversations"], whose, joined.pop("indexes"))
        measured = sorted({name for part in scores for name in part})
        sizes = [len(part) for part in parts["kind"]]
        by_measure = {
            name: np.concatenate([part.get(name, _none(size)) for part, size in zip(scores, sizes, strict=True)])
            for name in measured
        }
        return cls(by_measure, latencies, kinds=list(kinds), **joined)


def chunks(connection: Connection, query: Select[Any]) -> Iterator[list[tuple[Any, ...]]]:
    """The driver's own tuples: SQLAlchemy's rows would double the time. Not with ``stream_results``, which reads ahead.

    SQLite reads as it goes; psycopg holds one result, about 60 bytes a row, until it is read.
    """
    cursor: Any = connection.execute(query).cursor
    while rows := cursor.fetchmany(CHUNK):
        yield rows


def _hashes(values: Sequence[Any]) -> Integers:
    """64 bits each, the same within this process: among a million, two alike once in forty million ledgers."""
    return np.fromiter(map(hash, values), np.int64, len(values))


def _keys(conversations: Integers, whose: Integers, indexes: Integers) -> Integers:
    """One hash of three numbers: a sum that wraps around; the first two look like chance already."""
    return conversations + whose * 3 + indexes * 0x9E3779B97F4A7C1


def _scores(measures: Sequence[str | None], scores: Sequence[str | None]) -> dict[str, Values]:
    """Each measure's column; rows with the same measures are parsed as one matrix."""
    rows: defaultdict[str | None, list[int]] = defaultdict(list)
    for at, names in enumerate(measures):
        rows[names].append(at)
    rows.pop(None, None)
    found: dict[str, Values] = {}
    for names, places in rows.items():
        matrix = np.array(orjson.loads(f"[{','.join(scores[at] or '[]' for at in places)}]"), np.float64)
        for index, name in enumerate(orjson.loads(names or "[]")):
            found.setdefault(name, _none(len(measures)))[places] = matrix[:, index]
    return found


def _none(size: int) -> Values:
    return np.full(size, np.nan)
