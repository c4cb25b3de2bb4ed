"""Recording rules in two layers: first without ``instance`` over five minutes, then longer windows of those.

Flat rules over eight workers took 5.6 s an evaluation, these 0.9 s. Names are ``level:metric:operations``.
Sums are of rates, never rates of sums: a restart would look like an increase.
"""

from __future__ import annotations

from typing import Any, Final

from dashboards.limits import FRESH_S, WINDOWS

INTERVAL: Final = "30s"

OUTCOMES: Final = "cluster_candidate_outcome_reason:shadow_outcomes:rate5m"
ATTEMPTS: Final = "cluster_candidate_outcome:shadow_candidate_attempts:rate5m"
MIRRORED: Final = "cluster_candidate_result:shadow_mirror_records:rate5m"
LATENCY: Final = "cluster_candidate_le:shadow_candidate_request_duration_seconds_bucket:rate5m"
PRODUCTION_LATENCY: Final = "cluster_le:shadow_production_request_duration_seconds_bucket:rate5m"
DIVERGENCE_SUM: Final = "cluster_candidate_measure:shadow_divergence_ratio_sum:rate5m"
DIVERGENCE_COUNT: Final = "cluster_candidate_measure:shadow_divergence_ratio_count:rate5m"
COMPARISONS: Final = "cluster_candidate_slice_measure_verdict:shadow_comparisons:rate5m"
DELAY: Final = "cluster_le:shadow_evaluation_delay_seconds_bucket:rate5m"

LOST: Final = 'reason=~"too_old|production_reply|arm_reply"'
"""Outcomes of turns that the shadow was to evaluate and did not: shed for their age, or expired."""

WANTED: Final = 'reason!~"budget|breaker|paused|too_large"'
"""All but what an arm's own limits shed: that is as its owner wants it."""


def evaluated(window: str) -> str:
    """Share of turns that the shadow lost."""
    return f"cluster:shadow_turns_lost:ratio_rate{window}"


def late(window: str) -> str:
    """Share of comparisons that came later than :data:`~dashboards.limits.FRESH_S`."""
    return f"cluster:shadow_evaluation_delay_over_{FRESH_S:.0f}s:ratio_rate{window}"


def failing(window: str) -> str:
    """Share of an arm's calls that gave no answer."""
    return f"cluster_candidate:shadow_candidate_failures_per_attempt:ratio_rate{window}"


def divergence(window: str) -> str:
    """An arm's mean divergence from production."""
    return f"cluster_candidate_measure:shadow_divergence:mean{window}"


def noise(window: str) -> str:
    """The control arm's mean divergence from production: the noise floor."""
    return f"cluster_measure:shadow_control_divergence:mean{window}"


def _record(name: str, expression: str) -> dict[str, Any]:
    return {"record": name, "expr": expression}


def _over(series: str, window: str, labels: str = "") -> str:
    """The mean of a five-minute rate over a window; over five minutes, itself."""
    selected = f"{series}{{{labels}}}" if labels else series
    return selected if window == "5m" else f"avg_over_time({selected}[{window}])"


def _first() -> list[dict[str, Any]]:
    """Without ``instance``, at five minutes."""
    counters = {
        OUTCOMES: "shadow_outcomes_total",
        ATTEMPTS: "shadow_candidate_attempts_total",
        MIRRORED: "shadow_mirror_records_total",
        LATENCY: "shadow_candidate_request_duration_seconds_bucket",
        PRODUCTION_LATENCY: "shadow_production_request_duration_seconds_bucket",
        DIVERGENCE_SUM: "shadow_divergence_ratio_sum",
        DIVERGENCE_COUNT: "shadow_divergence_ratio_count",
        COMPARISONS: "shadow_comparisons_total",
        DELAY: "shadow_evaluation_delay_seconds_bucket",
    }
    rules = []
    for name, counter in counters.items():
        level = name.partition(":")[0].replace("_", ", ")
        rules.append(_record(name, f"sum by ({level}) (rate({counter}[5m]))"))
    return rules


def _objectives(window: str) -> list[dict[str, Any]]:
    """What the two objectives count, over one window."""
    lost, total = (f"sum by (cluster) ({_over(OUTCOMES, window, labels)})" for labels in (LOST, WANTED))
    in_time, measured = (
        f"sum by (cluster) ({_over(DELAY, window, labels)})" for labels in (f'le="{FRESH_S}"', 'le="+Inf"')
    )
    return [
        _record(evaluated(window), f"{lost}\n/\n({total} > 0)"),
        _record(late(window), f"1 - {in_time}\n/\n({measured} > 0)"),
    ]


def _arms(window: str) -> list[dict[str, Any]]:
    """Failures, latency and divergence of each arm, over one window."""
    calls = f"sum by (cluster, candidate) ({_over(ATTEMPTS, window)})"
    not_ok = _over(ATTEMPTS, window, 'outcome!="ok"')
    failed = f"sum by (cluster, candidate) ({not_ok})"
    total, count = _over(DIVERGENCE_SUM, window), _over(DIVERGENCE_COUNT, window)
    control = 'max by (cluster, candidate) (shadow_candidate_info{role="control"})'
    rules = [
        _record(failing(window), f"{failed}\n/\n({calls} > 0)"),
        _record(divergence(window), f"{total}\n/\n({count} > 0)"),
        _record(
            noise(window),
            f"max by (cluster, measure) ({divergence(window)} * on (cluster, candidate) group_left () {control})",
        ),
    ]
    if window != "5m":
        longer = (ATTEMPTS, MIRRORED, LATENCY, PRODUCTION_LATENCY, DIVERGENCE_COUNT)
        rules += [_record(name.replace("rate5m", f"rate{window}"), _over(name, window)) for name in longer]
    return rules


def groups() -> list[dict[str, Any]]:
    """The groups of recording rules, in the order in which they depend on one another."""
    objectives = [rule for window in ("5m", *WINDOWS) for rule in _objectives(window)]
    arms = [rule for window in ("5m", "1h", "6h") for rule in _arms(window)]
    return [
        {"name": "shadow-first.rules", "interval": INTERVAL, "rules": _first()},
        {"name": "shadow-objectives.rules", "interval": INTERVAL, "rules": objectives},
        {"name": "shadow-arms.rules", "interval": INTERVAL, "rules": arms},
    ]
