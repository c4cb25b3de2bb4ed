"""How a verdict came about, in figures: the plan, each look that changed it, and what all cells' evidence adds up to.

The integers are exact; what is no finite number is null.
"""

from __future__ import annotations

import math
from dataclasses import asdict
from typing import Any

from shadow.gate.evidence import Evidence, Paired
from shadow.gate.rules import CellReport, Latch
from shadow.gate.session import Change, Session
from shadow.gate.tally import Plan


def course(session: Session, changes: list[Change]) -> dict[str, Any]:
    """Of a session that was advanced to the instant of the bundle, and the changes on the way."""
    rule = session.rule
    return {
        "rule": {
            "alpha": rule.alpha,
            "zero_tolerance_alpha": rule.zero_tolerance_alpha,
            "min_conversations": rule.min_conversations,
            "max_conversations": rule.max_conversations,
            "min_completeness": rule.min_completeness,
            "min_closed_per_open": rule.min_closed_per_open,
        },
        "plan": None if session.plan is None else _plan(session.plan, session),
        "looks": [_look(change) for change in changes],
        "latch": _latch(session.latch),
        "sentinel": None if session.watch is None else [asdict(each) for each in session.watch.sentinels],
        "evidence": [_evidence(each) for each in session.evidence()],
    }


def _plan(plan: Plan, session: Session) -> list[dict[str, Any]]:
    return [
        {
            "cell": cell.name,
            "from_conversations": len(values),
            "needed": _finite(needed),
            "promote": None if bets is None else bets.promote,
            "reject": None if bets is None else bets.reject,
            "weights": None if bets is None else bets.weights,
        }
        for cell, bets, needed, values in zip(
            session.experiment.cells, plan.bets, plan.needed, plan.values, strict=True
        )
    ]


def _look(change: Change) -> dict[str, Any]:
    return {
        "at": change.at,
        "verdict": change.verdict,
        "whys": change.whys,
        "reasons": [str(reason) for reason in change.ruling.reasons],
        "cells": [_cell(each) for each in change.ruling.cells],
        "latch": _latch(change.ruling.latch),
    }


def _cell(shown: CellReport) -> dict[str, Any]:
    return {
        "cell": shown.cell.name,
        "state": shown.state,
        "conversations": shown.conversations,
        "estimate": _finite(shown.estimate),
        "log_e_promote": _finite(shown.log_e_promote),
        "log_e_reject": _finite(shown.log_e_reject),
    }


def _latch(latch: Latch) -> dict[str, Any]:
    return {
        "reached": sorted(latch.reached),
        "harm": latch.harm,
        "over_budget": latch.over_budget,
        "promoted": latch.promoted,
        "expired": latch.expired,
    }


def _evidence(evidence: Evidence) -> dict[str, Any]:
    if not isinstance(evidence, Paired):
        counts = evidence.counts
        return {"cell": evidence.cell.name, "conversations": counts.conversations, "events": counts.events}
    wealth, sums = evidence.wealth, evidence.sums
    found: dict[str, Any] = {
        "cell": evidence.cell.name,
        "conversations": wealth.conversations,
        "promote": wealth.promote,
        "reject": wealth.reject,
        "sum_x": wealth.sum_x,
        "sum_xx": wealth.sum_xx,
    }
    if sums is not None:
        names = ("discordant", "sum_m", "sum_s", "sum_mm", "sum_ss", "sum_ms")
        found |= {name: getattr(sums, name) for name in names}
    return found


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None
