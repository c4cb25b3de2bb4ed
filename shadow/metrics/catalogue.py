"""Every metric family that a Shadow process exports: names, labels, help, buckets, exporter.

The one source: registration, docs/metrics.md, the bound of the number of series, and the checks of rules and
dashboards go by it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from typing import Final, Literal

from shadow.metrics import labels as of
from shadow.metrics.labels import Label

SECONDS: Final = (0.1, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 15.0, 30.0, 60.0)
FAST: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0)
RATIO: Final = (0.01, 0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.7, 0.9)

Kind = Literal["counter", "gauge", "histogram"]
Process = Literal["mirror", "comparator", "recorder", "judge", "gate", "tap"]

STREAMS: Final[tuple[Process, ...]] = ("mirror", "comparator")
READERS: Final[tuple[Process, ...]] = (*STREAMS, "judge")
CONSUMERS: Final[tuple[Process, ...]] = (*READERS, "recorder")
ASKING: Final[tuple[Process, ...]] = ("mirror", "judge")
EVERY: Final[tuple[Process, ...]] = (*CONSUMERS, "gate")

RUNTIME_SERIES: Final = 8
"""What prometheus-client's own collector of the process (memory, processor time, files) adds."""


@dataclass(frozen=True, slots=True)
class Family:
    """One metric family. Counters get ``_total`` when exported.

    ``by`` names the processes that export it.
    Where there are fewer children than the product of all labels' limits, ``distinct`` names the labels that tell them
    apart, and ``combinations`` how many there are for each of their values.
    """

    name: str
    kind: Kind
    labels: tuple[Label, ...]
    help: str
    by: tuple[Process, ...]
    buckets: tuple[float, ...] = ()
    distinct: tuple[Label, ...] | None = None
    combinations: int = 1

    @property
    def label_names(self) -> tuple[str, ...]:
        """The labels' names, in the order in which children are bound."""
        return tuple(label.name for label in self.labels)

    @property
    def samples(self) -> int:
        """Series of one child: a histogram has its buckets, ``+Inf``, count and sum."""
        return len(self.buckets) + 3 if self.kind == "histogram" else 1

    @property
    def exposed(self) -> tuple[str, ...]:
        """The names of its series, as Prometheus stores them."""
        if self.kind == "counter":
            return (f"{self.name}_total",)
        return tuple(f"{self.name}_{end}" for end in ("bucket", "sum", "count")) if self.buckets else (self.name,)

    def series(self, bounds: Mapping[str, int]) -> int:
        """The most series of one process; ``bounds`` overrides the limit of labels by name."""
        chosen = self.labels if self.distinct is None else self.distinct
        return self.samples * self.combinations * prod(bounds.get(label.name, label.limit) for label in chosen)


def _counter(name: str, labels: tuple[Label, ...], text: str, by: tuple[Process, ...], **more: object) -> Family:
    return Family(name, "counter", labels, text, by, **more)  # type: ignore[arg-type]


def _gauge(name: str, labels: tuple[Label, ...], text: str, by: tuple[Process, ...], **more: object) -> Family:
    return Family(name, "gauge", labels, text, by, **more)  # type: ignore[arg-type]


def _histogram(
    name: str, labels: tuple[Label, ...], text: str, by: tuple[Process, ...], buckets: tuple[float, ...]
) -> Family:
    return Family(name, "histogram", labels, text, by, buckets)


_ARM: Final = (of.CANDIDATE,)
_OWNED: Final = (of.GROUP, of.TOPIC, of.PARTITION)
_CELL: Final = (of.CANDIDATE, of.GUARDRAIL, of.SLICE)
_OUTCOME: Final = (of.CANDIDATE, of.OUTCOME, of.REASON)
_INFO: Final = (of.CANDIDATE, of.TEAM, of.ROLE, of.REVISION, of.PROVIDER, of.MODEL)

CATALOGUE: Final[tuple[Family, ...]] = (
    # every process
    _gauge("shadow_build_info", (of.VERSION, of.PROCESS), "Build of this process; always 1.", EVERY, distinct=()),
    _gauge("shadow_ready", (), "1 while /readyz says that this process does its work.", EVERY),
    _gauge("shadow_exporter_series", (), "Series that this process exports.", EVERY),
    _counter("shadow_exporter_label_overflows", (of.METRIC, of.OVERFLOWN), "Observations folded into `__other__` "
             "because a label had reached its bound.", EVERY, distinct=(), combinations=64),
    # reading from Kafka
    _gauge("shadow_consumer_lag_records", _OWNED, "Records of an owned partition that are not done: stored, and not "
           "committed.", CONSUMERS, distinct=(of.PARTITION,), combinations=3),
    _gauge("shadow_consumer_read_until_timestamp_seconds", _OWNED, "The broker's time up to which an owned partition "
           "has been read: of the last record, or of the last look if nothing was left.", CONSUMERS,
           distinct=(of.PARTITION,), combinations=3),
    _counter("shadow_rebalances", (), "Times that partitions were assigned to this process.", READERS),
    _histogram("shadow_event_loop_lag_seconds", (), "How late a timer of one second was.", READERS, FAST),
    _counter("shadow_dead_letters", (of.LETTER,), "Records written to the dead-letter topic.",
             ("comparator", "recorder")),
    # stages
    _counter("shadow_stage_events", (of.STAGE, of.PASSED), "Events that left a stage; `error`: the arm gave no answer "
             "(`ask`), or a plug-in failed (`compare`).", READERS),
    _histogram("shadow_stage_duration_seconds", (of.STAGE,), "Time of one batch in `join`, `compare`, `deliver`.",
               ("comparator",), FAST),
    _gauge("shadow_stage_queue_events", (of.STAGE,), "Events that wait in front of a stage.", STREAMS),
    _gauge("shadow_stage_queue_capacity_events", (of.STAGE,), "How many may wait there.", STREAMS),
    # mirror
    _counter("shadow_mirror_records", (of.CANDIDATE, of.MIRRORED), "Turns that a mirror read.", ("mirror",)),
    _gauge("shadow_candidate_info", _INFO, "An arm that turns are mirrored to; always 1.", STREAMS,
           distinct=(of.CANDIDATE,)),
    _counter("shadow_candidate_attempts", (of.CANDIDATE, of.ATTEMPT), "Calls to an arm, by how they ended.",
             ASKING),
    _histogram("shadow_candidate_request_duration_seconds", _ARM, "Time of an arm's whole answer.", ASKING,
               SECONDS),
    _histogram("shadow_candidate_time_to_first_token_seconds", _ARM, "Time to its first token.", ASKING, SECONDS),
    _counter("shadow_candidate_tokens", (of.CANDIDATE, of.TOKEN_TYPE), "Tokens that an arm used.", ASKING),
    _counter("shadow_candidate_cost_usd", _ARM, "What an arm's answers cost, US dollars.", ASKING),
    _gauge("shadow_candidate_budget_usd", _ARM, "What an arm may cost in a UTC day, US dollars; absent if it has no "
           "budget.", ("mirror",)),
    _gauge("shadow_candidate_inflight_requests", _ARM, "Calls to an arm that are under way.", ("mirror",)),
    _gauge("shadow_candidate_circuit_open", _ARM, "1 while the breaker holds an arm off.", ("mirror",)),
    _gauge("shadow_candidate_paused", _ARM, "1 while an arm is paused or killed.", ("mirror",)),
    _counter("shadow_tool_calls_recorded", (of.CANDIDATE, of.TOOL), "Tool calls in an arm's answers: recorded, never "
             "made.", ASKING),
    # comparator
    _counter("shadow_comparator_records", (of.TOPIC, of.READ), "Records that the comparator read.", ("comparator",)),
    _counter("shadow_outcomes", _OUTCOME, "How sampled turns ended, one per turn and arm.", ("comparator",),
             distinct=_ARM, combinations=len(of.ENDINGS)),
    _counter("shadow_failures", (of.CANDIDATE, of.KIND), "Failures of an arm's replies.", ("comparator",)),
    _histogram("shadow_divergence_ratio", (of.CANDIDATE, of.MEASURE), "Divergence from production, 0 to 1.",
               ("comparator",), RATIO),
    _counter("shadow_abstentions", (of.CANDIDATE, of.MEASURE), "Pairs of which a measure gave no score.",
             ("comparator",)),
    _histogram("shadow_evaluation_delay_seconds", (), "Production's reply to its comparison.", ("comparator",),
               SECONDS),
    _histogram("shadow_production_request_duration_seconds", (), "Time of production's whole answer, as the Tap "
               "measured it.", ("comparator",), SECONDS),
    _histogram("shadow_production_time_to_first_token_seconds", (), "Time to production's first token.",
               ("comparator",), SECONDS),
    _gauge("shadow_state_turns", (), "Turns that wait for a reply in this process.", ("comparator",)),
    _counter("shadow_comparisons", (of.CANDIDATE, of.SLICE, of.MEASURE, of.CHECKED), "Scores of replies by the "
             "measure's thresholds (`comparator.thresholds`), on each slice of the turn.", ("comparator",)),
    # recorder
    _counter("shadow_ledger_rows", (of.STORED,), "Comparisons given to the ledger.", ("recorder",)),
    _histogram("shadow_ledger_transaction_seconds", (), "Time of one ledger transaction.", ("recorder",), FAST),
    # the judge
    _counter("shadow_judge_verdicts", (of.CANDIDATE, of.JUDGED), "Sampled pairs that the judge has done with, by "
             "verdict, or by why there is none.", ("judge",)),
    # the Tap, in production's own registry
    _counter("shadow_tap_records", (), "Records that the broker has acknowledged.", ("tap",)),
    _counter("shadow_tap_dropped", (of.DROP,), "Records that the Tap gave up.", ("tap",)),
    _gauge("shadow_tap_queue_records", (), "Records that wait in the Tap, or are in flight.", ("tap",)),
    _gauge("shadow_tap_queue_bytes", (), "Their size.", ("tap",)),
    # the gate: from the ledger alone
    _gauge("shadow_gate_estimate_ratio", _CELL, "A guardrail's estimate.", ("gate",)),
    _gauge("shadow_gate_lower_bound_ratio", _CELL, "Lower end of its confidence interval.", ("gate",)),
    _gauge("shadow_gate_upper_bound_ratio", _CELL, "Upper end of its confidence interval.", ("gate",)),
    _gauge("shadow_gate_samples", _CELL, "Conversations behind the estimate.", ("gate",)),
    _gauge("shadow_gate_state", _CELL, "0 collecting, 1 pass, 2 fail.", ("gate",)),
    _gauge("shadow_gate_progress_ratio", _CELL, "Share of the evidence needed that is there.", ("gate",)),
    _gauge("shadow_gate_margin_ratio", _CELL, "The margin that must hold.", ("gate",)),
    _gauge("shadow_gate_required_samples", _CELL, "Conversations of the slice needed to decide.", ("gate",)),
    _gauge("shadow_gate_verdict", (of.CANDIDATE, of.VERDICT), "1 for the verdict that holds, 0 for the others.",
           ("gate",)),
    _gauge("shadow_gate_evaluation_timestamp_seconds", _ARM, "When the gate last evaluated, Unix seconds.", ("gate",)),
    _gauge("shadow_gate_coverage_ratio", _ARM, "Share of sampled turns that count for the verdict.", ("gate",)),
    _gauge("shadow_gate_completeness_ratio", _ARM, "Share of the sampled pairs that are complete.", ("gate",)),
    _gauge("shadow_gate_sentinel_state", _ARM, "Control against production: 0 quiet, 1 control fails more often, "
           "2 less often.", ("gate",)),
    _gauge("shadow_gate_sentinel_progress_ratio", _ARM, "Share of the evidence of a sentinel's alarm.", ("gate",)),
    _gauge("shadow_ledger_comparisons", _ARM, "Comparisons of this arm's revision in the ledger.", ("gate",)),
    _counter("shadow_decisions", (of.CANDIDATE, of.DECISION), "Decisions taken.", ("gate",)),
    _gauge("shadow_decision_timestamp_seconds", (of.CANDIDATE, of.DECISION), "When such a decision was last taken, "
           "Unix seconds.", ("gate",)),
    _gauge("shadow_findings_open", (of.CANDIDATE, of.TEAM, of.SEVERITY), "Findings that nobody has closed.", ("gate",),
           distinct=(of.CANDIDATE, of.SEVERITY)),
)  # fmt: skip

BY_NAME: Final[dict[str, Family]] = {family.name: family for family in CATALOGUE}


def series_bound(process: Process, bounds: Mapping[str, int] | None = None) -> int:
    """The most series that a process of this kind can export; ``bounds`` overrides limits of labels by name."""
    return RUNTIME_SERIES + sum(family.series(bounds or {}) for family in CATALOGUE if process in family.by)
