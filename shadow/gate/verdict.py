"""PROMOTE, HOLD or REJECT: the rule, as a pure function of evidence, situation and what was latched before.

PROMOTE needs every leg of every cell to have reached 1/alpha (each alone bounds the false promotion of a candidate that
breaks its margin, so no correction is needed), a whole cycle of traffic, enough conversations, complete pairs.
REJECT comes as soon as the mean of the cells' harm e-values reaches 1/alpha, or a budget's own reaches its own level.
REJECT beats PROMOTE, also afterwards; a cell that is a certain culprit only later is named then.
What makes the evidence untrustworthy (a cause, missing pairs) stops both: nothing new is latched meanwhile, and a
promotion is suspended. All else is HOLD, and after ``max_conversations`` it stays so.

An e-value counts once it has been reached at a look (Ville), so what was reached is kept in a latch, and must be
given back at the next look of the same experiment. Other margins, bets, cells or levels are another experiment.
A leg is latched at the ends of whole cycles only: a candidate that is good by day and bad by night would have it
latched before its first night. Nor is it while few conversations are closed (:meth:`~shadow.gate.rules.Rule.least`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from shadow.events import Verdict
from shadow.gate.evidence import Absolute, Evidence, Paired, log_mean_e
from shadow.gate.rules import CellReport, Glance, Latch, LegKey, Reason, Rule, Ruling, Situation, Why

HUGE: Final = 600.0
"""Log e-values are cut here before they are summed: far above any level, far below what a float holds."""


def decide(evidence: Sequence[Evidence], *, rule: Rule, situation: Situation, latch: Latch) -> Ruling:
    """The verdict at this look. Needs at least one cell, each once."""
    ordered = _ordered(evidence)
    glance = _look(ordered, rule, situation, latch)
    latch, doubts = glance.latch, glance.doubts
    reports = tuple(_report(each, rule, latch, latch.reached | glance.now) for each in ordered)
    waiting = [report for report in reports if report.state != "pass"]
    missing = _missing(waiting, rule, situation, latch)
    slowest = min(waiting, key=lambda report: report.progress).cell if waiting else None
    return Ruling(
        verdict=glance.verdict,
        reasons=tuple(_reasons(latch, doubts, missing, rule, situation)),
        slowest=slowest,
        culprits=latch.blamed,
        progress=min(report.progress for report in reports),
        cells=reports,
        latch=latch,
    )


def glance(evidence: Sequence[Evidence], *, rule: Rule, situation: Situation, latch: Latch) -> Glance:
    """What :func:`decide` latches and says at this look, without the report: several times faster."""
    return _look(_ordered(evidence), rule, situation, latch)


def _ordered(evidence: Sequence[Evidence]) -> list[Evidence]:
    keys = {(each.cell.guardrail, each.cell.slice) for each in evidence}
    if not evidence or len(keys) < len(evidence):
        raise ValueError(f"evidence has {len(evidence)} cells, {len(keys)} different: give at least one, and each once")
    return sorted(evidence, key=lambda each: each.cell)


def _look(evidence: list[Evidence], rule: Rule, situation: Situation, latch: Latch) -> Glance:
    doubts = _doubts(rule, situation)
    few = situation.conversations < rule.least(situation.open)
    now: frozenset[LegKey] = frozenset() if doubts else _reached(evidence, rule)
    if not doubts:
        if situation.at_cycle_end and not few:
            latch = replace(latch, reached=latch.reached | now)
        latch = _reject(evidence, rule, latch)
    shown, blamed = latch.reached | now, frozenset(latch.blamed)
    waiting = any(
        each.cell.name in blamed
        or any((each.cell.guardrail, each.cell.slice, leg) not in shown for leg in each.leg_names)
        for each in evidence
    )
    if waiting and not doubts and situation.conversations >= rule.max_conversations:
        latch = replace(latch, expired=True)
    if not (waiting or few or doubts or latch.expired or latch.rejected) and situation.at_cycle_end:
        latch = replace(latch, promoted=True)
    verdict: Verdict = "REJECT" if latch.rejected else "PROMOTE" if latch.promoted and not doubts else "HOLD"
    return Glance(verdict, latch, tuple(doubts), now, waiting=waiting)


def certain_culprits(logs: Sequence[float], alpha: float) -> list[int]:
    """Which of these e-values are rejected together at ``alpha``, however they depend on each other: e-Holm.

    One is, if its mean with any others is still 1/alpha or more (Vovk and Wang 2021, arXiv 1912.06116, algorithm 1).
    """
    values = [math.exp(min(each, HUGE)) for each in logs]
    ascending = sorted(range(len(values)), key=values.__getitem__)
    found = []
    for index, value in enumerate(values):
        total, worst = value, value
        for count, other in enumerate((each for each in ascending if each != index), start=2):
            total += values[other]
            worst = min(worst, total / count)
        if worst >= 1 / alpha:
            found.append(index)
    return found


def _doubts(rule: Rule, situation: Situation) -> list[Reason]:
    """Why the evidence cannot be trusted now."""
    doubts = [Reason("cause", cause) for cause in situation.causes]
    completeness = situation.completeness
    if completeness is None or not situation.conversations:
        doubts.append(Reason("no_data", "no conversation has been closed"))
    elif completeness < rule.min_completeness:
        doubts.append(
            Reason(
                "incomplete", f"{completeness:.2%} of the pairs are complete, {rule.min_completeness:.2%} are needed"
            )
        )
    return doubts


def _missing(waiting: Sequence[CellReport], rule: Rule, situation: Situation, latch: Latch) -> list[Reason]:
    """What PROMOTE still waits for."""
    missing = []
    if latch.expired:
        missing.append(Reason("expired", f"not shown within {rule.max_conversations} conversations"))
    least = rule.least(situation.open)
    if situation.conversations < least:
        why = (
            f", {rule.min_closed_per_open:g} for each of {situation.open} open"
            if least > rule.min_conversations
            else ""
        )
        missing.append(Reason("few_conversations", f"{situation.conversations} closed, {least} are needed{why}"))
    missing += [Reason("evidence", f"{each.cell.name}: {each.progress:.0%} of what is needed") for each in waiting]
    if not situation.at_cycle_end:
        missing.append(Reason("cycle", "promotion is decided at the end of a whole cycle of traffic"))
    return missing


def _reasons(
    latch: Latch, doubts: Sequence[Reason], missing: list[Reason], rule: Rule, situation: Situation
) -> list[Reason]:
    found: list[tuple[Why, str, tuple[str, ...] | None]] = [
        ("harm", "worse than the margin", latch.harm),
        ("over_budget", "more than the budget", latch.over_budget),
    ]
    reasons = [
        Reason(why, f"{what}: {', '.join(names) or 'no single cell for certain'}")
        for why, what, names in found
        if names is not None
    ]
    if reasons or doubts:
        return [*reasons, *doubts]
    if latch.promoted:
        return [Reason("shown", f"every cell is within its margin at {rule.alpha:g}, {situation.conversations} closed")]
    return missing


def _reached(evidence: Sequence[Evidence], rule: Rule) -> frozenset[LegKey]:
    goal = -math.log(rule.alpha)
    return frozenset(
        (each.cell.guardrail, each.cell.slice, leg)
        for each in evidence
        for leg, log_e in each.legs().items()
        if log_e is not None and log_e >= goal
    )


def _reject(evidence: Sequence[Evidence], rule: Rule, latch: Latch) -> Latch:
    """The latch after this look's harm e-values: of the pairs together, and of the budgets together."""
    paired = [each for each in evidence if isinstance(each, Paired)]
    absolute = [each for each in evidence if isinstance(each, Absolute)]
    return replace(
        latch,
        harm=_fired(paired, rule.alpha, latch.harm),
        over_budget=_fired(absolute, rule.zero_tolerance_alpha, latch.over_budget),
    )


def _fired(evidence: Sequence[Evidence], alpha: float, before: tuple[str, ...] | None) -> tuple[str, ...] | None:
    """None: their mean harm e-value has not reached 1/alpha. Else the cells that are certain culprits, perhaps none.

    Those of ``before`` and those of this look. That they add up from look to look costs no confidence: an innocent
    cell is named at some look only if the mean over all innocent cells reaches 1/alpha there (closed testing), and it
    ever does so with probability alpha at most (Ville).
    """
    logs, goal = [each.log_reject() for each in evidence], -math.log(alpha)
    if before is None and (not logs or log_mean_e(logs) < goal):
        return None
    named = before or ()
    if all(log_e < goal or each.cell.name in named for each, log_e in zip(evidence, logs, strict=True)):
        return named
    found = [evidence[index].cell.name for index in certain_culprits(logs, alpha)]
    return tuple(dict.fromkeys([*named, *found]))


def _report(evidence: Evidence, rule: Rule, latch: Latch, reached: frozenset[LegKey]) -> CellReport:
    """``reached``: the legs that were latched before or are shown at this very look."""
    cell, legs = evidence.cell, evidence.legs()
    goal = -math.log(rule.alpha)
    shares = [
        1.0 if (cell.guardrail, cell.slice, leg) in reached else max(0.0, min((log_e or 0.0) / goal, 1.0))
        for leg, log_e in legs.items()
    ]
    known = [log_e for log_e in legs.values() if log_e is not None]
    bounds = evidence.bounds(rule.alpha) or (None, None)
    blamed = cell.name in latch.blamed
    passed = all((cell.guardrail, cell.slice, leg) in reached for leg in legs)
    return CellReport(
        cell=cell,
        state="fail" if blamed else "pass" if passed else "collecting",
        conversations=evidence.conversations,
        discordant=evidence.discordant,
        estimate=evidence.estimate(),
        lower=bounds[0],
        upper=bounds[1],
        log_e_promote=min(known) if len(known) == len(legs) else None,
        log_e_reject=evidence.log_reject(),
        progress=min(shares),
    )
