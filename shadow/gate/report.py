"""A verdict as data: what the command line, the web endpoint and the metrics show. The same verdict, the same bytes."""

from __future__ import annotations

import json
import math
from typing import Any, Final

from shadow.gate.ahead import ahead
from shadow.gate.evidence import Evidence
from shadow.gate.experiment import Experiment
from shadow.gate.guardrails import OVERALL, Cell
from shadow.gate.outlook import quiet_needed, still_needed
from shadow.gate.rules import CellReport, Ruling
from shadow.gate.session import Session

TURNS_WITHOUT_HISTORY: Final = 6.0
"""Turns of a conversation, supposed where nothing is known."""


def report(session: Session, ruling: Ruling) -> dict[str, Any]:
    """All of it. Times are Unix seconds; None is no data."""
    experiment, traffic = session.experiment, session.traffic
    evidence = {each.cell: each for each in session.evidence()}
    cells = [_cell(each, evidence.get(each.cell), experiment) for each in ruling.cells]
    waiting = [each for each in cells if each["state"] != "pass"]
    slowest = next((each for each in cells if each["name"] == _name(ruling.slowest)), None)
    expected = traffic.turns + session.late
    return {
        "candidate": experiment.candidate,
        "revision": experiment.revision,
        "evaluator_revision": experiment.evaluator_revision,
        "experiment": experiment.id,
        "verdict": ruling.verdict,
        "reasons": [{"why": each.why, "detail": each.detail} for each in ruling.reasons],
        "looked_at": session.looked_at,
        "progress": _round(ruling.progress),
        "waiting_for": None if slowest is None else {key: slowest[key] for key in ("name", "progress", "more")},
        "waiting": len(waiting),
        "ahead": ahead(session, cells),
        "comparisons": session.rows,
        "culprits": list(ruling.culprits),
        "scope": _scope(cells),
        "conversations": {
            "closed": traffic.conversations,
            "open": session.open,
            "needed": session.least,
            "most": session.rule.max_conversations,
        },
        "pairs": {
            "expected": expected,
            "complete": traffic.complete,
            "late": session.late,
            "missing": dict(sorted(traffic.incomplete.items())),
            "completeness": _round(traffic.complete / expected if expected else None),
        },
        "coverage": {
            "share": _round(session.coverage()),
            "turns_used": traffic.used,
            "by_prefix": dict(sorted(traffic.by_prefix.items())),
            "another_visit": traffic.another_visit,
            "slices": {name: {"turns": turns, "used": used} for name, (turns, used) in traffic.slices().items()},
            "under_represented": traffic.under_represented(),
        },
        "sentinel": None if session.watch is None else session.watch.report(),
        "cells": cells,
    }


def canonical(found: dict[str, Any]) -> bytes:
    """The report's bytes: sorted, without blanks."""
    return json.dumps(found, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def plan(session: Session) -> dict[str, Any]:
    """How long it will take: from control's history before the candidate begins, from its own course afterwards."""
    experiment, planned, traffic = session.experiment, session.plan, session.traffic
    alpha = experiment.gate.alpha
    started = session.seen.first is not None
    evidence = {each.cell: each for each in session.evidence()}
    history = session.history()
    cells: list[dict[str, Any]] = []
    for index, cell in enumerate(experiment.cells):
        if cell.kind == "zero_tolerance":
            whole: float | None = quiet_needed(cell.margin, alpha=alpha)
        else:
            whole = planned.needed[index] if started and planned else session.forecast(index)
        have = evidence[cell].conversations if cell in evidence else 0
        more = still_needed(evidence[cell], alpha=alpha) if have else whole
        share = history.share(index) if not have else have / max(traffic.conversations, 1)
        cells.append({
            "name": cell.name,
            "margin": cell.margin,
            "more": None if more is None else math.ceil(more),
            "more_of_all": None if more is None or not share else math.ceil(more / share),
        })  # fmt: skip
    known = [each["more_of_all"] for each in cells if each["more_of_all"] is not None]
    few = session.least - traffic.conversations
    most = max([few, *known]) if known else None
    turns_each = traffic.turns / traffic.conversations if traffic.conversations else history.turns_each
    turns_each = turns_each or TURNS_WITHOUT_HISTORY
    cost = traffic.cost_usd / traffic.priced if traffic.priced else history.cost_usd
    turns = None if most is None else math.ceil(most * turns_each)
    return {
        "candidate": experiment.candidate,
        "experiment": experiment.id,
        "from": "its own course" if traffic.conversations else "control" if history.conversations else "no history",
        "history_conversations": history.conversations,
        "conversations": most,
        "cycle_s": experiment.gate.cycle_s,
        "unknown": [each["name"] for each in cells if each["more_of_all"] is None],
        "turns": turns,
        "turns_per_conversation": _round(turns_each),
        "usd": None if turns is None or cost is None else _round(turns * cost),
        "cells": cells,
    }


def _cell(shown: CellReport, evidence: Evidence | None, experiment: Experiment) -> dict[str, Any]:
    cell = shown.cell
    more = 0 if shown.state == "pass" else None
    if evidence is not None and shown.state == "collecting":
        more = still_needed(evidence, alpha=experiment.gate.alpha)
    return {
        "name": cell.name,
        "guardrail": cell.guardrail,
        "slice": cell.slice,
        "kind": cell.kind,
        "margin": cell.margin,
        "state": shown.state,
        "conversations": shown.conversations,
        "discordant": shown.discordant,
        "estimate": _round(shown.estimate),
        "lower": _round(shown.lower),
        "upper": _round(shown.upper),
        "log_e_promote": _round(shown.log_e_promote),
        "log_e_reject": _round(shown.log_e_reject),
        "progress": _round(shown.progress),
        "more": more,
    }


def _scope(cells: list[dict[str, Any]]) -> list[str]:
    """Slices on which all that was asked of them holds: where a promotion could be thought of first."""
    slices = sorted({each["slice"] for each in cells} - {OVERALL})
    return [name for name in slices if all(each["state"] == "pass" for each in cells if each["slice"] == name)]


def _name(cell: Cell | None) -> str | None:
    return None if cell is None else cell.name


def _round(value: float | None) -> float | None:
    """What is shown: nine digits, and nothing that JSON cannot hold."""
    return None if value is None or not math.isfinite(value) else round(value, 9)
