"""Fleet: is anything wrong, and whose is it?"""

from __future__ import annotations

from typing import Final

from dashboards import rules
from dashboards.limits import ANY, FAILING_RATIO
from dashboards.panels import (
    ARM,
    CLUSTER,
    VERDICT,
    VERDICTS,
    Board,
    bars,
    burning,
    limit,
    lines,
    now,
    over,
    rows,
    stats,
)

FIRING: Final = 'ALERTS{alertstate="firing",severity=~"page|ticket"}'


BOARD: Final = Board(
    "shadow-fleet",
    "Shadow / Fleet",
    "Is anything wrong, and whose is it?",
    (
        (
            "Is anything wrong?  Each alert has a runbook of its name in deploy/runbooks",
            (
                stats("Alerts by team", "Whose are the alerts that fire?", "short",
                      now(f"sum by (team, severity) ({FIRING})", "{{team}} {{severity}}"),
                      width=12, height=6, steps=limit(ANY), empty="none fires"),
                stats("Processes not ready", "How many processes say that they do not do their work?", "short",
                      now(f"count(shadow_ready{{{CLUSTER}}} == 0) or vector(0)", "not ready"),
                      width=4, height=6, steps=limit(ANY), link="shadow-pipeline"),
                stats("Turns lost", "What share of turns did the shadow lose in the last hour?", "percentunit",
                      now(f"max({rules.evaluated('1h')}{{{CLUSTER}}})", "lost"), width=4, height=6,
                      steps=burning("evaluation"), link="shadow-objectives"),
                stats("Comparisons late", "What share of comparisons came late in the last hour?", "percentunit",
                      now(f"max({rules.late('1h')}{{{CLUSTER}}})", "late"), width=4, height=6,
                      steps=burning("freshness"), link="shadow-objectives"),
                rows("Alerts that fire", "Which alerts fire, about whom?", "none",
                     now(f"max by (alertname, severity, team, candidate) ({FIRING})"),
                     width=24, height=7, empty="none fires"),
            ),
        ),
        (
            "Whose is it?",
            (
                stats("Verdicts", "What does the gate say of each candidate?", "none",
                      now(VERDICT.format(arm=ARM), "{{candidate}}"), words=VERDICTS, link="shadow-candidate"),
                bars("Open findings", "Which team has findings to close?", "short",
                     now(f"sort_desc(sum by (team, severity) (shadow_findings_open{{{ARM}}})) > 0",
                         "{{team}} {{severity}}"), least=0, empty="none is open"),
                bars("Arms that fail most", "Which arms give no answer most often, in the last hour?", "percentunit",
                     now(f"topk(10, {rules.failing('1h')}{{{ARM}}})", "{{candidate}}"), least=0, most=1,
                     steps=limit(FAILING_RATIO), link="shadow-candidate"),
            ),
        ),
        (
            "How much goes through?",
            (
                lines("Turns", "How many turns a second does the shadow take on, and how many end?", "reqps",
                      over(f'sum(rate(shadow_mirror_records_total{{result=~"sent|shed",{ARM}}}[$__rate_interval]))',
                           "taken on"),
                      over(f"sum(rate(shadow_outcomes_total{{{ARM}}}[$__rate_interval]))", "ended"), width=12),
                lines("How turns end", "In what do sampled turns end?", "reqps",
                      over(f"sum by (outcome) (rate(shadow_outcomes_total{{{ARM}}}[$__rate_interval]))",
                           "{{outcome}}"), width=12),
            ),
        ),
    ),
)  # fmt: skip
