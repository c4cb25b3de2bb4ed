"""Every panel of every dashboard is drawn by Grafana's own components, in a real browser, from a real Prometheus."""

from __future__ import annotations

import json
import re
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from dashboards.boards import BOARDS
from dashboards.documents import document
from dashboards.render import programs
from dashboards.render.browser import Shot, Span, address, faults
from dashboards.render.site import serving
from dashboards.site import CONSOLE
from tests.fixtures.chromium import Look, chromium
from tests.observability.live import MAY_BE_WELL, Live
from tests.observability.story import STEP_S
from tests.observability.test_seeded_faults import asks, defaults

__all__ = ["chromium"]

SHOWN_S = 4 * 3_600
ON_CANVAS = {"timeseries"}
Drawn = dict[str, dict[str, Any]]


@pytest.fixture(scope="session")
def draw(chromium: Look, live: Live) -> Callable[..., Drawn]:
    """Draws dashboards."""

    def drawn(boards: Mapping[str, Any]) -> Drawn:
        texts = {uid: json.dumps(board) for uid, board in boards.items()}
        span = Span(live.now - SHOWN_S, live.now + STEP_S, STEP_S)  # rules have run at the very end alone
        with serving(f"http://{live.address}", texts) as site:
            seen = chromium([Shot(address(site, uid, span)) for uid in boards])
        return dict(zip(boards, seen, strict=True))

    return drawn


@pytest.fixture(scope="session")
def pages(draw: Callable[..., Drawn]) -> Drawn:
    """All dashboards as they are, each as it was drawn."""
    return draw({board.uid: document(board) for board in BOARDS})


def drawn_panels(pages: Drawn) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """Each panel of a dashboard's JSON, with what the page has of it."""
    found = []
    for board in BOARDS:
        known = [panel for panel in document(board)["panels"] if panel["type"] != "row"]
        found += list(zip(known, pages[board.uid]["panels"], strict=True))
    return found


def test_nothing_goes_wrong_on_any_page(pages: Drawn) -> None:
    """No query fails, no unit is unknown to Grafana, no component throws, nothing complains."""
    assert faults(list(pages.values())) == []


def test_every_panel_shows_its_data(pages: Drawn) -> None:
    """The simulated hours have data for each: none says that it has none, each says something."""
    for panel, drawn in drawn_panels(pages):
        assert drawn["title"] == panel["title"]
        well = panel["title"] in MAY_BE_WELL and panel["fieldConfig"]["defaults"]["noValue"] in drawn["text"]
        assert drawn["state"] == "data" or (drawn["state"] == "empty" and well), panel["title"]
        assert "No data" not in drawn["text"]
        assert drawn["text"].replace(panel["title"], "").strip(), f"{panel['title']} is blank"
        assert drawn["drawn"] or panel["type"] not in ON_CANVAS, f"{panel['title']} has no chart"


def test_legends_and_words_are_as_the_dashboard_has_them(pages: Drawn) -> None:
    """What a course is called, and what a value is called, stands on the panel."""
    for panel, drawn in drawn_panels(pages):
        plain = [each["legendFormat"] for each in panel["targets"] if "{{" not in each.get("legendFormat", "{{")]
        if panel["type"] == "timeseries":
            assert [each for each in plain if each not in drawn["text"]] == []
        if panel["type"] in {"stat", "state-timeline"} and panel["fieldConfig"]["defaults"].get("mappings"):
            [mapping] = panel["fieldConfig"]["defaults"]["mappings"]
            assert any(word["text"] in drawn["text"] for word in mapping["options"].values()), panel["title"]


def test_tables_have_their_headings_and_no_others(pages: Drawn) -> None:
    for panel, drawn in drawn_panels(pages):
        if panel["type"] == "table":
            headings = panel["transformations"][-1]["options"]["renameByName"].values()
            assert [each for each in headings if each not in drawn["text"]] == []
            assert "Value" not in drawn["text"]


def test_links_are_filled_in(pages: Drawn) -> None:
    """To a dashboard, with the candidate and the time, or to pairs; no variable is left, and none is of nothing."""
    found = [link for page in pages.values() for panel in page["panels"] for link in panel["links"]]
    assert any("var-candidate=flaky" in link for link in found)
    pairs = {link for link in found if link.startswith(f"{CONSOLE}/pairs?")}
    asked = {name for link in pairs for name in re.findall(r"[?&](\w+)=", link)}
    assert asked == {"candidate", "guardrail", "slice", "failure", "measure"}
    assert any("&slice=all%20traffic" in link for link in pairs)
    assert any("&slice=language%3Dde" in link for link in pairs)
    for link in found:
        assert "$" not in link
        assert not re.search(r"=(&|$)", link.partition("from=")[0])
        if link not in pairs:
            assert re.match(r"/d/shadow-\w+\?var-cluster=ci&", link), link
            assert "from=" in link


FAULTS: dict[str, Callable[[dict[str, Any]], object]] = {
    "a query that does not parse": asks("Cost", "sum by (candidate)", "sum by (candidate"),
    "a query that finds nothing": asks("Cost", "shadow_candidate_cost_usd_total", "shadow_candidate_cost_eur_total"),
    "a unit that Grafana does not have": defaults("Cost", unit="dollars"),
    "a panel that cannot be drawn": lambda board: _panel(board, "Cost").update(type="piechart"),
    "a component that throws": lambda board: _panel(board, "Evidence for promotion")["options"].pop("reduceOptions"),
}


def _panel(board: dict[str, Any], title: str) -> dict[str, Any]:
    [found] = [each for each in board["panels"] if each["title"] == title]
    return found


def test_a_fault_in_a_panel_is_seen(draw: Callable[..., Drawn]) -> None:
    """Each is noticed on the page, by the panel that has it and by no other."""
    [candidate] = [board for board in BOARDS if board.uid == "shadow-candidate"]
    broken = {}
    for fault, change in FAULTS.items():
        whole = document(candidate)
        change(whole)
        few = [panel for panel in whole["panels"] if panel["title"] in {"Verdict", "Evidence for promotion", "Cost"}]
        broken[fault] = {**whole, "panels": few}
    uids = {f"fault-{number}": board for number, board in enumerate(broken.values())}
    for fault, page in zip(FAULTS, draw(uids).values(), strict=True):
        wrong = [panel["title"] for panel in page["panels"] if panel["state"] != "data"]
        assert wrong == ["Evidence for promotion" if "throws" in fault else "Cost"], fault


def test_what_is_missing_is_named_with_how_to_get_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """All of it at once, not one after the other."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(programs, "PAGE", tmp_path)
    (tmp_path / "src").mkdir()
    with pytest.raises(programs.MissingError) as missing:
        programs.require("node", "npm", "chromium", "prometheus", "page")
    assert [line.partition(":")[0] for line in str(missing.value).splitlines()] == [
        "Node.js 20 or later", "npm", "Chromium", "Prometheus", "the page",
    ]  # fmt: skip


def test_a_prometheus_that_does_not_answer_is_said_so() -> None:
    with serving("http://127.0.0.1:1", {}) as site, pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(f"{site}/api/v1/query?query=up")  # noqa: S310 (loopback)
    with refused.value as answer:
        assert "Prometheus does not answer" in json.load(answer)["error"]
