"""The numbers that rules, alerts and panels share: a threshold on a panel is an alert's, from the same name."""

from __future__ import annotations

from typing import Final

from shadow.gate.settings import Gate

SCRAPE_S: Final = 15
SAMPLE_LIMIT: Final = 50_000
"""Samples of one scrape; deploy/prometheus refuses more."""

JOB: Final = "shadow"
GATE_JOB: Final = "shadow-gate"
TAP_JOB: Final = "shadow-tap"
"""The jobs of deploy/prometheus: consumers, gate, production's own exporters."""

SRE: Final = "shadow-sre"
"""Who answers for the shadow itself."""

OBJECTIVES: Final[dict[str, float]] = {"evaluation": 0.995, "freshness": 0.99}
"""Of sampled turns, in 28 days: that they are evaluated, and that this takes no longer than :data:`FRESH_S`."""

FRESH_S: Final = 60.0
PERIOD_DAYS: Final = 28

BURNS: Final[tuple[tuple[float, str, str, str, str], ...]] = (
    (14.4, "1h", "5m", "2m", "page"),
    (6, "6h", "30m", "15m", "page"),
    (3, "1d", "2h", "1h", "ticket"),
    (1, "3d", "6h", "3h", "ticket"),
)
"""Times the even pace, over a long and a short window; how long; how urgent. Source: SRE Workbook, chapter 5."""

WINDOWS: Final[tuple[str, ...]] = ("30m", "1h", "2h", "6h", "1d", "3d")

CRITICAL_KINDS: Final[tuple[str, ...]] = ("pii_leak", "prompt_leak", "claimed_action")
"""Failures that no rate excuses."""

FAILING_RATIO: Final = 0.05
FAILING_CALLS: Final = 200
"""Calls in an hour below which a share of failures says nothing."""

EXCESS_DIVERGENCE: Final = 0.05
EXCESS_PAIRS: Final = 500

SLOW_FACTOR: Final = 1.25
SLOW_CALLS: Final = 200

SILENT_TURNS: Final = 200
"""Turns in a quarter of an hour that the shadow read while an arm was not asked once."""

ANY: Final = 1
"""Of what an alert does not bear at all."""

STALE_S: Final = 600.0
COVERAGE_RATIO: Final[float] = Gate().min_coverage
COMPLETENESS_RATIO: Final[float] = Gate().min_completeness
"""Below which a gate holds, unless its configuration says otherwise."""

BEHIND_S: Final = 300.0
SATURATED_RATIO: Final = 0.9
SERIES_RATIO: Final = 0.8
UNBALANCED_RATIO: Final = 0.05
UNBALANCED_TURNS: Final = 500
"""Turns in an hour below which counters, which begin anew with each process, balance too coarsely."""


def burn_limit(objective: str, factor: float) -> float:
    """The share of bad events at which the budget burns ``factor`` times faster than it may."""
    return factor * (1 - OBJECTIVES[objective])


def thresholds() -> set[float]:
    """Every number that a panel may have as a threshold."""
    burns = {burn_limit(objective, factor) for objective in OBJECTIVES for factor, *_ in BURNS}
    ratios = {FAILING_RATIO, EXCESS_DIVERGENCE, SATURATED_RATIO, SERIES_RATIO, UNBALANCED_RATIO}
    return (
        burns
        | ratios
        | {COVERAGE_RATIO, COMPLETENESS_RATIO}
        | {ANY, STALE_S, BEHIND_S, FRESH_S, SERIES_RATIO * SAMPLE_LIMIT}
    )
