"""Objectives: does the shadow keep what it promises, and how fast does it use up what it may miss?"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from dashboards import rules
from dashboards.limits import ANY, FRESH_S, OBJECTIVES, PERIOD_DAYS
from dashboards.panels import (
    CLEAR,
    CLUSTER,
    LEGEND,
    ORANGE,
    Board,
    Panel,
    bars,
    burning,
    limit,
    lines,
    now,
    over,
    stats,
)

SHOWN: Final = ("5m", "30m", "1h", "6h", "1d", "3d")


def _row(objective: str, series: Callable[[str], str], what: str) -> tuple[Panel, ...]:
    budget = 1 - OBJECTIVES[objective]
    used = f"max({series('3d')}{{{CLUSTER}}}) * 3 / {PERIOD_DAYS} / {budget:.4f}"
    return (
        lines(f"{objective.title()}: missed", f"What share of {what}, over shorter and longer windows?", "percentunit",
              *(over(f"max({series(window)}{{{CLUSTER}}})", window) for window in SHOWN[:LEGEND]),
              steps=burning(objective, fine=CLEAR), line=True, width=12, height=9),
        bars(f"{objective.title()}: pace", "How many times faster than it may does the budget burn?", "short",
             *(now(f"max({series(window)}{{{CLUSTER}}}) / {budget:.4f}", window) for window in SHOWN),
             least=0, steps=limit(ANY, bad=ORANGE), width=7, height=9),
        stats(f"{objective.title()}: used",
              f"What share of {PERIOD_DAYS} days' budget went in the last three?", "percentunit",
              now(used, "used"), steps=limit(ANY), width=5, height=9),
    )  # fmt: skip


BOARD: Final = Board(
    "shadow-objectives",
    "Shadow / Objectives",
    "Does the shadow keep what it promises, and how fast does it use up what it may miss?",
    (
        (f"Evaluation: {OBJECTIVES['evaluation']:.1%} of sampled turns are evaluated",
         _row("evaluation", rules.evaluated, "sampled turns was lost")),
        (f"Freshness: {OBJECTIVES['freshness']:.1%} of comparisons come within {FRESH_S:.0f} s",
         _row("freshness", rules.late, "comparisons came late")),
        ("Who misses?", (
            bars("Lost by arm", "Whose turns are lost, and why?", "reqps",
                 now(f"topk(10, sum by (candidate, reason) ({rules.OUTCOMES}{{{rules.LOST},{CLUSTER}}}) > 0)",
                     "{{candidate}} {{reason}}"), least=0, width=12, empty="nobody's"),
            lines("Delay of comparisons, p99", "How late are the latest?", "s",
                  over(f"histogram_quantile(0.99, sum by (le) ({rules.DELAY}{{{CLUSTER}}}))", "p99"), width=12),
        )),
    ),
    per_candidate=False,
)  # fmt: skip
