"""About the shadow itself, to its SREs: whether it measures, and whether anybody would know."""

from __future__ import annotations

from typing import Final

from dashboards.alert import Alert
from dashboards.limits import (
    BEHIND_S,
    GATE_JOB,
    JOB,
    SAMPLE_LIMIT,
    SATURATED_RATIO,
    SERIES_RATIO,
    UNBALANCED_RATIO,
    UNBALANCED_TURNS,
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
