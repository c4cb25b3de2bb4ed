"""What ``shadow ledger stats`` shows, by SQL as far as it goes. No data is None, never zero."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

import numpy as np
import orjson
from sqlalchemy import Connection, Double, Select, cast, func, select

from shadow.events import OUTCOME_KINDS
from shadow.ledger.schema import comparisons, outcomes

Within = Callable[[Select[Any]], Select[Any]]
Array = np.ndarray[tuple[int, ...], np.dtype[np.float64]]
Arms = dict[str, dict[str, Any]]

_SUMS: Final = {
    "cost_usd": "candidate_cost_usd",
    "production_cost_usd": "production_cost_usd",
    "input": "candidate_input_tokens",
    "output": "candidate_output_tokens",
}
CHUNK: Final = 10_000
_LATENCIES: Final = ("candidate_latency_s", "candidate_ttft_s", "production_latency_s")


def summary(
    connection: Connection, within: Within, since: float | None, until: float | None, *, detail: bool
) -> dict[str, Any]:
    """``{"arms": {arm: ...}, "outcomes": n}``; ``detail=False`` leaves out all percentiles."""
    arms = _counts(connection, within)
    _conversations(connection, within, arms)
    _failures(connection, within, arms)
    _distributions(connection, within, arms, detail=detail)
    return {"arms": dict(sorted(arms.items())), "outcomes": _outcomes(connection, since, until)}


def _counts(connection: Connection, within: Within) -> Arms:
    table = comparisons.c
    sums = [func.sum(cast(table[column], Double)) for column in _SUMS.values()]
    times = [func.min(table.turn_arrived_at), func.max(table.turn_arrived_at)]
    by = (table.arm, table.arm_revision, table.outcome, table.reason)
    arms: Arms = {}
    query: Select[Any] = select(*by, func.count(), *times, *sums)
    rows: Any = connection.execute(within(query).group_by(*by))
    for row in rows:
        name, revision, outcome, reason, count, first, last, *summed = row
        arm = arms.setdefault(name, _empty())
        arm["comparisons"] += count
        arm["outcomes"][outcome] = arm["outcomes"].get(outcome, 0) + count
        arm["revisions"][revision] = arm["revisions"].get(revision, 0) + count
        if reason is not None:
            arm["reasons"][reason] = arm["reasons"].get(reason, 0) + count
        arm["first_turn_at"] = min(first, arm["first_turn_at"] or first)
        arm["last_turn_at"] = max(last, arm["last_turn_at"] or last)
        for target, value in zip(_SUMS, summed, strict=True):
            if value is not None:
                _add(arm, target, value)
    return arms


def _empty() -> dict[str, Any]:
    return {
        "comparisons": 0,
        "outcomes": dict.fromkeys(OUTCOME_KINDS, 0),
        "reasons": {},
        "revisions": {},
        "failures": {},
        "cost_usd": None,
        "production_cost_usd": None,
        "tokens": {"input": None, "output": None},
        "conversations": 0,
        "first_turn_at": None,
        "last_turn_at": None,
    }


def _add(arm: dict[str, Any], target: str, value: float) -> None:
    if target in arm["tokens"]:
        arm["tokens"][target] = (arm["tokens"][target] or 0) + int(value)
    else:
        arm[target] = (arm[target] or 0.0) + value


def _conversations(connection: Connection, within: Within, arms: Arms) -> None:
    table = comparisons.c
    query: Select[Any] = select(table.arm, func.count(table.conversation_id.distinct()))
    rows: Any = connection.execute(within(query).group_by(table.arm))
    for name, count in rows:
        arms[name]["conversations"] = count


def _failures(connection: Connection, within: Within, arms: Arms) -> None:
    """Kinds of the arm's own replies. Grouped by the whole list first: there are few different ones."""
    by = (comparisons.c.arm, comparisons.c.failures)
    query: Select[Any] = select(*by, func.count()).where(comparisons.c.failures.is_not(None))
    rows: Any = connection.execute(within(query).group_by(*by))
    for name, kinds, count in rows:
        failures = arms[name]["failures"]
        for kind in sorted(set(orjson.loads(kinds))):
            failures[kind] = failures.get(kind, 0) + count


def _distributions(connection: Connection, within: Within, arms: Arms, *, detail: bool) -> None:
    """Scores, and latencies if ``detail``, read in chunks: what grows in memory is eight bytes a number."""
    names = ("measures", "scores", *(_LATENCIES if detail else ()))
    for name, arm in arms.items():
        found: defaultdict[str, list[Array]] = defaultdict(list)
        timed: dict[str, list[Array]] = {latency: [] for latency in _LATENCIES if detail}
        query = within(select(*(comparisons.c[column] for column in names)).where(comparisons.c.arm == name))
        for rows in _chunks(connection, query):
            measures, scores, *latencies = zip(*rows, strict=True)
            _scores(measures, scores, found)
            for parts, values in zip(timed.values(), latencies, strict=True):
                parts.append(np.array(values, np.float64))  # None becomes NaN
        arm["measures"] = {
            measure: _measure(np.concatenate(found[measure]), detail=detail) for measure in sorted(found)
        }
        for latency, parts in timed.items():
            numbers = np.concatenate(parts)
            arm[latency] = _percentiles(numbers[~np.isnan(numbers)])


def _chunks(connection: Connection, query: Select[Any]) -> Iterator[list[tuple[Any, ...]]]:
    """The driver's own tuples: SQLAlchemy's rows would double the time. Not with ``stream_results``, which reads ahead.

    SQLite reads as it goes; psycopg holds one arm's result, about 60 bytes a row, until it is read.
    """
    cursor: Any = connection.execute(query).cursor
    while rows := cursor.fetchmany(CHUNK):
        yield rows


def _measure(values: Array, *, detail: bool) -> dict[str, Any]:
    return {"mean": float(values.mean()), "n": len(values), **(_percentiles(values) if detail else {})}


def _scores(measures: Sequence[str | None], scores: Sequence[str | None], into: dict[str, list[Array]]) -> None:
    """Adds each measure's scores; rows with the same measures are parsed as one matrix."""
    rows: defaultdict[str | None, list[str | None]] = defaultdict(list)
    for names, values in zip(measures, scores, strict=True):
        rows[names].append(values)
    rows.pop(None, None)
    for names, texts in rows.items():
        matrix = np.array(orjson.loads(f"[{','.join(text for text in texts if text)}]"), np.float64)
        for index, name in enumerate(orjson.loads(names or "[]")):
            into[name].append(matrix[:, index])


def _percentiles(values: Array) -> dict[str, float | None]:
    """The median and the 95th percentile, linearly interpolated."""
    if not len(values):
        return {"p50": None, "p95": None}
    low, high = np.percentile(values, (50, 95))
    return {"p50": float(low), "p95": float(high)}


def _outcomes(connection: Connection, since: float | None, until: float | None) -> int:
    query = select(func.count()).select_from(outcomes)
    if since is not None:
        query = query.where(outcomes.c.occurred_at >= since)
    if until is not None:
        query = query.where(outcomes.c.occurred_at < until)
    return int(connection.execute(query).scalar_one())
