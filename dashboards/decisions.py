"""Decisions: what was decided, when, and what is still open?"""

from __future__ import annotations

from typing import Final

from dashboards.limits import ANY, STALE_S
from dashboards.panels import ARM, VERDICT, VERDICTS, Board, bars, column, limit, now, over, rows, states, stats

BOARD: Final = Board(
    "shadow-decisions",
    "Shadow / Decisions",
    "What was decided, when, and what is still open?",
    (
        (
            "What was decided?",
            (
                states("Verdicts over time", "When did which verdict hold?",
                       over(VERDICT.format(arm=ARM), "{{candidate}}"), words=VERDICTS, width=24, height=8),
                stats("Decisions", "How many decisions were taken in this time range?", "short",
                      now("round(sum by (candidate, decision) "
                          f"(increase(shadow_decisions_total{{{ARM}}}[$__range]))) > 0",
                          "{{candidate}} {{decision}}"), width=12),
                rows("Latest decisions", "When was each decided last?", "none",
                     column("max by (candidate, decision) "
                            f"(shadow_decision_timestamp_seconds{{{ARM}}}) * 1000", "when", "dateTimeAsIso"),
                     first="when", width=12, link="shadow-candidate"),
            ),
        ),
        (
            "What is open?",
            (
                bars("Open findings", "Who has findings to close before a promotion?", "short",
                     now(f"sort_desc(sum by (candidate, severity) (shadow_findings_open{{{ARM}}})) > 0",
                         "{{candidate}} {{severity}}"), least=0, width=12, empty="none is open"),
                stats("Critical findings", "Which candidates cannot be promoted for a finding?", "short",
                      now(f'sum by (candidate) (shadow_findings_open{{severity="critical",{ARM}}})', "{{candidate}}"),
                      steps=limit(ANY), width=6),
                stats("Age of the verdict", "Is what this says still so?", "s",
                      now(f"time() - max by (candidate) (shadow_gate_evaluation_timestamp_seconds{{{ARM}}})",
                          "{{candidate}}"), steps=limit(STALE_S), width=6),
            ),
        ),
    ),
)  # fmt: skip
