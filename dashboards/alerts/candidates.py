"""About a candidate, by what its mirror and the comparator export: to the team that owns it."""

from __future__ import annotations

from typing import Final

from dashboards import rules
from dashboards.alert import Alert
from dashboards.limits import (
    CRITICAL_KINDS,
    EXCESS_DIVERGENCE,
    EXCESS_PAIRS,
    FAILING_CALLS,
    FAILING_RATIO,
    SILENT_TURNS,
    SLOW_CALLS,
    SLOW_FACTOR,
)


def _p95(series: str) -> str:
    return f"histogram_quantile(0.95, {series})"


def _per_hour(series: str, by: str) -> str:
    return f"3600 * sum by ({by}) ({series})"


CANDIDATES: Final[tuple[Alert, ...]] = (
    Alert(
        "ShadowCandidateCriticalFailure",
        "sum by (cluster, candidate, kind) "
        f'(increase(shadow_failures_total{{kind=~"{"|".join(CRITICAL_KINDS)}"}}[10m])) > 0',
        "page",
        "{{ $labels.candidate }} gave a reply with {{ $labels.kind }}.",
        "A failure that no rate excuses, in the last ten minutes. No customer saw it.",
        "shadow-candidate",
        "Critical failures",
        keep="15m",
        owned=True,
        pairs=("candidate", "kind"),
    ),
    Alert(
        "ShadowCandidateFailing",
        f"{rules.failing('1h')} > {FAILING_RATIO}\nand\n{rules.failing('5m')} > {FAILING_RATIO}\n"
        "and on (cluster, candidate)\n"
        f"{_per_hour(rules.ATTEMPTS.replace('rate5m', 'rate1h'), 'cluster, candidate')} > {FAILING_CALLS}",
        "ticket",
        "{{ $labels.candidate }} fails {{ $value | humanizePercentage }} of its calls.",
        "Calls that timed out, were refused by the provider, or came back empty or broken, over an hour.",
        "shadow-candidate",
        "Calls without an answer",
        wait="5m",
        owned=True,
        pairs=("candidate",),
    ),
    Alert(
        "ShadowCandidateDivergesAboveNoise",
        f"{rules.divergence('1h')}\n- on (cluster, measure) group_left ()\n{rules.noise('1h')}\n> {EXCESS_DIVERGENCE}\n"
        "and on (cluster, candidate, measure)\n"
        f"{_per_hour(rules.DIVERGENCE_COUNT.replace('rate5m', 'rate1h'), 'cluster, candidate, measure')}"
        f" > {EXCESS_PAIRS}",
        "ticket",
        "{{ $labels.candidate }} diverges {{ $value | humanizePercentage }} more than the control arm by "
        "{{ $labels.measure }}.",
        "Mean divergence from production over an hour, less that of production asked again. The gate decides.",
        "shadow-candidate",
        "Divergence above the noise floor",
        wait="30m",
        owned=True,
        pairs=("candidate", "measure"),
    ),
    Alert(
        "ShadowCandidateSlow",
        f"{_p95(rules.LATENCY.replace('rate5m', 'rate1h'))}\n> on (cluster) group_left ()\n"
        f"{SLOW_FACTOR} * {_p95(rules.PRODUCTION_LATENCY.replace('rate5m', 'rate1h'))}\n"
        "and on (cluster, candidate)\n"
        f"{_per_hour(rules.ATTEMPTS.replace('rate5m', 'rate1h'), 'cluster, candidate')} > {SLOW_CALLS}",
        "ticket",
        "{{ $labels.candidate }} takes {{ $value | humanizeDuration }} at the 95th percentile.",
        f"More than {SLOW_FACTOR:g} times production's, over an hour.",
        "shadow-candidate",
        "Whole answer, p95",
        wait="30m",
        owned=True,
    ),
    Alert(
        "ShadowCandidateSilent",
        "max by (cluster, candidate) (shadow_candidate_info)\n"
        "unless on (cluster, candidate)\n"
        "sum by (cluster, candidate) (rate(shadow_candidate_attempts_total[15m])) > 0\n"
        "unless on (cluster, candidate)\nmax by (cluster, candidate) (shadow_candidate_paused) == 1\n"
        "and on (cluster)\nsum by (cluster) (increase("
        f'shadow_comparator_records_total{{topic="support.turns",result="accepted"}}[15m])) > {SILENT_TURNS}',
        "ticket",
        "{{ $labels.candidate }} is not asked, while turns come in.",
        "Its mirror does not run, its breaker is open, its budget is spent, or its scope matches nothing.",
        "shadow-candidate",
        "Calls",
        wait="10m",
        owned=True,
    ),
)
