"""What ``shadow ledger stats`` shows, by SQL as far as it goes. No data is None, never zero."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import orjson
from sqlalchemy import Connection, Double, Select, cast, func, select

from shadow.events import OUTCOME_KINDS
from shadow.gate.prefix import PREFIXES
from shadow.ledger.columns import Columns, Prefixes, Values, Within
from shadow.ledger.divergence import floors
from shadow.ledger.schema import comparisons, outcomes
from shadow.thresholds import Threshold

Arms = dict[str, dict[str, Any]]

_SUMS: Final = {
    "cost_usd": "candidate_cost_usd",
    "production_cost_usd": "production_cost_usd",
    "input": "candidate_input_tokens",
    "output": "candidate_output_tokens",
}


@dataclass(frozen=True, slots=True)
class Asked:
    """What the statistics are to say, as :meth:`~shadow.ledger.Ledger.stats` explains."""

    detail: bool = True
    noise_floor: bool = True
    alpha: float = 0.05
    thresholds: Mapping[str, Threshold] | None = None


def summary(
    connection: Connection, within: Within, since: float | None, until: float | None, asked: Asked
) -> dict[str, Any]:
    """``{"arms": {arm: ...}, "outcomes": n}``."""
    arms = _counts(connection, within)
    _conversations(connection, within, arms)
    _failures(connection, within, arms)
    _distributions(connection, within, arms, asked)
    return {"arms": dict(sorted(arms.items())), "outcomes": _outcomes(connection, since, until)}


def _counts(connection: Connection, within: Within) -> Arms:
    table = comparisons.c
    sums = [func.sum(cast(table[column], Double)) for column in _SUMS.values()]
    times = [func.min(table.turn_arrived_at), func.max(table.turn_arrived_at)]
    agreement = [func.sum(table.agreed), func.count(table.agreed)]
    by = (table.arm, table.arm_revision, table.outcome, table.reason, table.evaluator_revision)  # as in the index
    arms: Arms = {}
    query: Select[Any] = select(*by, func.count(), *times, *agreement, *sums)
    rows: Any = connection.execute(within(query).group_by(*by))
    for row in rows:
        name, revision, outcome, reason, evaluator, count, first, last, agreed, known, *summed = row
        arm = arms.setdefault(name, _empty())
        arm["comparisons"] += count
        arm["outcomes"][outcome] = arm["outcomes"].get(outcome, 0) + count
        arm["revisions"][revision] = arm["revisions"].get(revision, 0) + count
        if reason is not None:
            arm["reasons"][reason] = arm["reasons"].get(reason, 0) + count
        arm["agreement"]["agreed"] += int(agreed or 0)
        arm["agreement"]["disagreed"] += known - int(agreed or 0)
        arm["agreement"]["unknown"] += count - known
        if last >= (arm["last_turn_at"] or last):
            arm["newest"] = (revision, evaluator)
        arm["first_turn_at"] = min(first, arm["first_turn_at"] or first)
        arm["last_turn_at"] = max(last, arm["last_turn_at"] or last)
        for target, value in zip(_SUMS, summed, strict=True):
            if value is not None:
                _add(arm, target, value)
    for arm in arms.values():
        agreement = arm["agreement"]
        known = agreement["agreed"] + agreement["disagreed"]
        agreement["share"] = agreement["agreed"] / known if known else None
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
        "agreement": {"agreed": 0, "disagreed": 0, "unknown": 0},
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


def _distributions(connection: Connection, within: Within, arms: Arms, asked: Asked) -> None:
    """Scores, prefixes and the noise floor, as far as they were asked for."""
    columns = {name: Columns.read(connection, within, name) for name in arms}
    for name, arm in arms.items():
        scores, latencies = columns[name].scores, columns[name].latencies
        arm["measures"] = {measure: _measure(measure, values, asked) for measure, values in scores.items()}
        for latency, values in latencies.items() if asked.detail else ():
            arm[latency] = _percentiles(values[~np.isnan(values)])
    newest = {name: arm.pop("newest") for name, arm in arms.items()}
    if not asked.noise_floor:
        return
    prefixes = Prefixes.read(connection)
    found = floors(columns, newest, prefixes, alpha=asked.alpha, sliced=asked.detail)
    for name, arm in arms.items():
        counts = np.bincount(prefixes.of(columns[name].keys), minlength=len(PREFIXES)).tolist()
        arm["prefixes"] = dict(zip(PREFIXES, counts, strict=True))
        arm["noise_floor"] = found.get(name)


def _measure(name: str, column: Values, asked: Asked) -> dict[str, Any]:
    values = column[~np.isnan(column)]
    described: dict[str, Any] = {"mean": float(values.mean()), "n": len(values)}
    if threshold := (asked.thresholds or {}).get(name):
        described["alike"] = float((values <= threshold.agree).mean())
        described["apart"] = float((values > threshold.diverge).mean())
    return {**described, **(_percentiles(values) if asked.detail else {})}


def _percentiles(values: Values) -> dict[str, float | None]:
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
