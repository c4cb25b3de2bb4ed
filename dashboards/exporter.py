"""Exporter: can what the other dashboards show be trusted?"""

from __future__ import annotations

from typing import Final

from dashboards.limits import ANY, GATE_JOB, JOB, SAMPLE_LIMIT, SERIES_RATIO, TAP_JOB
from dashboards.panels import (
    CLUSTER,
    GREEN,
    LEGEND,
    RED,
    Board,
    bars,
    column,
    drawn,
    limit,
    lines,
    now,
    over,
    rows,
    stats,
)

JOBS: Final = f'job=~"{JOB}|{GATE_JOB}|{TAP_JOB}",{CLUSTER}'

BOARD: Final = Board(
    "shadow-exporter",
    "Shadow / Exporter",
    "Can what the other dashboards show be trusted?",
    (
        (
            "Is everything scraped?",
            (
                stats("Targets", "Which processes can be scraped?", "none",
                      now(f"min by (job, instance) (up{{{JOBS}}})", "{{job}} {{instance}}"),
                      words={0: ("DOWN", RED), 1: ("up", GREEN)}, width=12, height=7),
                stats("Watchdog", "Do rules run, so that this one fires as it always must?", "short",
                      now('count(ALERTS{alertname="ShadowWatchdog",alertstate="firing"})', "fires"),
                      steps=[(None, RED), (ANY, GREEN)], width=4, height=7),
                rows("Builds", "Which versions run?", "none",
                     column(f"count by (version, process) (shadow_build_info{{{CLUSTER}}})", "running", "short"),
                     width=8, height=7),
                lines("Scrape duration", "Does any process take long to answer?", "s",
                      over(f"topk({LEGEND}, max by (job, instance) (scrape_duration_seconds{{{JOBS}}}))",
                           "{{job}} {{instance}}"), width=12),
                lines("Uptime", "Which process was started anew?", "s",
                      over(f"bottomk({LEGEND}, time() - max by (instance) (process_start_time_seconds{{{JOBS}}}))",
                           "{{instance}}"), width=12),
            ),
        ),
        (
            "Does it fit?",
            (
                lines("Samples of a scrape", f"Does any process near the limit of {SAMPLE_LIMIT:,}?", "short",
                      over(f"topk({LEGEND}, max by (job, instance) (scrape_samples_post_metric_relabeling{{{JOBS}}}))",
                           "{{job}} {{instance}}"), width=12, **drawn(SERIES_RATIO * SAMPLE_LIMIT)),
                bars("Series by process", "Which process exports the most series, by its own count?", "short",
                     now(f"topk(10, max by (instance) (shadow_exporter_series{{{CLUSTER}}}))", "{{instance}}"),
                     least=0, width=6),
                bars("Overflown labels", "Which labels have reached their bound, in this time range?", "short",
                     now("topk(10, sum by (metric, label) "
                         f"(increase(shadow_exporter_label_overflows_total{{{CLUSTER}}}[$__range])) > 0)",
                         "{{metric}} {{label}}"), steps=limit(ANY), least=0, width=6, empty="none"),
            ),
        ),
    ),
    per_candidate=False,
)  # fmt: skip
