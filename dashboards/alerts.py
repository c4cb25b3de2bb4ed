"""Alerts: about a candidate, to the team that owns it; about the shadow's objectives and about the shadow, to its SREs.

Ratios have a guard: below some traffic a share says nothing. Owner and links: :mod:`dashboards.alert`.
"""

from __future__ import annotations

from typing import Any, Final

from dashboards import rules
from dashboards.alert import Alert, finished
from dashboards.limits import (
    BEHIND_S,
    BURNS,
    COVERAGE_RATIO,
    CRITICAL_KINDS,
    EXCESS_DIVERGENCE,
    EXCESS_PAIRS,
    FAILING_CALLS,
    FAILING_RATIO,
    FRESH_S,
    GATE_JOB,
    JOB,
    OBJECTIVES,
    PERIOD_DAYS,
    SAMPLE_LIMIT,
    SATURATED_RATIO,
    SERIES_RATIO,
    SILENT_TURNS,
    SLOW_CALLS,
    SLOW_FACTOR,
    STALE_S,
    UNBALANCED_RATIO,
    UNBALANCED_TURNS,
    burn_limit,
)
from dashboards.site import HERE, Site

DOWN: Final[tuple[str, ...]] = ("ShadowWorkersAbsent", "ShadowMirrorStopped")
"""While one of these fires, the shadow measures nothing: alerts about candidates say nothing."""


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

GATE: Final[tuple[Alert, ...]] = (
    Alert(
        "ShadowGateStale",
        f"time() - max by (cluster, candidate) (shadow_gate_evaluation_timestamp_seconds) > {STALE_S:.0f}",
        "ticket",
        "The gate last looked at {{ $labels.candidate }} {{ $value | humanizeDuration }} ago.",
        "Panels show an old verdict: do not promote by it.",
        "shadow-candidate",
        "Age",
        wait="5m",
        owned=True,
    ),
    Alert(
        "ShadowCandidateFailedAfterPromotion",
        'max by (cluster, candidate) (shadow_gate_verdict{verdict="REJECT"}) == 1\nand on (cluster, candidate)\n'
        'time() - max by (cluster, candidate) (shadow_decision_timestamp_seconds{decision="PROMOTE"})'
        f" < {PERIOD_DAYS * 86_400}",
        "page",
        "The gate had said PROMOTE of {{ $labels.candidate }}, and rejects it now.",
        "If it was rolled out (`shadow promotions`), customers see its replies: consider the way back.",
        "shadow-candidate",
        "Verdict",
        wait="5m",
        owned=True,
        pairs=("candidate",),
    ),
    Alert(
        "ShadowGateAbsent",
        f'absent(up{{job="{GATE_JOB}"}} == 1)',
        "page",
        "The gate cannot be scraped: panels have no verdicts.",
        "Nothing decides and nothing says so but this.",
        "shadow-exporter",
        "Targets",
        wait="5m",
    ),
    Alert(
        "ShadowSentinelAlarm",
        "max by (cluster) (shadow_gate_sentinel_state) > 0",
        "ticket",
        "Production asked again does not fail as often as production: the instruments differ between the arms.",
        "Every candidate that is held against this control is on HOLD until somebody has found out why.",
        "shadow-candidate",
        "Sentinel",
    ),
    Alert(
        "ShadowCoverageLow",
        f"min by (cluster, candidate) (shadow_gate_coverage_ratio) < {COVERAGE_RATIO}",
        "ticket",
        "Only {{ $value | humanizePercentage }} of the turns of {{ $labels.candidate }} count for its verdict.",
        "The gate holds while so few turns count: what is left may be the easy ones.",
        "shadow-candidate",
        "Coverage",
        wait="30m",
    ),
)


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

_READ: Final = "shadow_consumer_read_until_timestamp_seconds"

META: Final[tuple[Alert, ...]] = (
    Alert(
        "ShadowWatchdog",
        "vector(1)",
        "none",
        "Always fires: it shows that alerts arrive.",
        "Somebody outside must notice when it stops.",
        "shadow-exporter",
        "Watchdog",
    ),
    Alert(
        "ShadowWorkersAbsent",
        f'absent(up{{job="{JOB}"}} == 1)',
        "page",
        "No process of the shadow can be scraped.",
        "Production is not touched by it; nothing is measured.",
        "shadow-pipeline",
        "Ready",
        wait="5m",
    ),
    Alert(
        "ShadowMirrorStopped",
        'sum by (cluster) (rate(shadow_comparator_records_total{topic="support.turns"}[10m])) > 0\n'
        "unless on (cluster)\nsum by (cluster) (rate(shadow_mirror_records_total[10m])) > 0",
        "page",
        "No mirror reads turns, and turns come in.",
        "No arm is asked; the turns expire without a comparison.",
        "shadow-pipeline",
        "Turns read by mirrors",
        wait="10m",
    ),
    Alert(
        "ShadowProcessDown",
        f'min by (cluster, job, instance) (up{{job=~"{JOB}|{GATE_JOB}"}}) == 0',
        "ticket",
        "{{ $labels.instance }} of {{ $labels.job }} cannot be scraped.",
        "One process is away or hangs; its own alerts are silent, for they stand on what it exports.",
        "shadow-exporter",
        "Targets",
        wait="10m",
    ),
    Alert(
        "ShadowNotReady",
        "max by (cluster, instance) (shadow_ready) == 0",
        "ticket",
        "{{ $labels.instance }} has not been ready for a quarter of an hour.",
        "Its /readyz says why, one line a reason.",
        "shadow-pipeline",
        "Ready",
        wait="15m",
    ),
    Alert(
        "ShadowLagGrowing",
        f"max by (cluster, group, topic) (time() - {_READ}) > {BEHIND_S:.0f}",
        "ticket",
        "{{ $labels.group }} is {{ $value | humanizeDuration }} behind on {{ $labels.topic }}.",
        "What it has read last reached the broker so long ago.",
        "shadow-pipeline",
        "Behind",
        wait="10m",
    ),
    Alert(
        "ShadowStageSaturated",
        f"max by (cluster, stage) (shadow_stage_queue_events / shadow_stage_queue_capacity_events) > {SATURATED_RATIO}",
        "ticket",
        "The queue in front of {{ $labels.stage }} is {{ $value | humanizePercentage }} full.",
        "What is behind it is too slow for the traffic: the oldest turns will be shed, or wait.",
        "shadow-pipeline",
        "Queues",
        wait="10m",
    ),
    Alert(
        "ShadowConservationBroken",
        'abs(\n  sum by (cluster, candidate) (increase(shadow_mirror_records_total{result=~"sent|shed"}[1h]))\n'
        "  - sum by (cluster, candidate) (increase(shadow_outcomes_total[1h]))\n)\n/\n(\n"
        '  sum by (cluster, candidate) (increase(shadow_mirror_records_total{result=~"sent|shed"}[1h]))'
        f" > {UNBALANCED_TURNS}\n) > {UNBALANCED_RATIO}",
        "ticket",
        "{{ $labels.candidate }}: sampled turns and outcomes differ by {{ $value | humanizePercentage }}.",
        "Each sampled turn must end in exactly one outcome. `shadow audit` says which are missing or double.",
        "shadow-pipeline",
        "Conservation",
        wait="30m",
    ),
    Alert(
        "ShadowTapDropping",
        "sum by (cluster, reason) (increase(shadow_tap_dropped_total[10m])) > 0",
        "ticket",
        "The Tap in production gives up records: {{ $labels.reason }}.",
        "Production is not touched by it; these turns are not evaluated, and nothing else knows of them.",
        "shadow-pipeline",
        "Given up by the Tap",
    ),
    Alert(
        "ShadowSeriesNearLimit",
        f'max by (cluster, instance) (scrape_samples_post_metric_relabeling{{job=~"{JOB}|{GATE_JOB}"}})'
        f" > {SERIES_RATIO * SAMPLE_LIMIT:.0f}",
        "ticket",
        "{{ $labels.instance }} exports {{ $value | humanize }} samples.",
        f"At {SAMPLE_LIMIT:,} Prometheus refuses the whole scrape.",
        "shadow-exporter",
        "Samples of a scrape",
        wait="15m",
    ),
    Alert(
        "ShadowLabelOverflow",
        "sum by (cluster, metric, label) (increase(shadow_exporter_label_overflows_total[1h])) > 0",
        "ticket",
        "{{ $labels.label }} of {{ $labels.metric }} has reached its bound.",
        "Further values are counted together as `__other__`: panels of single ones miss them.",
        "shadow-exporter",
        "Overflown labels",
    ),
)

ALERTS: Final[tuple[Alert, ...]] = (*OBJECTIVE, *CANDIDATES, *META, *GATE)
NAMES: Final[tuple[str, ...]] = tuple(dict.fromkeys(alert.name for alert in ALERTS))


def groups(site: Site = HERE) -> list[dict[str, Any]]:
    """The groups of alerts that stand on what processes export today."""
    named = {"shadow-objectives.alerts": OBJECTIVE, "shadow-candidates.alerts": CANDIDATES, "shadow.alerts": META}
    return [{"name": name, "rules": [finished(alert, site) for alert in alerts]} for name, alerts in named.items()]


def gate_groups(site: Site = HERE) -> list[dict[str, Any]]:
    """The groups that need the gate's exporter: in a file of their own, to be loaded once it runs."""
    return [{"name": "shadow-gate.alerts", "rules": [finished(alert, site) for alert in GATE]}]
