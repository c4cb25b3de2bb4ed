"""Compare: how do the candidates stand beside one another, and beside production asked again?"""

from __future__ import annotations

from typing import Final

from dashboards import rules
from dashboards.candidate import LEAST, MOST
from dashboards.limits import EXCESS_DIVERGENCE, FAILING_RATIO
from dashboards.panels import (
    ARM,
    CLUSTER,
    LEGEND,
    VERDICT,
    VERDICTS,
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

CANDIDATES: Final = f'{ARM},candidate!="control"'
CALLS: Final = f'rate(shadow_candidate_attempts_total{{outcome="ok",{ARM}}}[$__rate_interval])'
COST: Final = f"1000 * sum by (candidate) (rate(shadow_candidate_cost_usd_total{{{ARM}}}[$__rate_interval]))"
SLOW: Final = f"histogram_quantile(0.95, {rules.LATENCY.replace('rate5m', 'rate1h')}{{{ARM}}})"

BOARD: Final = Board(
    "shadow-compare",
    "Shadow / Compare",
    "How do the candidates stand beside one another, and beside production asked again?",
    (
        (
            "Who leads?",
            (
                stats("Verdicts", "What does the gate say of each?", "none",
                      now(VERDICT.format(arm=ARM), "{{candidate}}"), words=VERDICTS, width=8, height=9,
                      link="shadow-candidate"),
                rows("Side by side; harm is beyond the margin",
                     "Who is worse, by how much, how sure is it, and at what price?", "percentunit",
                     column(f"max by (candidate) ({VERDICT.format(arm=ARM)})", "verdict", words=VERDICTS),
                     column(LEAST, "harm at least", "percentunit"),
                     column(MOST, "harm at most", "percentunit"),
                     column(f"max by (candidate) ({rules.failing('1h')}{{{ARM}}})", "no answer", "percentunit"),
                     column(f"max by (candidate) ({SLOW})", "p95", "s"),
                     column(f"{COST} / sum by (candidate) ({CALLS})", "1000 answers", "currencyUSD"),
                     first="harm at least", width=16, height=9, link="shadow-candidate", pairs=True),
                bars("Excess divergence", "By which measures does each differ more than production from itself?",
                     "percentunit",
                     now(f"topk(12, {rules.divergence('1h')}{{{CANDIDATES}}} - on (cluster, measure) group_left () "
                         f"{rules.noise('1h')}{{{CLUSTER}}})", "{{candidate}} {{measure}}"),
                     steps=limit(EXCESS_DIVERGENCE), width=12, height=9, pairs=True),
                bars("What the judge prefers", "Of the pairs that a judge saw, how many went which way?", "percentunit",
                     now("topk(12, sum by (candidate, verdict) (increase("
                         f"shadow_judge_verdicts_total{{{ARM}}}[$__range])) / on (candidate) group_left () "
                         f"sum by (candidate) (increase(shadow_judge_verdicts_total{{{ARM}}}[$__range])) > 0)",
                         "{{candidate}} {{verdict}}"), least=0, most=1, width=12, height=9, empty="no judge is set"),
            ),
        ),
        (
            "How do they differ from production?",
            (
                lines("Divergence", "How far does each differ from production, the control included?", "percentunit",
                      over(f"topk({LEGEND}, avg by (candidate) ({rules.divergence('1h')}{{{ARM}}}))", "{{candidate}}"),
                      width=12),
                lines("Noise floor", "How far does production differ from itself?", "percentunit",
                      over(f"topk({LEGEND}, {rules.noise('1h')}{{{CLUSTER}}})", "{{measure}}"), width=12),
                bars("Abstentions", "Of how many pairs do the measures give no score?", "percentunit",
                     now(f"topk(12, sum by (candidate, measure) (rate(shadow_abstentions_total{{{ARM}}}"
                         f"[$__rate_interval])) / (sum by (candidate, measure) (rate(shadow_abstentions_total{{{ARM}}}"
                         f"[$__rate_interval])) + sum by (candidate, measure) "
                         f"(rate(shadow_divergence_ratio_count{{{ARM}}}[$__rate_interval]))))",
                         "{{candidate}} {{measure}}"), least=0, most=1, width=12),
                bars("Failures of replies", "Which failures do their replies have, a thousand comparisons?", "short",
                     now(f"topk(12, 1000 * sum by (candidate, kind) (rate(shadow_failures_total{{{ARM}}}"
                         f"[$__rate_interval])) / on (candidate) group_left () sum by (candidate) "
                         f"(rate(shadow_outcomes_total{{{ARM}}}[$__rate_interval])))", "{{candidate}} {{kind}}"),
                     least=0, width=12, pairs=True),
            ),
        ),
        (
            "What would customers and the bill notice?",
            (
                lines("Calls without an answer", "What share of each arm's calls fails?", "percentunit",
                      over(f"topk({LEGEND}, {rules.failing('1h')}{{{ARM}}})", "{{candidate}}"),
                      width=12, **drawn(FAILING_RATIO)),
                lines("Whole answer, p95", "How long does each take, beside production?", "s",
                      over(f"topk({LEGEND} - 1, {SLOW})", "{{candidate}}"),
                      over(f"max(histogram_quantile(0.95, {rules.PRODUCTION_LATENCY.replace('rate5m', 'rate1h')}"
                           f"{{{CLUSTER}}}))", "production"), width=12),
                bars("Cost of a thousand answers", "What do a thousand answers cost?", "currencyUSD",
                     now(f"sort_desc({COST} / sum by (candidate) ({CALLS}))", "{{candidate}}"), least=0, width=12),
                bars("Tokens of an answer", "How many tokens does an answer take?", "short",
                     now(f"sort_desc(sum by (candidate, gen_ai_token_type) (rate(shadow_candidate_tokens_total{{{ARM}}}"
                         f"[$__rate_interval])) / on (candidate) group_left () sum by (candidate) ({CALLS}))",
                         "{{candidate}} {{gen_ai_token_type}}"), least=0, width=12),
            ),
        ),
    ),
)  # fmt: skip
