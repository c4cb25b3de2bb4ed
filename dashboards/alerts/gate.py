"""By what the gate exports: verdicts, and whether they can be relied on."""

from __future__ import annotations

from typing import Final

from dashboards.alert import Alert
from dashboards.limits import COVERAGE_RATIO, GATE_JOB, PERIOD_DAYS, STALE_S

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
