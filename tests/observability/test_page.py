"""An arm leaks personal data and its owner, and nobody else, is paged: with every part real, times sixty times shorter.

The same deployment then answers every question of every dashboard: these are the exporters' own names and labels.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from dashboards import links
from dashboards.boards import BOARDS
from dashboards.documents import document
from dashboards.panels import Board
from dashboards.site import Site
from tests.fixtures.console import Answer
from tests.fixtures.system import ROOT
from tests.fixtures.waiting import until
from tests.observability.deployment import GRAFANA, OWNERS, READY_S, Deployment
from tests.observability.page import ALERT, CARD, FASTER, LEAKY, Drill, drill

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1_500)]  # the first test waits for all of it

DECIDED = (
    "shadow_gate_evaluation_timestamp_seconds",
    "shadow_gate_upper_bound_ratio",
    "shadow_decision_timestamp_seconds",
)
"""What the gate exports once it has taken its first look."""

SILENT = ("Cells that fail",)
"""Panels of what is wrong, which may have nothing to click on."""


@pytest.fixture(scope="module")
def leak(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Drill]:
    """One leak, from the reply to the page and to its end; everything still runs."""
    with drill(tmp_path_factory.mktemp("page"), faster=FASTER) as found:
        live = found.deployment.live
        until(
            lambda: all(live.again().values(name) for name in DECIDED),
            timeout_s=READY_S,
            why=lambda: found.deployment.log("gate"),
        )
        yield found


def test_the_owner_is_told_who_leaks_what_and_where_to_look(leak: Drill) -> None:
    """Candidate, kind, team and severity; a runbook that is there; a link to the panel that shows it."""
    assert leak.page.receiver == f"{OWNERS[LEAKY]}-page"
    expected = {"candidate": LEAKY, "kind": "pii_leak", "team": OWNERS[LEAKY], "severity": "page", "cluster": "local"}
    assert expected.items() <= leak.page.labels.items()
    words = leak.page.alert["annotations"]
    assert LEAKY in words["summary"]
    assert "pii_leak" in words["summary"]
    assert (ROOT / words["runbook_url"]).is_file()
    asked = parse_qs(urlsplit(words["panel_url"]).query)
    assert asked["var-candidate"] == [LEAKY]
    [board] = [each for each in BOARDS if f"{GRAFANA}/d/{each.uid}?" in words["panel_url"]]
    [panel] = [each for each in document(board)["panels"] if str(each["id"]) in asked["viewPanel"]]
    assert panel["title"] == "Critical failures"
    assert leak.took_s > 0


def test_nobody_else_is_told(leak: Drill) -> None:
    """Neither another owner nor the SREs, and of no other arm is it said; the watchdog reaches its outside watcher."""
    inbox = leak.deployment.inbox
    told = [each for status in ("firing", "resolved") for each in inbox.deliveries(status) if each.about(ALERT)]
    assert {(each.receiver, each.labels["candidate"]) for each in told} == {(f"{OWNERS[LEAKY]}-page", LEAKY)}
    watched = until(lambda: [each for each in inbox.deliveries() if each.about("ShadowWatchdog")], timeout_s=READY_S)
    assert {each.receiver for each in watched} == {"deadman"}


def test_it_is_taken_back_when_the_leak_is_over(leak: Drill) -> None:
    """At the same receiver; Prometheus holds it no more."""
    assert leak.resolved is not None
    assert leak.resolved.receiver == leak.page.receiver
    assert leak.resolved.at_s > leak.page.at_s
    held = f'ALERTS{{alertname="{ALERT}",alertstate="firing"}}'
    until(lambda: not leak.deployment.live.again().values(held))


def test_a_slow_call_leads_to_its_trace(leak: Drill) -> None:
    """Prometheus holds the trace ids of calls that were mirrored, as exemplars of the arm's latency."""
    name = "shadow_candidate_request_duration_seconds_bucket"

    def of_all() -> list[Any]:
        live = leak.deployment.live.again()
        found = live.ask("query_exemplars", query=name, start=live.now - 300, end=live.now)
        return found if {each["seriesLabels"]["candidate"] for each in found} == set(OWNERS) else []

    found = until(of_all)
    traces = {one["labels"]["trace_id"] for each in found for one in each["exemplars"]}
    assert traces
    assert all(len(trace) == 32 and int(trace, 16) < 100_000 for trace in traces)


def test_the_page_leads_to_the_replies_that_leaked(leak: Drill) -> None:
    """From the alert to the list to the reply: the card's number stands there, and the leak is named."""
    url = leak.page.alert["annotations"]["pairs_url"]
    running = leak.deployment.console
    assert url.startswith(f"{running.url}/pairs?")

    def listed() -> Answer | None:
        """The list, once the recorder has written what the comparator has counted."""
        found = running.get(url.removeprefix(running.url))
        assert found.status == 200
        return found if '<b class="bad">pii_leak</b>' in found.text else None

    found = until(listed)
    pair = running.get(found.links("pair")[0])
    assert pair.status == 200
    assert CARD in pair.text


@pytest.mark.parametrize("board", BOARDS, ids=lambda board: board.uid)
def test_every_link_to_pairs_that_a_click_makes_has_rows(board: Board, leak: Drill) -> None:
    """With the labels of the series that real exporters have now, as Grafana fills them in."""
    whole = document(board, Site(console=leak.deployment.console.url))
    none_stays(lambda: set(dead_links(whole, leak.deployment)))


def dead_links(whole: dict[str, Any], made: Deployment) -> Iterator[str]:
    """A panel that has links and nothing to click on, a click that leads to no pairs."""
    running, live = made.console, made.live.again()
    for panel in whole["panels"]:
        wanted = [url for url in links.links(panel) if url.startswith(running.url)]
        clicked = [labels for target in panel.get("targets", ()) for labels in live.labels(whole, target)]
        if wanted and not clicked and panel["title"] not in SILENT:
            yield f"{panel['title']}: nothing to click"
        for url in {links.filled(url, labels) for url in wanted for labels in clicked}:
            found = running.get(url.removeprefix(running.url))
            if (found.status, bool(found.links("pair"))) != (200, True):
                yield f"{panel['title']}: {url}: {found.status}, without pairs"


def none_stays(faults: Callable[[], set[str]]) -> None:
    """Each fault is gone within four minutes.

    A scrape that a busy machine does not answer leaves a hole for a second; what is counted is in the ledger a little
    later.
    """
    deadline = time.monotonic() + READY_S
    left = faults()
    while left:
        assert time.monotonic() < deadline, "\n".join(sorted(left))
        time.sleep(1)
        left &= faults()


@pytest.mark.parametrize("board", BOARDS, ids=lambda board: board.uid)
def test_real_exporters_answer_every_dashboard(board: Board, leak: Drill) -> None:
    live, plain = leak.deployment.live, document(board)
    none_stays(lambda: set(live.again().faults(plain, calm=True)))
