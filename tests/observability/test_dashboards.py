"""Each dashboard answers: no panel is empty, mislabelled or beyond belief, for all candidates and for each."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from dashboards import check, rules
from dashboards.boards import BOARDS
from dashboards.documents import document
from dashboards.limits import thresholds
from dashboards.panels import Board
from shadow.metrics.catalogue import CATALOGUE
from tests.observability.live import Live

RECORDED = check.recorded_labels(rules.groups())
LIMITS = thresholds() | {0.0, 1.0, 2.0}


@pytest.fixture(params=BOARDS, ids=lambda board: board.uid)
def board(request: pytest.FixtureRequest) -> Board:
    found: Board = request.param
    return found


def test_a_dashboard_stands_on_the_catalogue_and_keeps_the_houses_rules(board: Board) -> None:
    assert check.dashboard(document(board), RECORDED, LIMITS) == []


def test_every_query_brings_data_that_can_be_true(board: Board, live: Live) -> None:
    assert live.faults(document(board)) == []


def test_every_recording_rule_has_data(live: Live) -> None:
    assert sorted(name for name in RECORDED if not live.values(name)) == []


def expressions() -> str:
    """Everything that dashboards and rules ask."""
    panels = [panel for board in BOARDS for panel in document(board)["panels"]]
    asked = [target["expr"] for panel in panels for target in panel.get("targets", ())]
    return "\n".join([*asked, json.dumps(rules.groups())])


def test_what_is_exported_is_looked_at() -> None:
    """A family that no rule and no panel asks for costs memory for nobody."""
    text = expressions()
    assert [family.name for family in CATALOGUE if not any(name in text for name in family.exposed)] == UNSEEN


UNSEEN = [
    "shadow_tap_queue_records",  # its bytes are shown
]


def links(panel: dict[str, Any]) -> list[str]:
    config = panel.get("fieldConfig", {})
    own = [value for each in config.get("overrides", ()) for value in each["properties"] if value["id"] == "links"]
    all_links = [*(config.get("defaults", {}).get("links") or ()), *(link for each in own for link in each["value"])]
    return [link["url"] for link in all_links]


def test_every_link_leads_to_a_dashboard() -> None:
    known = {board.uid for board in BOARDS}
    found = [url for board in BOARDS for panel in document(board)["panels"] for url in links(panel)]
    assert found
    assert {url.removeprefix("/d/").partition("?")[0] for url in found} <= known


def test_a_link_says_what_was_clicked_in_words_that_its_target_knows() -> None:
    """From a cell to its slice: candidate, guardrail and slice go along; no variable that the target has not."""
    variables = {board.uid: {each["name"] for each in document(board)["templating"]["list"]} for board in BOARDS}
    carried = set()
    for board in BOARDS:
        for panel in document(board)["panels"]:
            for url in links(panel):
                target = url.removeprefix("/d/").partition("?")[0]
                names = set(re.findall(r"var-(\w+)=", url))
                legends = "".join(each["legendFormat"] for each in panel["targets"])
                rows = "".join(each["expr"] for each in panel["targets"]) if panel["type"] == "table" else ""
                assert names <= variables[target], url
                assert all(f"{{{{{name}}}}}" in legends or name in rows for name in names), url
                carried |= {(target, name) for name in names}
    assert {("shadow-slices", name) for name in ("candidate", "guardrail", "slice")} <= carried
    assert ("shadow-candidate", "candidate") in carried


def test_every_dashboard_shows_what_changed_when_a_line_bends(board: Board) -> None:
    """Decisions, revisions of arms, and deploys of the shadow, each on its own day and by name."""
    found = {each["name"]: each for each in document(board)["annotations"]["list"]}
    assert list(found) == ["Decisions", "New revisions", "New builds"]
    assert found["Decisions"]["useValueForTime"]
    assert all(each["enable"] and each["datasource"]["uid"] == "${datasource}" for each in found.values())
