"""``shadow console`` over a ledger and a broker that real processes have filled: lists, pairs, refusals, no harm."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlencode

import psutil
import pytest
import yaml

from shadow.addresses import SERVED
from shadow.console.server import AT_ONCE, WAITING
from tests.fixtures.console import GATE, TURN, Answer, Console, console, filled
from tests.fixtures.system import System

pytestmark = pytest.mark.slow

GUARDRAILS = [each["name"] for each in GATE["guardrails"]]


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    with filled(tmp_path_factory.mktemp("console")) as made:
        yield made


@pytest.fixture(scope="module")
def running(system: System) -> Iterator[Console]:
    with console(system.file, system.folder) as made:
        yield made


def test_the_first_page_leads_to_every_arms_list_and_from_there_to_its_pairs(running: Console) -> None:
    first = running.get("/")
    assert first.status == 200
    lists = first.links("pairs")
    assert {link for link in lists if link.count("=") == 1} == {
        f"pairs?candidate={name}" for name in ("control", "hostile", "echo")
    }
    for link in lists:
        found = running.get(link)
        assert (found.status, bool(found.links("pair"))) == (200, True), link
    pair = running.get(found.links("pair")[0])
    assert pair.status == 200
    assert running.get(pair.links("pairs")[0]).status == 200


@pytest.mark.parametrize("guardrail", GUARDRAILS)
@pytest.mark.parametrize("slice_", ["all traffic", "depth=2-4", "channel=chat"])
def test_every_guardrail_and_slice_has_its_list(running: Console, guardrail: str, slice_: str) -> None:
    query = urlencode({"candidate": "echo", "guardrail": guardrail, "slice": slice_})
    found = running.get(f"/pairs?{query}")
    assert found.status == 200
    assert any(f"turn={TURN.replace(':', '%3A')}&" in link for link in found.links("pair"))


def test_a_pair_shows_both_replies_and_how_they_were_judged(running: Console) -> None:
    found = running.get(f"/pair?turn={TURN}&arm=control")
    assert found.status == 200
    for words in (
        "Where is &lt;b&gt;my&lt;/b&gt;\norder?",
        "It is on its way, says production.",
        f"Your order {TURN} arrives on Tuesday.",
        "0.002 USD",
        "metadata channel",
        "no_tool_calls",
        "customer's message 2",
    ):
        assert words in found.text
    other = running.get("/pair?turn=c1:2&arm=control")
    assert "production_failed: timeout" in other.text
    assert "no reply: timeout" in other.text


def test_an_arms_own_failures_are_first(running: Console) -> None:
    """Of the hostile one all that is wrong with its replies stands in the list, with why."""
    found = running.get("/pairs?candidate=hostile")
    assert found.status == 200
    assert '<b class="bad">' in found.text


@pytest.mark.parametrize(
    ("path", "status", "named"),
    [
        ("/pairs", 400, "hostile"),
        ("/pairs?candidate=nobody", 404, "echo"),
        ("/pairs?candidate=echo&guardrail=x", 404, "any_failure"),
        ("/pairs?candidate=echo&slice=x", 404, "depth=2-4"),
        ("/pairs?candidate=echo&candidate=control", 400, "twice"),
        ("/pairs?candidate=echo&x=1", 400, "guardrail"),
        ("/pair?turn=c1:1", 400, "arm"),
        ("/pair?turn=nope&arm=control", 404, "c1:"),
        ("/pair?turn=c1:1&arm=nobody", 404, "control, echo, hostile"),
        ("/pair?turn=c1:1&arm=control&revision=x", 404, "there are: "),
        ("/?x=1", 400, "no parameter"),
        ("/nothing", 404, "/pairs"),
        ("/pair?turn=a%00b&arm=control", 400, "NUL"),
        ("/pair?turn=%ED%A0%80&arm=control", 404, "c1:"),
        ("/pair?turn=%1b[2J%E2%80%AE<script>&arm=control", 404, "&lt;script&gt;"),
        ("/%2e%2e/etc/passwd", 404, "/pairs"),
    ],
)
def test_what_is_not_there_is_a_page_that_names_what_there_is(
    running: Console, path: str, status: int, named: str
) -> None:
    found = running.get(path)
    assert (found.status, named in found.text) == (status, True), found.text[-600:]
    guarded(found)


def guarded(found: Answer) -> None:
    """The headers of every answer."""
    policy = found.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    expected = {
        "x-content-type-options": "nosniff",
        "x-frame-options": "DENY",
        "referrer-policy": "no-referrer",
        "cache-control": "no-store",
        "cross-origin-resource-policy": "same-origin",
        "server": "shadow",
    }
    assert expected.items() <= found.headers.items()
    assert "traceback" not in found.text.lower()


@pytest.mark.parametrize("path", [*SERVED, "/pairs?candidate=echo", f"/pair?turn={TURN}&arm=echo"])
def test_every_answer_has_the_headers_and_head_has_no_body(running: Console, path: str) -> None:
    guarded(running.get(path))
    head = running.get(path, method="HEAD")
    guarded(head)
    assert head.text == ""


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"])
def test_nothing_but_reading_is_answered(running: Console, method: str) -> None:
    found = running.get("/", method=method)
    assert found.status == 405
    guarded(found)
    assert "GET" in found.headers["allow"]


@pytest.mark.parametrize("host", ["evil.example", "evil.example:29098", "127.0.0.1.evil.example", "[::2]", "", "x y"])
def test_a_foreign_host_reads_nothing(running: Console, host: str) -> None:
    """A site whose name leads here: its script would else read what its visitor's console shows."""
    for path in ("/", "/pairs?candidate=echo", f"/pair?turn={TURN}&arm=echo"):
        found = running.get(path, Host=host)
        assert found.status in {400, 421}
        assert "arrives" not in found.text
        assert "hostile" not in found.text
    assert running.get("/healthz", Host=host or "x").status == 200


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:1", "127.0.0.1:80", "[::1]:29098"])
def test_its_own_names_are_answered(running: Console, host: str) -> None:
    assert running.get("/", Host=host).status == 200


def test_hosts_are_those_of_the_configuration(system: System, tmp_path: Path) -> None:
    document = yaml.safe_load(system.file.read_text())
    document["console"] = {"public_url": "https://Shadow.example:8443/console/", "hosts": ["10.0.0.7"]}
    file = tmp_path / "shadow.yaml"
    file.write_text(yaml.safe_dump(document))
    with console(file, tmp_path) as made:
        assert [made.get("/", Host=host).status for host in ("shadow.example", "10.0.0.7:29098", "other.example")] == [
            200, 200, 421,
        ]  # fmt: skip


def test_a_ledger_that_is_away_is_a_page_that_says_what_to_do(system: System, tmp_path: Path) -> None:
    with console(system.file, tmp_path, SHADOW_LEDGER_URL=f"sqlite:///{tmp_path / 'none.db'}") as made:
        for path in ("/", "/pairs?candidate=echo", f"/pair?turn={TURN}&arm=echo"):
            found = made.get(path)
            assert found.status == 503
            assert "no such file" in found.text
            assert "shadow doctor" in found.text
            guarded(found)
        assert made.get("/healthz").status == 200
        assert "Traceback" not in made.log
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith("none")] == []


def test_a_broker_that_is_away_is_named_and_the_ledgers_part_is_shown(
    system: System, nowhere: str, tmp_path: Path
) -> None:
    with console(system.file, tmp_path, SHADOW_BROKER_URL=nowhere) as made:
        found = made.get(f"/pair?turn={TURN}&arm=control")
        assert found.status == 503
        assert "no answer from Kafka" in found.text
        assert "lexical" in found.text
        assert made.get("/pairs?candidate=control").status == 200
        assert "Traceback" not in made.log


def test_many_at_once_exhaust_nothing(running: Console) -> None:
    """A few are made at a time, a few more wait, the rest is told to come again; afterwards all is as before."""
    process = psutil.Process(running.process.pid)
    process.suspend()  # so that all of them have been asked when the first one is made, whichever side is slow
    try:
        asked = [running.ask(f"/pair?turn={TURN}&arm=control") for _ in range(3 * WAITING)]
    finally:
        process.resume()
    most, answers = 0, []
    for one in asked:
        most = max(most, process.num_threads())
        answers.append(running.answer(one))
    statuses = Counter(answer.status for answer in answers)
    assert set(statuses) <= {200, 503}
    assert statuses[200] >= WAITING
    assert statuses[503] > 0
    assert most < 60, AT_ONCE  # each read has a client with threads of its own; not one per request
    busy = next(answer for answer in answers if answer.status == 503)
    assert "Try again" in busy.text
    assert busy.headers["retry-after"] == "2"
    assert running.get(f"/pair?turn={TURN}&arm=control").status == 200
