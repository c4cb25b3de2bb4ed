"""The checks can fail: each fault that is put into a dashboard, a rule or a route on purpose is noticed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from dashboards import check, links, rules
from dashboards.boards import BOARDS
from dashboards.build import GENERATED
from dashboards.documents import document
from dashboards.limits import thresholds
from dashboards.site import CONSOLE
from tests.fixtures import prometheus
from tests.observability.alert_cases import CASES
from tests.observability.live import Live
from tests.observability.test_dashboards import VARIABLES
from tests.observability.test_rules import cases_of, promtool, written

RECORDED = check.recorded_labels(rules.groups())
LIMITS = thresholds() | {0.0, 1.0, 2.0}
BY_UID = {board.uid: board for board in BOARDS}
BY_ALERT = {case.alert: case for case in CASES}

Change = Callable[[dict[str, Any]], object]


def panel(title: str) -> Callable[[dict[str, Any]], dict[str, Any]]:
    def find(board: dict[str, Any]) -> dict[str, Any]:
        [found] = [each for each in board["panels"] if each["title"] == title]
        return found

    return find


def asks(title: str, old: str, new: str) -> Change:
    """Another expression in all targets of a panel."""

    def change(board: dict[str, Any]) -> None:
        targets = panel(title)(board)["targets"]
        assert any(old in target["expr"] for target in targets)
        for target in targets:
            target["expr"] = target["expr"].replace(old, new)

    return change


def defaults(title: str, **values: Any) -> Change:
    return lambda board: panel(title)(board)["fieldConfig"]["defaults"].update(values)


def annotates(old: str, new: str, number: int = 0) -> Change:
    def change(board: dict[str, Any]) -> None:
        found = board["annotations"]["list"][number]
        assert old in found["expr"]
        found["expr"] = found["expr"].replace(old, new)

    return change


def without_data_source(board: dict[str, Any]) -> None:
    panel("Cost")(board)["targets"][0]["datasource"]["uid"] = "P1809F7CD0C75ACF3"


FAULTS: dict[str, Change] = {
    "a metric that is not there": asks("Cost", "cost_usd", "cost_eur"),
    "a label that is not there": asks("Whole answer, p95", "candidate=~", "model=~"),
    "a value that never occurs": asks("Critical failures", "pii_leak", "pii_leaks"),
    "a slice that never occurs": asks("Guardrails", "__all__", "all"),
    "a counter without a rate": asks("Cost", 'rate(shadow_candidate_cost_usd_total{cluster=~"$cluster",'
                                     'candidate=~"$candidate"}[$__rate_interval])',
                                     'shadow_candidate_cost_usd_total{cluster=~"$cluster",'
                                     'candidate=~"$candidate"}'),
    "a rate over a fixed time": asks("Cost", "$__rate_interval", "5m"),
    "a variable that is not there": asks("Cost", "$candidate", "$candidat"),
    "a syntax error": asks("Cost", "sum by (candidate)", "sum by (candidate"),
    "a join that matches nothing": asks("Coverage", "min by (candidate) (", "min by (candidate) (up * on (team) "),
    "seconds shown as a share": defaults("Whole answer, p95", unit="percentunit"),
    "a share shown as seconds since 1970": asks("Age", "time() - ", ""),
    "no unit": lambda board: panel("Cost")(board)["fieldConfig"]["defaults"].pop("unit"),
    "no question": lambda board: panel("Cost")(board).update(description="Costs."),
    "a threshold of its own": defaults("Age", thresholds={"steps": [{"value": 601, "color": "red"}]}),
    "a legend whose label is summed away": lambda board: panel("Calls")(board)["targets"][0].update(
        legendFormat="{{candidate}} {{outcome}}"
    ),
    "two lines of one name": lambda board: panel("Failures")(board)["targets"][0].update(legendFormat="failures"),
    "too many lines": asks("Failures", "topk(6, ", "topk(20, "),
    "two panels in one place": lambda board: panel("Calls without an answer")(board)["gridPos"].update(x=0),
    "a panel off the grid": lambda board: panel("Calls without an answer")(board)["gridPos"].update(x=20),
    "two panels of one id": lambda board: panel("Cost")(board).update(id=panel("Calls")(board)["id"]),
    "a data source of its own": without_data_source,
    "an annotation in seconds": annotates(" * 1000", ""),
    "an annotation in microseconds": annotates(" * 1000", " * 1000 * 1000"),
    "an annotation about nothing": annotates("$candidate", "nobody"),
    "a dashboard that can be edited": lambda board: board.update(editable=True),
    "a variable without values": lambda board: board["templating"]["list"][1].update(
        query='label_values(shadow_build_info{cluster="nowhere"}, cluster)'
    ),
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_in_a_dashboard_is_noticed(fault: str, live: Live) -> None:
    board = document(BY_UID["shadow-candidate"])
    FAULTS[fault](board)
    assert check.dashboard(board, RECORDED, LIMITS) or live.faults(board)


def linked(title: str, old: str, new: str) -> Change:
    """Another address in the links of a panel."""

    def change(board: dict[str, Any]) -> None:
        found = panel(title)(board)
        own = [
            each for part in found["fieldConfig"]["overrides"] for each in part["properties"] if each["id"] == "links"
        ]
        all_links = [
            *(found["fieldConfig"]["defaults"].get("links") or ()),
            *(one for each in own for one in each["value"]),
        ]
        changed = [link for link in all_links if old in link["url"]]
        assert changed
        for link in changed:
            link["url"] = link["url"].replace(old, new)

    return change


LINK_FAULTS: dict[str, Change] = {
    "a dashboard that there is not": linked("Guardrails", "/d/shadow-slices", "/d/shadow-slice"),
    "a variable that its target has not": linked("Guardrails", "var-guardrail", "var-guardrails"),
    "a path that the console does not serve": linked("Guardrails", "/pairs?", "/pair-list?"),
    "a parameter that the page does not take": linked("Guardrails", "&guardrail=", "&rail="),
    "another console": linked("Guardrails", CONSOLE, "http://127.0.0.1:1"),
    "a slice that the panel does not carry": linked(
        "Guardrails", "${__field.labels.guardrail}", "${__field.labels.guardrail}&slice=${__field.labels.slice}"
    ),
    "a slice that the rows do not carry": linked(
        "Guardrails with bounds", "&guardrail=", "&slice=${__data.fields.slice}&guardrail="
    ),
    "a guardrail that is summed away": asks("Guardrails with bounds", "max by (candidate, guardrail)",
                                            "max by (candidate)"),
    "a guardrail for a measure": linked("Divergence above the noise floor", "&measure=", "&guardrail="),
    "rows that are labels": linked("Worst slices", "__data.fields.slice", "__field.labels.slice"),
    "nobody's pairs": linked("Critical failures", "candidate=${__field.labels.candidate}&", ""),
    "all that there is": linked("Worst slices", "${__data.fields.slice}", "$slice"),
    "two orders at once": linked("Critical failures", "&failure=", "&measure=${__field.labels.kind}&failure="),
}  # fmt: skip


@pytest.mark.parametrize("fault", LINK_FAULTS)
def test_a_fault_in_a_link_is_noticed(fault: str) -> None:
    board = document(BY_UID["shadow-candidate"])
    assert links.faults(board, VARIABLES, CONSOLE) == []
    LINK_FAULTS[fault](board)
    assert links.faults(board, VARIABLES, CONSOLE)


def replaced(name: str, old: str, new: str) -> Change:
    """Another expression in one rule."""

    def change(files: dict[str, Any]) -> None:
        found = [rule for file in files.values() for group in file["groups"] for rule in group["rules"]]
        [rule] = [rule for rule in found if name in {rule.get("alert"), rule.get("record")}]
        assert old in rule["expr"], rule["expr"]
        rule["expr"] = rule["expr"].replace(old, new)

    return change


RULE_FAULTS: dict[str, tuple[str, Change]] = {
    "a limit a little higher": ("ShadowStageSaturated", replaced("ShadowStageSaturated", "> 0.9", "> 0.91")),
    "a limit that is met and not passed": (
        "ShadowSeriesNearLimit", replaced("ShadowSeriesNearLimit", "> 40000", ">= 40000")),
    "no guard for little traffic": ("ShadowCandidateFailing", replaced("ShadowCandidateFailing", "> 200", "> 0")),
    "no guard for few pairs": (
        "ShadowCandidateDivergesAboveNoise", replaced("ShadowCandidateDivergesAboveNoise", "> 500", "> 0")),
    "absolute divergence": (
        "ShadowCandidateDivergesAboveNoise",
        replaced("ShadowCandidateDivergesAboveNoise", "cluster_measure:shadow_control_divergence:mean1h",
                 "0 * cluster_measure:shadow_control_divergence:mean1h")),
    "the noise of all arms": (
        "ShadowCandidateDivergesAboveNoise",
        replaced("cluster_measure:shadow_control_divergence:mean1h", 'role="control"', 'role=~"control|candidate"')),
    "failures that do not count": (
        "ShadowCandidateFailing",
        replaced("cluster_candidate:shadow_candidate_failures_per_attempt:ratio_rate1h", 'outcome!="ok"',
                 'outcome="refusal"')),
    "an owner lost": (
        "ShadowCandidateCriticalFailure",
        replaced("ShadowCandidateCriticalFailure", "group_left (team)", "group_left ()")),
    "a paused arm that alerts": (
        "ShadowCandidateSilent", replaced("ShadowCandidateSilent", "(shadow_candidate_paused) == 1",
                                          "(shadow_candidate_paused) == 2")),
    "an absence that never shows": (
        "ShadowWorkersAbsent", replaced("ShadowWorkersAbsent", 'absent(up{job="shadow"} == 1)',
                                        'absent(up{job="shadow"})')),
    "a night without turns that pages": (
        "ShadowMirrorStopped", replaced("ShadowMirrorStopped", "[10m])) > 0\nunless", "[10m])) >= 0\nunless")),
    "a metric that is not there": (
        "ShadowTapDropping", replaced("ShadowTapDropping", "tap_dropped", "tap_drops")),
}  # fmt: skip


@pytest.mark.parametrize("fault", RULE_FAULTS)
def test_a_fault_in_a_rule_is_noticed(fault: str, tmp_path: Path) -> None:
    alert, change = RULE_FAULTS[fault]
    files = written()
    change(files)
    groups = [group for file in files.values() for group in file["groups"]]
    if not check.rules(groups, RECORDED):
        with pytest.raises(AssertionError, match="FAILED"):
            promtool(tmp_path, *cases_of(BY_ALERT[alert]), documents=files)


def child(tree: dict[str, Any], team: str) -> dict[str, Any]:
    [found] = [route for route in tree["route"]["routes"] if route["matchers"] == [f'team="{team}"']]
    return found


ROUTE_FAULTS: dict[str, Change] = {
    "a team that gets another's alerts": lambda tree: child(tree, "team-infra").update(matchers=['team=~"team-.*"']),
    "pages that are tickets": lambda tree: child(tree, "team-infra").update(routes=[]),
    "a team without a route": lambda tree: tree["route"]["routes"].remove(child(tree, "team-savings")),
    "a receiver that is not there": lambda tree: child(tree, "team-infra").update(receiver="team-infra-mail"),
    "a watchdog that nobody watches": lambda tree: tree["route"]["routes"].pop(0),
}
REACHED = (
    (("team=team-savings", "severity=page"), "team-savings-page"),
    (("team=team-infra", "severity=page"), "team-infra-page"),
    (("team=team-infra", "severity=ticket"), "team-infra-ticket"),
    (("alertname=ShadowWatchdog", "severity=none"), "deadman"),
)


def delivered(file: Path) -> None:
    prometheus.run("amtool", "check-config", file)
    for labels, receiver in REACHED:
        arguments = (f"--config.file={file}", f"--verify.receivers={receiver}", *labels)
        prometheus.run("amtool", "config", "routes", "test", *arguments)


def test_the_routes_as_they_are_deliver() -> None:
    delivered(GENERATED / "alertmanager.yml")


@pytest.mark.parametrize("fault", ROUTE_FAULTS)
def test_a_fault_in_a_route_is_noticed(fault: str, tmp_path: Path) -> None:
    tree = yaml.safe_load((GENERATED / "alertmanager.yml").read_text(encoding="utf-8"))
    ROUTE_FAULTS[fault](tree)
    file = tmp_path / "alertmanager.yml"
    file.write_text(yaml.safe_dump(tree))
    with pytest.raises(AssertionError):
        delivered(file)
