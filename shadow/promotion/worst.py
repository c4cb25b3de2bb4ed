"""The pairs to look at first, by ids and figures; ``shadow explain TURN ARM`` shows their words while they are kept."""

from __future__ import annotations

import json
from collections.abc import Iterable
from heapq import nsmallest
from typing import Any, Final

from shadow.gate.experiment import Experiment
from shadow.gate.rows import LedgerRow
from shadow.gate.turn_values import names

MOST: Final = 25


def worst(experiment: Experiment, rows: Iterable[LedgerRow]) -> dict[str, list[dict[str, Any]]]:
    """``failures``: the candidate's own, production having none of the kind; ``divergences``: largest mean score.

    Most kinds first, then the largest score, then the turn's id.
    """
    shown = [
        described(row)
        for row in rows
        if row.arm == experiment.candidate
        and row.arm_revision == experiment.revision
        and (row.evaluator_revision or "") == experiment.evaluator_revision
    ]
    failed = (each for each in shown if each["failures"])
    apart = (each for each in shown if each["divergence"] is not None)
    return {
        "failures": nsmallest(MOST, failed, key=failures_first),
        "divergences": nsmallest(MOST, apart, key=order),
    }


def failures_first(shown: dict[str, Any]) -> tuple[float, float, str]:
    """Most kinds that production had none of, then as :func:`order`."""
    return -len(shown["failures"]), *order(shown)


def order(shown: dict[str, Any]) -> tuple[float, str]:
    """The largest mean score first, then the turn's id: nothing is left to the order of reading."""
    return -(shown["divergence"] or 0.0), shown["turn_id"]


def described(row: LedgerRow) -> dict[str, Any]:
    """A row as it is shown: ``failures`` without those that production had too, ``divergence`` the mean score."""
    scores = dict(zip(names(row.measures), json.loads(row.scores or "[]"), strict=True))
    return {
        "turn_id": row.turn_id,
        "conversation_id": row.conversation_id,
        "outcome": row.outcome,
        "reason": row.reason,
        "failures": sorted(set(names(row.failures)) - set(names(row.production_failures))),
        "divergence": round(sum(scores.values()) / len(scores), 6) if scores else None,
        "scores": scores,
    }
