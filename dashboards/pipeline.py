"""Pipeline: does the shadow keep up, and where not? Rates, errors, durations; then what is full; then what is kept."""

from __future__ import annotations

from typing import Final

from dashboards.limits import ANY, BEHIND_S, SATURATED_RATIO, UNBALANCED_RATIO
from dashboards.panels import CLUSTER, GREEN, LEGEND, RED, Board, Panel, bars, drawn, limit, lines, now, over, stats

TAP: Final = "production does not export its Tap"
RATE: Final = "[$__rate_interval]"

TRAFFIC: Final[tuple[Panel, ...]] = (
    lines("Turns read by mirrors", "What do mirrors do with the turns that they read?", "reqps",
          over(f"sum by (result) (rate(shadow_mirror_records_total{{{CLUSTER}}}{RATE}))", "{{result}}")),
    lines("Records read by the comparator", "How many records does it read, of which topics?", "reqps",
          over(f"sum by (topic) (rate(shadow_comparator_records_total{{{CLUSTER}}}{RATE}))", "{{topic}}")),
    lines("Records that it did not want", "How many of them are duplicate, late, or broken?", "reqps",
          over(f"sum by (result) (rate(shadow_comparator_records_total"
               f'{{result!="accepted",{CLUSTER}}}{RATE}))', "{{result}}")),
    lines("Outcomes", "How do sampled turns end?", "reqps",
          over(f"sum by (outcome) (rate(shadow_outcomes_total{{{CLUSTER}}}{RATE}))", "{{outcome}}")),
    lines("Turns not evaluated", "Why are turns shed, or expired?", "reqps",
          over(f"topk({LEGEND}, sum by (outcome, reason) (rate(shadow_outcomes_total"
               f'{{outcome=~"shed|expired",{CLUSTER}}}{RATE})))', "{{outcome}}: {{reason}}")),
    lines("Into the ledger", "How many comparisons are stored, and how many were there before?", "reqps",
          over(f"sum by (result) (rate(shadow_ledger_rows_total{{{CLUSTER}}}{RATE}))", "{{result}}")),
)  # fmt: skip

BEHIND: Final[tuple[Panel, ...]] = (
    lines("Behind", "How old is what each group has read last?", "s",
          over(f"topk({LEGEND}, max by (group, topic) (time() - "
               f"(shadow_consumer_read_until_timestamp_seconds{{{CLUSTER}}} > 0)))", "{{group}} {{topic}}"),
          **drawn(BEHIND_S)),
    lines("Not done", "How many records has each group left to do?", "short",
          over(f"topk({LEGEND}, sum by (group) (shadow_consumer_lag_records{{{CLUSTER}}}))", "{{group}}")),
    stats("Ready", "Which processes do their work?", "none",
          now(f"min by (instance) (shadow_ready{{{CLUSTER}}})", "{{instance}}"),
          words={0: ("NO", RED), 1: ("yes", GREEN)}),
    lines("Delay of comparisons, p50 and p95", "How long after production's reply is a comparison there?", "s",
          over(f"histogram_quantile(0.5, sum by (le) (rate(shadow_evaluation_delay_seconds_bucket{{{CLUSTER}}}"
               f"{RATE})))", "p50"),
          over(f"histogram_quantile(0.95, sum by (le) (rate(shadow_evaluation_delay_seconds_bucket{{{CLUSTER}}}"
               f"{RATE})))", "p95")),
    lines("Stages, p95", "Which stage takes long over a batch?", "s",
          over(f"histogram_quantile(0.95, sum by (stage, le) (rate(shadow_stage_duration_seconds_bucket{{{CLUSTER}}}"
               f"{RATE})))", "{{stage}}"),
          over(f"histogram_quantile(0.95, sum by (le) (rate(shadow_ledger_transaction_seconds_bucket{{{CLUSTER}}}"
               f"{RATE})))", "ledger")),
    lines("Errors of stages", "How many events a second fail in a stage?", "reqps",
          over(f'sum by (stage) (rate(shadow_stage_events_total{{result="error",{CLUSTER}}}{RATE}))', "{{stage}}")),
)  # fmt: skip

FULL: Final[tuple[Panel, ...]] = (
    lines("Queues", "How full are the queues in front of the stages?", "percentunit",
          over(f"max by (stage) (shadow_stage_queue_events{{{CLUSTER}}} / "
               f"shadow_stage_queue_capacity_events{{{CLUSTER}}})", "{{stage}}"), **drawn(SATURATED_RATIO)),
    lines("Turns that wait", "How many turns does a comparator keep?", "short",
          over(f"topk({LEGEND}, max by (instance) (shadow_state_turns{{{CLUSTER}}}))", "{{instance}}")),
    lines("Lag of event loops, p95", "Which process has no time for its own loop?", "s",
          over(f"topk({LEGEND}, histogram_quantile(0.95, sum by (instance, le) "
               f"(rate(shadow_event_loop_lag_seconds_bucket{{{CLUSTER}}}{RATE}))))", "{{instance}}")),
    lines("Processor time", "Which process needs a whole core?", "percentunit",
          over(f'topk({LEGEND}, rate(process_cpu_seconds_total{{job="shadow",{CLUSTER}}}{RATE}))', "{{instance}}")),
    lines("Memory", "Which process grows?", "bytes",
          over(f'topk({LEGEND}, process_resident_memory_bytes{{job="shadow",{CLUSTER}}})', "{{instance}}")),
    lines("Rebalances", "How often are partitions given out anew, in five minutes?", "short",
          over(f"sum(increase(shadow_rebalances_total{{{CLUSTER}}}[5m]))", "all")),
)  # fmt: skip

KEPT: Final[tuple[Panel, ...]] = (
    bars("Conservation", "Do sampled turns and outcomes balance, over an hour?", "percentunit",
         now("sort_desc(abs(sum by (candidate) (increase(shadow_mirror_records_total"
             f'{{result=~"sent|shed",{CLUSTER}}}[1h])) - sum by (candidate) (increase(shadow_outcomes_total'
             f"{{{CLUSTER}}}[1h]))) / sum by (candidate) (increase(shadow_mirror_records_total"
             f'{{result=~"sent|shed",{CLUSTER}}}[1h])))', "{{candidate}}"),
         steps=limit(UNBALANCED_RATIO), least=0),
    stats("Dead letters", "What could not be read, in this time range?", "short",
          now(f"sum by (reason) (increase(shadow_dead_letters_total{{{CLUSTER}}}[$__range]))", "{{reason}}"),
          steps=limit(ANY)),
    stats("Given up by the Tap", "What did production's Tap drop, in this time range?", "short",
          now(f"sum by (reason) (increase(shadow_tap_dropped_total{{{CLUSTER}}}[$__range]))", "{{reason}}"),
          steps=limit(ANY), empty=TAP),
    lines("The Tap", "How many records a second does production hand over?", "reqps",
          over(f"sum(rate(shadow_tap_records_total{{{CLUSTER}}}{RATE}))", "acknowledged"), width=12, empty=TAP),
    lines("The Tap's queue", "How much waits in production's processes?", "bytes",
          over(f"topk({LEGEND}, shadow_tap_queue_bytes{{{CLUSTER}}})", "{{instance}}"), width=12, empty=TAP),
)  # fmt: skip

BOARD: Final = Board(
    "shadow-pipeline",
    "Shadow / Pipeline",
    "Does the shadow keep up, and where not?",
    (
        ("What goes through?", TRAFFIC),
        ("How late is it?", BEHIND),
        ("What is full?", FULL),
        ("Does anything get lost?", KEPT),
    ),
    per_candidate=False,
)
