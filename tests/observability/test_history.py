"""Days of simulated traffic with faults switched on and off: each alert fires for its fault, and no other ever does."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

import pytest

from dashboards import alerts
from dashboards.boards import BOARDS
from dashboards.documents import document
from dashboards.panels import Board
from tests.observability import story
from tests.observability.backfill import Past, Series, firing
from tests.observability.story import DETAIL_S, EXPECTED, STEP_S, WORSE, Expected

pytestmark = [pytest.mark.slow]

HOUR_S = 3_600.0
BY_UID = {board.uid: board for board in BOARDS}
ALWAYS = "ShadowWatchdog"


def matching(expected: Expected, fired: Mapping[Series, list[float]]) -> list[list[float]]:
    """The times of each series of this alert with these labels."""
    wanted = {("alertname", expected.alert), *expected.labels}
    return [times for labels, times in fired.items() if wanted <= set(labels)]


def unmet(expected: Expected, fired: Mapping[Series, list[float]], end_s: float) -> Iterator[str]:
    """What is wrong with when an alert fired, by the story."""
    found = matching(expected, fired)
    if not found:
        yield "it never fires"
    early, late = expected.slack
    for times in found:
        minutes = [(end_s - at) / 60 for at in times]
        if minutes[0] < expected.since or minutes[-1] > expected.until:
            yield f"it fires from {minutes[0]:.0f} to {minutes[-1]:.0f} minutes before the end: not all the time"
        if minutes[0] > expected.since + early or minutes[-1] < expected.until - late:
            yield f"it fires from {minutes[0]:.0f} to {minutes[-1]:.0f} minutes before the end: for nothing"


@pytest.mark.parametrize("expected", EXPECTED, ids=lambda each: f"{each.alert}-{dict(each.labels)}")
def test_an_alert_fires_while_its_fault_lasts_and_at_no_other_time(expected: Expected, past: Past) -> None:
    """With its owner's label, over the windows and waits of the rules as they are."""
    assert list(unmet(expected, past.fired, past.end_s)) == []


def test_nothing_fires_but_what_the_story_has(past: Past) -> None:
    """No arm is blamed for another's fault, or for the shadow's; restarts, a deploy and a quiet past alert nobody."""
    told = {
        labels for labels in past.fired for each in EXPECTED if {("alertname", each.alert), *each.labels} <= set(labels)
    }
    assert {dict(labels)["alertname"] for labels in past.fired.keys() - told} == {ALWAYS}
    watchdog = next(times for labels, times in past.fired.items() if ("alertname", ALWAYS) in labels)
    assert len(watchdog) == DETAIL_S / STEP_S + 1


@pytest.mark.parametrize("case", WORSE, ids=lambda case: f"{case[0]}-{case[1]}")
def test_a_fault_shows_in_the_panel_that_is_meant_for_it(case: tuple[str, str, int, str, float], past: Past) -> None:
    """The arm that has it stands out from every other, at that time."""
    uid, title, before, arm, factor = case
    live = past.live.at(past.end_s - before * 60, shown_s=HOUR_S)
    highest: dict[str, float] = {}
    for name, series in live.answers(document(BY_UID[uid])):
        for each in series if name == title else ():
            who = each["metric"].get("candidate", "production")
            value = float((each.get("value") or each["values"][-1])[1])
            highest[who] = max(value, highest.get(who, -math.inf))
    others = [value for who, value in highest.items() if who != arm]
    assert highest[arm] > 0
    assert all(highest[arm] > factor * value for value in others), highest


@pytest.mark.parametrize("before", [0, 75, 180], ids=lambda each: f"{each}min")
@pytest.mark.parametrize("board", BOARDS, ids=lambda board: board.uid)
def test_every_query_brings_data_over_an_hour_too(board: Board, before: float, past: Past) -> None:
    live = past.live.at(past.end_s - before * 60, shown_s=HOUR_S)
    assert live.faults(document(board), calm=True) == []


@pytest.mark.parametrize("board", BOARDS, ids=lambda board: board.uid)
def test_where_there_is_data_there_is_a_number(board: Board, past: Past) -> None:
    """Over an hour in which every arm was asked: no share of nothing, no quantile of nothing."""
    live = past.live.at(past.end_s - 180 * 60, shown_s=HOUR_S)
    for title, series in live.answers(document(board)):
        values = [value[1] for each in series for value in each.get("values") or [each["value"]]]
        assert not [value for value in values if not math.isfinite(float(value))], title


@pytest.mark.parametrize("board", BOARDS, ids=lambda board: board.uid)
def test_annotations_say_what_happened_and_when(board: Board, past: Past) -> None:
    """Three decisions at their own times, one new revision of one arm, one new build, and nothing else."""
    found = past.live.annotations(document(board))
    decided = {
        (each["metric"]["candidate"], each["metric"]["decision"]): (past.end_s - float(each["values"][-1][1]) / 1000)
        / 60
        for each in found["Decisions"]
    }
    assert decided == {(arm, verdict): pytest.approx(before) for arm, (verdict, before) in story.DECIDED.items()}
    [revised] = found["New revisions"]
    assert revised["metric"]["candidate"] == "slice-worse"
    [built] = found["New builds"]
    assert built["metric"]["version"] == "0.1.0"
    for series, before in ((revised, story.REVISED), (built, story.DEPLOYED)):
        first = (past.end_s - float(series["values"][0][0])) / 60
        assert first == pytest.approx(before, abs=2 * STEP_S / 60)


FAULTS: dict[str, tuple[str, str, str]] = {
    "a budget ten times as large": ("ShadowEvaluationBudgetBurn", "0.07200", "0.72000"),
    "the short window twice": ("ShadowEvaluationBudgetBurn", "ratio_rate1h", "ratio_rate5m"),
    "the long window twice": ("ShadowEvaluationBudgetBurn", "ratio_rate30m", "ratio_rate6h"),
    "divergence that is not compared with noise": (
        "ShadowCandidateDivergesAboveNoise", "cluster_measure:shadow_control_divergence:mean1h",
        "0 * cluster_measure:shadow_control_divergence:mean1h"),
    "a share of calls that looks at five minutes alone": (
        "ShadowCandidateFailing", "ratio_rate1h > 0.05", "ratio_rate5m > 0.005"),
    "slow beside nobody": ("ShadowCandidateSlow", "1.25", "0.5"),
    "an arm that is silent at once": ("ShadowCandidateSilent", "[15m])) > 0\nunless", "[15m])) > 1\nunless"),
    "a leak that is forgotten": ("ShadowCandidateCriticalFailure", "[10m]", "[1s]"),
    "a gate that may stand for an hour": ("ShadowGateStale", "> 600", "> 3600"),
    "a group that may be an hour behind": ("ShadowLagGrowing", "> 300", "> 3600"),
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_in_a_rule_is_noticed_by_the_story(fault: str, past: Past) -> None:
    """The changed rule does not fire when it should, or fires when it should not."""
    name, old, new = FAULTS[fault]
    groups = [*alerts.groups(), *alerts.gate_groups()]
    chosen = [rule for group in groups for rule in group["rules"] if rule["alert"] == name]
    assert any(old in rule["expr"] for rule in chosen)
    fired: dict[Series, list[float]] = {}
    for rule in chosen:
        changed = {**rule, "expr": rule["expr"].replace(old, new)}
        fired |= firing(past.live, changed, past.end_s - DETAIL_S, past.end_s)
    expected = [each for each in EXPECTED if each.alert == name]
    strangers = [
        labels for labels in fired if not any({("alertname", name), *each.labels} <= set(labels) for each in expected)
    ]
    assert strangers or [line for each in expected for line in unmet(each, fired, past.end_s)]
