"""Compare: how do the candidates stand beside one another, and beside production asked again?"""

from __future__ import annotations

from typing import Final

from dashboards import rules
from dashboards.limits import EXCESS_DIVERGENCE, FAILING_RATIO
from dashboards.panels import (
    ARM,
    CLUSTER,
    LEGEND,
    VERDICT,
    VERDICTS,
    Board,
    bars,
    drawn,
    limit,
    lines,
    now,
    over,
    stats,
)

BOARD: Final = Board(
    "shadow-compare",
    "Shadow / Compare",
    "How do the candidates stand beside one another, and beside production asked again?",
    (
        (
            "Who leads?",
            (
                stats("Verdicts", "What does the gate say of each?", "none",
                      now(VERDICT.format(arm=ARM), "{{candidate}}"), words=VERDICTS, width=12, height=6,
                      link="shadow-candidate"),
                bars("Excess divergence", "By which measures does each differ more than production from itself?",
                     "percentunit",
                     now(f"topk(12, {rules.divergence('1h')}{{{ARM}}} - on (cluster, measure) group_left () "
                         f"{rules.noise('1h')}{{{CLUSTER}}})", "{{candidate}} {{measure}}"),
                     steps=limit(EXCESS_DIVERGENCE), width=12, height=9),
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
                     least=0, width=12),
            ),
        ),
        (
            "What would customers and the bill notice?",
            (
                lines("Calls without an answer", "What share of each arm's calls fails?", "percentunit",
                      over(f"topk({LEGEND}, {rules.failing('1h')}{{{ARM}}})", "{{candidate}}"),
                      **drawn(FAILING_RATIO)),
                lines("Whole answer, p95", "How long does each take, beside production?", "s",
                      over(f"topk({LEGEND} - 1, histogram_quantile(0.95, "
                           f"{rules.LATENCY.replace('rate5m', 'rate1h')}{{{ARM}}}))", "{{candidate}}"),
                      over(f"max(histogram_quantile(0.95, {rules.PRODUCTION_LATENCY.replace('rate5m', 'rate1h')}"
                           f"{{{CLUSTER}}}))", "production")),
                bars("Cost of a thousand answers", "What do a thousand answers cost?", "currencyUSD",
                     now(f"sort_desc(1000 * sum by (candidate) (rate(shadow_candidate_cost_usd_total{{{ARM}}}"
                         f"[$__rate_interval])) / sum by (candidate) (rate(shadow_candidate_attempts_total"
                         f'{{outcome="ok",{ARM}}}[$__rate_interval])))', "{{candidate}}"), least=0),
                bars("Tokens of an answer", "How many tokens does an answer take?", "short",
                     now(f"sort_desc(sum by (candidate, gen_ai_token_type) (rate(shadow_candidate_tokens_total{{{ARM}}}"
                         f"[$__rate_interval])) / on (candidate) group_left () sum by (candidate) "
                         f'(rate(shadow_candidate_attempts_total{{outcome="ok",{ARM}}}[$__rate_interval])))',
                         "{{candidate}} {{gen_ai_token_type}}"), least=0),
            ),
        ),
    ),
)  # fmt: skip
