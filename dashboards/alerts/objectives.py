"""About the shadow's objectives: how fast their budgets burn."""

from __future__ import annotations

from typing import Any, Final

from dashboards import rules
from dashboards.alert import Alert
from dashboards.limits import BURNS, FRESH_S, OBJECTIVES, PERIOD_DAYS, burn_limit


def _burns(name: str, objective: str, series: Any, what: str) -> list[Alert]:
    """One alert per pair of windows, all of one name."""
    return [
        Alert(
            name,
            f"{series(long)} > {burn_limit(objective, factor):.5f}\nand\n"
            f"{series(short)} > {burn_limit(objective, factor):.5f}",
            "page" if severity == "page" else "ticket",
            f"The budget of {objective} burns {factor:g} times too fast: {what}.",
            f"{{{{ $value | humanizePercentage }}}} in {long}; {1 - OBJECTIVES[objective]:.1%} is allowed "
            f"in {PERIOD_DAYS} days.",
            "shadow-objectives",
            f"{objective.title()}: missed",
            wait=wait,
            labels=(("long", long), ("short", short)),
        )
        for factor, long, short, wait, severity in BURNS
    ]


OBJECTIVE: Final[tuple[Alert, ...]] = (
    *_burns("ShadowEvaluationBudgetBurn", "evaluation", rules.evaluated, "sampled turns are lost before a comparison"),
    *_burns("ShadowFreshnessBudgetBurn", "freshness", rules.late, f"comparisons come later than {FRESH_S:.0f} s"),
)
