"""Rules and alerts by promtool: each alert is quiet at its boundary, fires beyond it, and goes to whom it belongs."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from dashboards import alerts, rules, site
from dashboards.alert import Alert, finished
from dashboards.boards import BOARDS
from dashboards.build import DEMO, GENERATED, files
from dashboards.documents import document
from dashboards.limits import BURNS, OBJECTIVES, SRE
from shadow.config import load
from tests.fixtures import prometheus
from tests.observability.alert_cases import CASES, Case, attempts, info, outcomes, series

BURN_NAMES = {"ShadowEvaluationBudgetBurn", "ShadowFreshnessBudgetBurn"}
RUNBOOKS = Path(__file__).parents[2] / site.RUNBOOKS
WRITTEN = dict(files(load(DEMO, environ={})))
RULE_FILES = ("rules.yml", "rules-gate.yml")


def firing(name: str, at: str, *labels: dict[str, str]) -> dict[str, Any]:
    """What Prometheus's own series of alerts must hold at that time: these, and no others."""
    samples = []
    for each in labels:
        pairs = ",".join(f'{key}="{value}"' for key, value in {**each, "alertname": name}.items())
        samples.append({"labels": f'ALERTS{{{pairs},alertstate="firing"}}', "value": 1})
    expression = f'ALERTS{{alertname="{name}",alertstate="firing"}}'
    return {"expr": expression, "eval_time": at, "exp_samples": samples}


def case(what: str, given: list[tuple[str, str]], *expected: dict[str, Any]) -> dict[str, Any]:
    inputs = [{"series": name, "values": values} for name, values in given] or [
        {"series": "unrelated", "values": "1x9"}
    ]
    return {"name": what, "interval": "1m", "input_series": inputs, "promql_expr_test": list(expected)}


def written() -> dict[str, Any]:
    """The rule files, as they are generated."""
    return {name: yaml.safe_load(WRITTEN[name]) for name in RULE_FILES}


def promtool(folder: Path, *cases: dict[str, Any], documents: dict[str, Any] | None = None) -> None:
    """Run unit tests against the rules as they are generated, but every five minutes: a tenth of the time."""
    names = []
    for name, rule_file in (documents or written()).items():
        for group in rule_file["groups"]:
            group["interval"] = "5m"
            names.append(group["name"])
        (folder / name).write_text(yaml.safe_dump(rule_file))
    test = {
        "rule_files": list(RULE_FILES),
        "evaluation_interval": "5m",
        "group_eval_order": names,  # promtool's own order is left to chance
        "tests": list(cases),
    }
    (folder / "tests.yml").write_text(yaml.safe_dump(test, sort_keys=False))
    prometheus.run("promtool", "test", "rules", folder / "tests.yml")


@pytest.mark.parametrize("name", WRITTEN)
def test_what_is_committed_is_what_the_code_says(name: str) -> None:
    assert (GENERATED / name).read_text(encoding="utf-8") == WRITTEN[name], "run: python -m dashboards.build"


def test_nothing_else_is_committed() -> None:
    assert sorted(path.name for path in GENERATED.iterdir()) == sorted(WRITTEN)


def test_prometheus_takes_the_rules() -> None:
    prometheus.run("promtool", "check", "rules", *(GENERATED / name for name in RULE_FILES))


def test_every_alert_has_a_case_and_a_runbook() -> None:
    assert {each.alert for each in CASES} | BURN_NAMES == set(alerts.NAMES)
    assert {path.stem for path in RUNBOOKS.glob("*.md")} == set(alerts.NAMES)


@pytest.mark.parametrize("given", CASES, ids=lambda given: given.alert)
def test_an_alert_is_quiet_at_its_boundary_and_fires_beyond(given: Case, tmp_path: Path) -> None:
    promtool(tmp_path, *cases_of(given))


def cases_of(given: Case) -> list[dict[str, Any]]:
    quiet = [case(f"quiet {n}", each, firing(given.alert, given.at)) for n, each in enumerate(given.quiet)]
    return [*quiet, case("firing", given.firing, firing(given.alert, given.at, *given.labels))]


def burning(*pairs: tuple[str, str]) -> list[dict[str, str]]:
    """The labels of the burn alerts with these pairs of windows."""
    severities = {long: severity for _, long, _, _, severity in BURNS}
    return [
        {"cluster": "ci", "severity": severities[long], "team": SRE, "long": long, "short": short}
        for long, short in pairs
    ]


PAIRS = [(long, short) for _, long, short, _, _ in BURNS]


@pytest.mark.parametrize("objective", list(OBJECTIVES))
def test_a_budget_that_burns_alerts_by_how_fast_it_burns(objective: str, tmp_path: Path) -> None:
    """At a pace just under each factor only the slower alerts fire, and just over it that one too."""
    name = f"Shadow{objective.title()}BudgetBurn"
    budget, cases = 1 - OBJECTIVES[objective], []
    for index, (factor, *_) in enumerate(BURNS):
        for share, expected in ((0.99, PAIRS[index + 1 :]), (1.01, PAIRS[index:])):
            bad = round(1_000_000 * budget * factor * share)
            given = lost(bad) if objective == "evaluation" else late(bad)
            cases.append(case(f"{factor} x {share}", given, firing(name, "5h", *burning(*expected))))
    promtool(tmp_path, *cases)


def lost(bad: int) -> list[tuple[str, str]]:
    """Of a million turns a minute that the shadow was to evaluate; what an arm's own limits shed does not count."""
    made = [(1_000_000 - bad, "compared", ""), (bad // 2, "expired", "arm_reply"), (bad - bad // 2, "shed", "too_old")]
    made += [(500_000, "shed", "budget"), (0, "candidate_failed", "timeout")]
    return [(name, f"{values.rpartition('x')[0]}x300") for name, values in (outcomes(*each) for each in made)]


def late(bad: int) -> list[tuple[str, str]]:
    name = "shadow_evaluation_delay_seconds_bucket"
    return [series(name, f"0+{count}x300", le=le) for le, count in {"60.0": 1_000_000 - bad, "+Inf": 1_000_000}.items()]


def test_a_burn_that_is_over_stops_alerting_soon(tmp_path: Path) -> None:
    """The long window still holds the loss; the short one lets the page go."""
    bad = [
        series("shadow_outcomes_total", "0+100x300", candidate="c1", outcome="compared", reason=""),
        series(
            "shadow_outcomes_total", "0x120 10+10x60 610x120", candidate="c1", outcome="expired", reason="arm_reply"
        ),
    ]
    fast = [
        firing("ShadowEvaluationBudgetBurn", "125m"),
        *(
            {**firing("ShadowEvaluationBudgetBurn", at, *burning(*pairs)), "expr": FAST}
            for at, pairs in (("180m", PAIRS[:1]), ("195m", []))
        ),
    ]
    promtool(tmp_path, case("a bad hour", bad, *fast))


FAST = 'ALERTS{alertname="ShadowEvaluationBudgetBurn",alertstate="firing",long="1h"}'


def test_without_any_data_only_absence_speaks(tmp_path: Path) -> None:
    """Nothing was ever scraped: no ratio, no candidate and no objective makes up an alert."""
    expected = {
        "ShadowWatchdog": {"severity": "none"},
        "ShadowWorkersAbsent": {"severity": "page"},
        "ShadowGateAbsent": {"severity": "page"},
    }
    tests = [
        firing(name, "1h", *([{**expected[name], "team": SRE}] if name in expected else [])) for name in alerts.NAMES
    ]
    promtool(tmp_path, case("nothing", [], *tests))


[FAILING_PANEL] = [
    panel["id"]
    for board in BOARDS
    if board.uid == "shadow-candidate"
    for panel in document(board)["panels"]
    if panel["title"] == "Calls without an answer"
]


def test_the_words_of_an_alert_are_filled_in(tmp_path: Path) -> None:
    """Summary and links name the candidate and the value, as a person will read them."""
    expected = {
        "exp_labels": {"severity": "ticket", "team": "billing", "cluster": "ci", "candidate": "c1"},
        "exp_annotations": {
            "summary": "c1 fails 6% of its calls.",
            "description": "Calls that timed out, were refused by the provider, or came back empty or broken, "
            "over an hour.",
            "runbook_url": "deploy/runbooks/ShadowCandidateFailing.md",
            "dashboard_url": "/d/shadow-candidate?var-candidate=c1",
            "panel_url": f"/d/shadow-candidate?viewPanel={FAILING_PANEL}&var-candidate=c1",
            "pairs_url": f"{site.CONSOLE}/pairs?candidate=c1",
        },
    }
    alert = {"eval_time": "2h", "alertname": "ShadowCandidateFailing", "exp_alerts": [expected]}
    given = [*info(), *attempts("c1", ok=94, timeout=6)]
    promtool(tmp_path, {**case("words", given), "alert_rule_test": [alert]})


def test_divergence_is_judged_against_the_control_arm(tmp_path: Path) -> None:
    """The noise floor of each measure is the control's own mean, and each arm is compared with its own cluster's."""
    given = [*info("control", "sre", "control"), *info("c1")]
    for arm, total in (("control", 20), ("c1", 50)):
        of = {"candidate": arm, "measure": "semantic"}
        given += [
            series("shadow_divergence_ratio_sum", f"0+{total}", **of),
            series("shadow_divergence_ratio_count", "0+100", **of),
        ]
    floor = f'{rules.noise("1h")}{{cluster="ci",measure="semantic"}}'
    expected = {"expr": rules.noise("1h"), "eval_time": "2h", "exp_samples": [{"labels": floor, "value": 0.2}]}
    promtool(tmp_path, case("noise", given, expected))


@pytest.mark.parametrize("alert", alerts.ALERTS, ids=lambda alert: f"{alert.name}-{dict(alert.labels).get('long', '')}")
def test_an_alert_has_an_owner_a_runbook_a_dashboard_and_a_panel(alert: Alert) -> None:
    rule = finished(alert, site.HERE)
    assert ("team" in rule["labels"]) != alert.owned
    assert rule["annotations"]["runbook_url"] == f"{site.RUNBOOKS}/{alert.name}.md"
    assert rule["annotations"]["dashboard_url"].startswith("/d/shadow-")
    assert re.match(rf"/d/{alert.dashboard}\?viewPanel=\d+(&var-candidate=|$)", rule["annotations"]["panel_url"])
    assert "group_left (team)" in rule["expr"] if alert.owned else True
