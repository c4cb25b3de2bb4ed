"""Each dashboard answers: no panel is empty, mislabelled or beyond belief, for all candidates and for each."""

from __future__ import annotations

import json
import re
from urllib.parse import urlsplit

import pytest

from dashboards import check, links, rules
from dashboards.boards import BOARDS
from dashboards.documents import document
from dashboards.labels import kept
from dashboards.limits import thresholds
from dashboards.panels import Board
from dashboards.site import CONSOLE, Site
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


DOCUMENTS = {board.uid: document(board) for board in BOARDS}
VARIABLES = {uid: frozenset(each["name"] for each in found["templating"]["list"]) for uid, found in DOCUMENTS.items()}


def test_every_link_leads_to_what_there_is_and_says_what_was_clicked(board: Board) -> None:
    """To a dashboard or to the console's list of pairs, with labels that every series of the panel has."""
    assert links.faults(document(board), VARIABLES, CONSOLE) == []


def test_from_a_panel_to_its_slice_and_to_its_pairs() -> None:
    """Candidate, guardrail and slice go along; every panel of one candidate's cells leads to their pairs."""
    found = [(panel, url) for each in DOCUMENTS.values() for panel in each["panels"] for url in links.links(panel)]
    carried = {(urlsplit(url).path, name) for _, url in found for name in re.findall(r"[?&]([\w-]+)=", url)}
    asked = {("/d/shadow-slices", f"var-{name}") for name in ("candidate", "guardrail", "slice")}
    asked |= {("/pairs", name) for name in ("candidate", "guardrail", "slice", "failure", "measure")}
    assert asked <= carried
    leading = {panel["title"] for panel, url in found if url.startswith(f"{CONSOLE}/pairs?")}
    cells = {
        panel["title"]
        for each in DOCUMENTS.values()
        for panel in each["panels"]
        if panel["type"] != "row" and all({"candidate", "guardrail"} <= kept(t["expr"]) for t in panel["targets"])
    }
    assert cells
    assert cells <= leading


def test_links_begin_where_the_console_is() -> None:
    for board in BOARDS:
        found = document(board, Site(console="https://shadow.example/console"))
        assert links.faults(found, VARIABLES, "https://shadow.example/console") == []
        assert CONSOLE not in json.dumps(found)


def test_every_dashboard_shows_what_changed_when_a_line_bends(board: Board) -> None:
    """Decisions, revisions of arms, and deploys of the shadow, each on its own day and by name."""
    found = {each["name"]: each for each in document(board)["annotations"]["list"]}
    assert list(found) == ["Decisions", "New revisions", "New builds"]
    assert found["Decisions"]["useValueForTime"]
    assert all(each["enable"] and each["datasource"]["uid"] == "${datasource}" for each in found.values())
