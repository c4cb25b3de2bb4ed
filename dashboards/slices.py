"""Slice: on which kinds of turns is a candidate worse?"""

from __future__ import annotations

from typing import Final

from dashboards import rules
from dashboards.limits import ANY
from dashboards.panels import (
    ARM,
    BLUE,
    CLEAR,
    GREEN,
    LEGEND,
    NEUTRAL,
    ORANGE,
    REJECTED,
    STATES,
    Board,
    Query,
    bars,
    column,
    limit,
    lines,
    named,
    now,
    over,
    rows,
    stats,
)

SEEN: Final = f'{ARM},slice=~"$slice"'
CELL: Final = f'{ARM},slice=~"$slice",guardrail=~"$guardrail"'
LABELS: Final = "candidate, guardrail, slice"
LEGENDS: Final = "{{candidate}} {{guardrail}}: {{slice}}"


def _cells(metric: str) -> str:
    return named(f"max by ({LABELS}) (shadow_gate_{metric}{{{CELL}}})")


def _count(state: int) -> Query:
    return now(f"sum by (candidate) (shadow_gate_state{{{CELL}}} == bool {state})", "{{candidate}}")


def _share(verdict: str) -> str:
    """Of the replies that a measure has scored, the share with this verdict; not evidence: that is the gate's."""
    by = "sum by (candidate, slice, measure)"
    scored = f"{by} ({rules.COMPARISONS}{{{SEEN}}}) > 0"
    return f'{by} ({rules.COMPARISONS}{{{SEEN},verdict="{verdict}"}}) / ({scored})'


BOARD: Final = Board(
    "shadow-slices",
    "Shadow / Slices",
    "On which kinds of turns is a candidate worse?",
    (
        (
            "Which slices hold?  A slice that fails rejects the candidate, however good the rest is",
            (
                stats("Cells that fail", "Which guardrails fail, on which slices?", "none",
                      now(f"{_cells('state')} == 2", LEGENDS), words=STATES, width=12, height=7, pairs=True,
                      empty="none fails"),
                stats("Pass", "How many guardrails hold on how many slices?", "short", _count(1),
                      steps=[(None, CLEAR), (ANY, GREEN)], width=4, height=7),
                stats("Collecting", "How many need more evidence?", "short", _count(0),
                      steps=[(None, CLEAR), (ANY, BLUE)], width=4, height=7),
                stats("Fail", "How many reject it?", "short", _count(2), steps=limit(ANY), width=4, height=7),
            ),
        ),
        (
            "How much worse, and how sure?",
            (
                rows("Cells", "What are the estimates and bounds of each cell, what is worst at least first?",
                     "percentunit", column(_cells("state"), "state", words=STATES),
                     column(_cells("estimate_ratio"), "estimate", "percentunit"),
                     column(_cells("lower_bound_ratio"), "at least", "percentunit"),
                     column(_cells("upper_bound_ratio"), "at most", "percentunit"),
                     column(_cells("margin_ratio"), "margin", "percentunit"),
                     column(_cells("progress_ratio"), "evidence", "percentunit"),
                     column(_cells("samples"), "conversations", "short"), first="at least", width=24, height=12,
                     link="shadow-candidate", pairs=True),
                lines("At least so much worse", "Where does what it is worse at least grow?", "percentunit",
                      over(f"topk({LEGEND}, {_cells('lower_bound_ratio')})", LEGENDS), width=12, height=10, least=None,
                      pairs=True),
                lines("At most so much worse", "Is the worst slice getting better or worse?", "percentunit",
                      over(f"topk({LEGEND}, {_cells('upper_bound_ratio')})", LEGENDS), width=12, height=10, least=None,
                      pairs=True),
            ),
        ),
        (
            "How do replies differ, by the measures' thresholds?",
            (
                bars("Apart from production", "By which measures, on which slices, are most replies apart just now?",
                     "percentunit", now(f"topk(15, {_share('diverge')})", "{{candidate}} {{slice}} {{measure}}"),
                     width=12, height=10, pairs=True),
                lines("Apart over time", "On which slices do more replies come apart?", "percentunit",
                      over(f"topk({LEGEND}, {_share('diverge')})", "{{candidate}} {{slice}} {{measure}}"),
                      width=12, height=10, pairs=True),
            ),
        ),
        (
            "How much is known?",
            (
                bars("Evidence", "Where does the evidence for a promotion lack most, unless it is rejected?",
                     "percentunit",
                     now(f"bottomk(15, {_cells('progress_ratio')} unless on (candidate) {REJECTED.format(arm=ARM)})",
                         LEGENDS), empty="none, or all are rejected", least=0, most=1,
                     steps=[(None, ORANGE), (ANY, GREEN)], width=12, height=10, pairs=True),
                bars("Conversations", "Which slices have the fewest?", "short",
                     now(f"bottomk(15, min by (candidate, slice) ({_cells('samples')}))", "{{candidate}}: {{slice}}"),
                     least=0, steps=[(None, NEUTRAL)], width=12, height=10, pairs=True),
            ),
        ),
    ),
    variables=(
        ("slice", "Slice", f"label_values(shadow_gate_samples{{{ARM}}}, slice)"),
        ("guardrail", "Guardrail", f"label_values(shadow_gate_samples{{{ARM}}}, guardrail)"),
    ),
)  # fmt: skip
