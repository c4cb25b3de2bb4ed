"""Slice: on which kinds of turns is a candidate worse?"""

from __future__ import annotations

from typing import Final

from dashboards import rules
from dashboards.panels import ARM, LEGEND, STATES, Board, bars, lines, now, over, rows, stats

SEEN: Final = f'{ARM},slice=~"$slice"'
CELL: Final = f'{ARM},slice=~"$slice",guardrail=~"$guardrail"'


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
            "Which slices hold?",
            (
                stats("Cells that fail", "Which guardrails fail, on which slices?", "none",
                      now(f"max by (candidate, guardrail, slice) (shadow_gate_state{{{CELL}}}) == 2",
                          "{{candidate}} {{guardrail}} {{slice}}"), words=STATES, width=12, height=7),
                stats("Cells by state", "How many cells pass, fail, or still collect?", "short",
                      now(f"sum by (candidate) (shadow_gate_state{{{CELL}}} == bool 1)", "{{candidate}} pass"),
                      now(f"sum by (candidate) (shadow_gate_state{{{CELL}}} == bool 0)", "{{candidate}} collecting"),
                      now(f"sum by (candidate) (shadow_gate_state{{{CELL}}} == bool 2)", "{{candidate}} fail"),
                      width=12, height=7),
            ),
        ),
        (
            "How much worse?",
            (
                bars("Upper bounds", "How bad may it be, at worst, on each slice?", "percentunit",
                     now(f"topk(15, max by (candidate, slice) (shadow_gate_upper_bound_ratio{{{CELL}}}))",
                         "{{candidate}} {{slice}}"), width=12, height=10),
                lines("Upper bounds over time", "Is the worst slice getting better or worse?", "percentunit",
                      over(f"topk({LEGEND}, max by (candidate, slice) (shadow_gate_upper_bound_ratio{{{CELL}}}))",
                           "{{candidate}} {{slice}}"), width=12, height=10, least=None),
            ),
        ),
        (
            "How do replies differ, by the measures' thresholds?",
            (
                bars("Apart from production", "By which measures, on which slices, are most replies apart just now?",
                     "percentunit", now(f"topk(15, {_share('diverge')})", "{{candidate}} {{slice}} {{measure}}"),
                     width=12, height=10),
                lines("Apart over time", "On which slices do more replies come apart?", "percentunit",
                      over(f"topk({LEGEND}, {_share('diverge')})", "{{candidate}} {{slice}} {{measure}}"),
                      width=12, height=10),
            ),
        ),
        (
            "How much is known?",
            (
                bars("Samples", "Which slices have the least evidence?", "short",
                     now(f"bottomk(15, min by (candidate, slice) (shadow_gate_samples{{{CELL}}}))",
                         "{{candidate}} {{slice}}"), least=0, width=12, height=10),
                rows("Cells", "What are the estimates and bounds of each cell?", "percentunit",
                     now(f"max by (candidate, guardrail, slice) (shadow_gate_estimate_ratio{{{CELL}}})"),
                     now(f"max by (candidate, guardrail, slice) (shadow_gate_lower_bound_ratio{{{CELL}}})"),
                     now(f"max by (candidate, guardrail, slice) (shadow_gate_upper_bound_ratio{{{CELL}}})"),
                     width=12, height=10),
            ),
        ),
    ),
    variables=(
        ("slice", "Slice", f"label_values(shadow_gate_samples{{{ARM}}}, slice)"),
        ("guardrail", "Guardrail", f"label_values(shadow_gate_samples{{{ARM}}}, guardrail)"),
    ),
)  # fmt: skip
