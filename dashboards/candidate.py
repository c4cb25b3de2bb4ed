"""Candidate verdict: may it be promoted, how much worse and how sure, where, is it healthy, what does it cost?

Panels on which a promotion rests read the gate's gauges alone: counters are at least once, and lossy.
"""

from __future__ import annotations

from typing import Final

from dashboards import rules
from dashboards.limits import (
    ANY,
    COMPLETENESS_RATIO,
    COVERAGE_RATIO,
    CRITICAL_KINDS,
    EXCESS_DIVERGENCE,
    FAILING_RATIO,
    STALE_S,
)
from dashboards.panels import (
    ARM,
    CLUSTER,
    GREEN,
    LEGEND,
    ORANGE,
    RED,
    REJECTED,
    SENTINEL,
    STATES,
    VERDICT,
    VERDICTS,
    Board,
    Panel,
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
from shadow.metrics.labels import ALL

OVERALL: Final = f'{ARM},slice="{ALL}"'
CRITICAL: Final = "|".join(CRITICAL_KINDS)


def _gate(metric: str, selected: str = OVERALL, by: str = "candidate, guardrail") -> str:
    return f"max by ({by}) (shadow_gate_{metric}{{{selected}}})"


CELL: Final = "candidate, guardrail, slice"
LEAST: Final = (
    f"max by (candidate) (max by ({CELL}) (shadow_gate_lower_bound_ratio{{{ARM}}}) - on ({CELL}) "
    f"max by ({CELL}) (shadow_gate_margin_ratio{{{ARM}}}))"
)
MOST: Final = LEAST.replace("lower", "upper")
"""Of each candidate's worst cell, slices too: how far beyond its margin it is at least, and at most."""

VERDICT_ROW: Final[tuple[Panel, ...]] = (
    stats("Verdict", "May it be promoted?", "none", now(VERDICT.format(arm=ARM), "{{candidate}}"), words=VERDICTS,
          width=5, height=6, link="shadow-decisions"),
    stats("Guardrails", "Which guardrails hold, over all traffic?", "none",
          now(_gate("state"), "{{candidate}} {{guardrail}}"), words=STATES, width=10, height=6, link="shadow-slices",
          pairs=True),
    stats("Age", "How old is it, for a stale verdict is none?", "s",
          now(f"time() - max by (candidate) (shadow_gate_evaluation_timestamp_seconds{{{ARM}}})", "{{candidate}}"),
          steps=limit(STALE_S), width=3, height=6),
    stats("Complete", "Are enough of its sampled pairs there, for the gate holds while the hard ones may lack?",
          "percentunit", now(f"min by (candidate) (shadow_gate_completeness_ratio{{{ARM}}})", "{{candidate}}"),
          steps=[(None, ORANGE), (COMPLETENESS_RATIO, GREEN)], width=3, height=6),
    stats("Coverage", "Do enough of its turns count, which they do while the customer would still talk to it?",
          "percentunit", now(f"min by (candidate) (shadow_gate_coverage_ratio{{{ARM}}})", "{{candidate}}"),
          steps=[(None, RED), (COVERAGE_RATIO, GREEN)], width=3, height=6),
    bars("Evidence for promotion", "How much of the evidence is there where it lacks most, unless it is rejected?",
         "percentunit",
         now(f"min by (candidate) (max by ({CELL}) (shadow_gate_progress_ratio{{{ARM}}})) "
             f"unless on (candidate) {REJECTED.format(arm=ARM)}", "{{candidate}}"),
         least=0, most=1, steps=[(None, ORANGE), (ANY, GREEN)], width=8, height=5, empty="none, or all are rejected"),
    stats("Conversations still needed", "How long must one that is on hold wait, by its slowest guardrail and slice?",
          "short",
          now(f"max by (candidate) (max by ({CELL}) (shadow_gate_required_samples{{{ARM}}}) "
              f"- on ({CELL}) max by ({CELL}) (shadow_gate_samples{{{ARM}}})) "
              f'and on (candidate) max by (candidate) (shadow_gate_verdict{{verdict="HOLD",{ARM}}}) == 1',
              "{{candidate}}"), width=5, height=5, empty="none waits, or it is not to be told yet"),
    stats("Comparisons", "How many comparisons of this revision are in the ledger?", "short",
          now(f"max by (candidate) (shadow_ledger_comparisons{{{ARM}}})", "{{candidate}}"), width=4, height=5),
    stats("Sentinel", "Does production asked again fail as often as production, without which no verdict holds?",
          "none", now(f"max by (candidate) (shadow_gate_sentinel_state{{{ARM}}})", "{{candidate}}"), words=SENTINEL,
          width=4, height=5),
    bars("Evidence of an alarm", "How near is the sentinel to an alarm?", "percentunit",
         now(f"max by (candidate) (shadow_gate_sentinel_progress_ratio{{{ARM}}})", "{{candidate}}"),
         least=0, most=1, steps=[(None, GREEN), (ANY, RED)], width=3, height=5),
)  # fmt: skip

SURE_ROW: Final[tuple[Panel, ...]] = (
    lines("Harm beyond the margin, at least", "How much worse is it at least, by its worst guardrail and slice?",
          "percentunit", over(f"topk({LEGEND}, {LEAST})", "{{candidate}}"), least=None, width=12, **drawn(0)),
    lines("Harm beyond the margin, at most", "How much worse may it still be, by its worst guardrail and slice?",
          "percentunit", over(f"topk({LEGEND}, {MOST})", "{{candidate}}"), least=None, width=12, **drawn(0)),
    rows("Guardrails with bounds", "How much worse than production is it over all traffic, and how sure is that?",
         "percentunit",
         column(_gate("state"), "state", words=STATES), column(_gate("estimate_ratio"), "estimate", "percentunit"),
         column(_gate("lower_bound_ratio"), "at least", "percentunit"),
         column(_gate("upper_bound_ratio"), "at most", "percentunit"),
         column(_gate("margin_ratio"), "margin", "percentunit"),
         column(_gate("progress_ratio"), "evidence", "percentunit"),
         column(_gate("samples"), "conversations", "short"), first="at least", width=24, height=10, pairs=True),
)  # fmt: skip

WHERE_ROW: Final[tuple[Panel, ...]] = (
    rows("Worst slices", "On which kinds of turns is it worse, what is worst at least first?", "percentunit",
         *(column(f'max by ({CELL}) (shadow_gate_{metric}{{{ARM},slice!="{ALL}"}})', heading, unit, words=words)
           for metric, heading, unit, words in (
               ("state", "state", "none", STATES), ("estimate_ratio", "estimate", "percentunit", {}),
               ("lower_bound_ratio", "at least", "percentunit", {}),
               ("upper_bound_ratio", "at most", "percentunit", {}),
               ("margin_ratio", "margin", "percentunit", {}))),
         first="at least", width=14, height=9, link="shadow-slices", pairs=True),
    lines("Divergence above the noise floor", "By which measures does it differ more than production from itself?",
          "percentunit",
          over(f"topk({LEGEND}, {rules.divergence('1h')}{{{ARM}}} - on (cluster, measure) group_left () "
               f"{rules.noise('1h')}{{{CLUSTER}}})", "{{candidate}} {{measure}}"),
          least=None, width=10, height=9, pairs=True, **drawn(EXCESS_DIVERGENCE)),
)  # fmt: skip

HEALTH_ROW: Final[tuple[Panel, ...]] = (
    lines("Calls", "How many calls a second does it get, and how do they end?", "reqps",
          over(f"topk({LEGEND}, sum by (outcome) "
               f"(rate(shadow_candidate_attempts_total{{{ARM}}}[$__rate_interval])))", "{{outcome}}")),
    lines("Calls without an answer", "What share of its calls fails?", "percentunit",
          over(f"topk({LEGEND}, {rules.failing('5m')}{{{ARM}}})", "{{candidate}}"), **drawn(FAILING_RATIO)),
    lines("Whole answer, p95", "How long does it take, beside production?", "s",
          over(f"topk({LEGEND} - 1, histogram_quantile(0.95, sum by (candidate, le) "
               f"(rate(shadow_candidate_request_duration_seconds_bucket{{{ARM}}}[$__rate_interval]))))",
               "{{candidate}}", exemplars=True),
          over("histogram_quantile(0.95, sum by (le) "
               f"(rate(shadow_production_request_duration_seconds_bucket{{{CLUSTER}}}[$__rate_interval])))",
               "production")),
    lines("First token, p95", "How long until it begins to answer, beside production?", "s",
          over(f"topk({LEGEND} - 1, histogram_quantile(0.95, sum by (candidate, le) "
               f"(rate(shadow_candidate_time_to_first_token_seconds_bucket{{{ARM}}}[$__rate_interval]))))",
               "{{candidate}}", exemplars=True),
          over("histogram_quantile(0.95, sum by (le) "
               f"(rate(shadow_production_time_to_first_token_seconds_bucket{{{CLUSTER}}}[$__rate_interval])))",
               "production")),
    stats("Held off", "Is it paused, or held off by its breaker?", "none",
          now(f"max by (candidate) (shadow_candidate_paused{{{ARM}}})", "{{candidate}} paused"),
          now(f"max by (candidate) (shadow_candidate_circuit_open{{{ARM}}})", "{{candidate}} breaker"),
          words={0: ("no", GREEN), 1: ("YES", RED)}),
    lines("Calls under way", "How many calls are under way?", "short",
          over(f"topk({LEGEND}, sum by (candidate) (shadow_candidate_inflight_requests{{{ARM}}}))", "{{candidate}}")),
)  # fmt: skip

COST_ROW: Final[tuple[Panel, ...]] = (
    stats("Critical failures", "Did it do what no rate excuses, in this time range?", "short",
          now(f'sum by (candidate, kind) (increase(shadow_failures_total{{kind=~"{CRITICAL}",{ARM}}}[$__range])) > 0',
              "{{candidate}} {{kind}}"), steps=limit(ANY), width=12, height=7, pairs=True,
          empty="none in this time range"),
    lines("Failures", "Which failures do its replies have?", "reqps",
          over(f"topk({LEGEND}, sum by (kind) (rate(shadow_failures_total{{{ARM}}}[$__rate_interval])))", "{{kind}}"),
          width=12, height=7),
    lines("Cost", "What does it cost an hour?", "currencyUSD",
          over(f"topk({LEGEND}, 3600 * sum by (candidate) "
               f"(rate(shadow_candidate_cost_usd_total{{{ARM}}}[$__rate_interval])))", "{{candidate}}")),
    bars("Budget of a day", "What share of a day's budget has it cost in 24 hours?", "percentunit",
         now(f"sum by (candidate) (increase(shadow_candidate_cost_usd_total{{{ARM}}}[24h])) "
             f"/ max by (candidate) (shadow_candidate_budget_usd{{{ARM}}})", "{{candidate}}"), least=0, most=1,
         empty="no budget is set"),
    bars("Tool calls", "Which tools would it call, if anything were ever executed?", "reqps",
         now(f"topk(10, sum by (candidate, tool) "
             f"(rate(shadow_tool_calls_recorded_total{{{ARM}}}[$__rate_interval])))", "{{candidate}} {{tool}}"),
         least=0),
)  # fmt: skip

BOARD: Final = Board(
    "shadow-candidate",
    "Shadow / Candidate verdict",
    "May this candidate be promoted, and if not, why?",
    (
        (
            "May it be promoted?  PROMOTE: yes, by shadow promote.  HOLD: not yet.  REJECT: no.",
            VERDICT_ROW,
        ),
        ("How much worse, and how sure?", SURE_ROW),
        ("Where?", WHERE_ROW),
        ("Is it healthy?", HEALTH_ROW),
        ("What does it cost, and what could it hurt?", COST_ROW),
    ),
)
