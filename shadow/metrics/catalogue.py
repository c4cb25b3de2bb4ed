"""Every metric family that a Shadow process may export: names, labels, help, buckets.

Label values come from closed sets or bounded registries; ids, texts and errors never become labels.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

SECONDS: Final = (0.1, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 15.0, 30.0, 60.0)
FAST: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0)
RATIO: Final = (0.01, 0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.7, 0.9)


@dataclass(frozen=True, slots=True)
class Family:
    """One metric family. Counters get ``_total`` when exported."""

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    labels: tuple[str, ...]
    help: str
    buckets: tuple[float, ...] = ()


def _counter(name: str, labels: tuple[str, ...], text: str) -> Family:
    return Family(name, "counter", labels, text)


def _gauge(name: str, labels: tuple[str, ...], text: str) -> Family:
    return Family(name, "gauge", labels, text)


def _histogram(name: str, labels: tuple[str, ...], text: str, buckets: tuple[float, ...]) -> Family:
    return Family(name, "histogram", labels, text, buckets)


CATALOGUE: Final[tuple[Family, ...]] = (
    _gauge("shadow_build_info", ("version", "process"), "Build of this process; always 1."),
    _counter("shadow_mirror_records", ("candidate", "result"), "Turns a mirror read: sampled_out, out_of_scope, "
             "duplicate, malformed, sent, shed."),
    _counter("shadow_candidate_attempts", ("candidate", "outcome"), "Calls to an arm, by how they ended."),
    _histogram("shadow_candidate_request_duration_seconds", ("candidate",), "Time of an arm's whole answer.", SECONDS),
    _histogram("shadow_candidate_time_to_first_token_seconds", ("candidate",), "Time to its first token.", SECONDS),
    _counter("shadow_candidate_tokens", ("candidate", "gen_ai_token_type"), "Tokens that an arm used."),
    _counter("shadow_candidate_cost_usd", ("candidate",), "What an arm's answers cost, US dollars."),
    _gauge("shadow_candidate_inflight_requests", ("candidate",), "Calls to an arm that are under way."),
    _gauge("shadow_candidate_circuit_open", ("candidate",), "1 while the breaker holds an arm off."),
    _gauge("shadow_candidate_paused", ("candidate",), "1 while an arm is paused or killed."),
    _gauge("shadow_candidate_info", ("candidate", "team", "role", "revision", "gen_ai_request_model"),
           "An arm that turns are mirrored to; always 1."),
    _counter("shadow_comparator_records", ("topic", "result"), "Records the comparator read: accepted, duplicate, "
             "late, conflict, unmatched, unexpected, malformed."),
    _counter("shadow_outcomes", ("candidate", "outcome", "reason"), "How sampled turns ended, one per turn and arm."),
    _counter("shadow_failures", ("candidate", "kind"), "Failures of an arm's replies."),
    _histogram("shadow_divergence_ratio", ("candidate", "measure"), "Divergence from production, 0 to 1.", RATIO),
    _histogram("shadow_evaluation_delay_seconds", (), "Production's reply to its comparison.", SECONDS),
    _gauge("shadow_state_turns", (), "Turns that wait for a reply in this process."),
    _counter("shadow_judge_verdicts", ("candidate", "verdict"), "Sampled pairs that the judge has done with, by "
             "verdict, or by why there is none."),
    _counter("shadow_dead_letters", ("reason",), "Records written to the dead-letter topic."),
    _counter("shadow_rebalances", (), "Times that partitions were assigned to this process."),
    _counter("shadow_ledger_rows", ("result",), "Comparisons given to the ledger: stored, duplicate."),
    _gauge("shadow_gate_estimate_ratio", ("candidate", "guardrail", "slice"), "A guardrail's estimate."),
    _gauge("shadow_gate_lower_bound_ratio", ("candidate", "guardrail", "slice"),
           "Lower end of its confidence interval."),
    _gauge("shadow_gate_upper_bound_ratio", ("candidate", "guardrail", "slice"),
           "Upper end of its confidence interval."),
    _gauge("shadow_gate_samples", ("candidate", "guardrail", "slice"), "Conversations behind the estimate."),
    _gauge("shadow_gate_state", ("candidate", "guardrail", "slice"), "0 collecting, 1 pass, 2 fail."),
    _gauge("shadow_gate_progress_ratio", ("candidate", "guardrail", "slice"),
           "Share of the evidence needed that is there."),
    _gauge("shadow_gate_margin_ratio", ("candidate", "guardrail"), "The margin that must hold."),
    _gauge("shadow_gate_required_samples", ("candidate", "guardrail"), "Conversations needed to decide."),
    _gauge("shadow_gate_verdict", ("candidate", "verdict"), "1 for the verdict that holds, 0 for the others."),
    _gauge("shadow_gate_evaluation_timestamp_seconds", ("candidate",), "When the gate last evaluated, Unix seconds."),
    _gauge("shadow_gate_coverage_ratio", ("candidate",), "Share of sampled turns that count for the verdict."),
    _gauge("shadow_gate_completeness_ratio", ("candidate",), "Share of pairs that are complete."),
    _gauge("shadow_ledger_comparisons", ("candidate",), "Comparisons of this arm's revision in the ledger."),
    _counter("shadow_decisions", ("candidate", "decision"), "Decisions published."),
    _gauge("shadow_decision_timestamp_seconds", ("candidate", "decision"),
           "When such a decision was last taken, Unix seconds."),
    _histogram("shadow_ledger_transaction_seconds", (), "Time of one ledger transaction.", FAST),
)  # fmt: skip
