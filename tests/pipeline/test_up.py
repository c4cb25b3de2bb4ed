"""``shadow up``: the process tree on an embedded broker comes up, says what is wrong, stops and leaves nothing."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
import yaml

from shadow import __version__
from shadow.events import OUTCOME_KINDS
from shadow.metrics.catalogue import CATALOGUE
from shadow.tap import Tap
from tests.fixtures.brokers import free_ports, ports_in_a_row
from tests.fixtures.system import ROOT, arm
from tests.fixtures.waiting import until

pytestmark = [pytest.mark.slow]

PARTS = ("recorder", "comparator", "mirror.control", "mirror.better", "gate")
TURNS = 12


class Up:
    """One ``shadow up`` in a folder of its own."""

    def __init__(self, folder: Path, **sections: Any) -> None:
        self.folder = folder
        self.log = folder / "up.log"
        (self.port, self.verdicts), self.metrics = free_ports(2), ports_in_a_row(len(PARTS))
        self.bootstrap = f"127.0.0.1:{self.port}"
        target = "tests.fixtures.models:instant"
        document = {
            "version": 1,
            "production": {"owner": "tests", "model": "prod"},
            "control": arm("control", target),
            "candidates": [arm("better", target)],
            "comparator": {"join_window_s": 70},
            "broker": {"url": "embedded", "port": self.port, "partitions": 2},
            "metrics": {"port": self.metrics, "gate_port": self.verdicts},
            **sections,
        }
        (folder / "shadow.yaml").write_text(yaml.safe_dump(document))
        self.process: psutil.Popen | None = None

    def command(self, *arguments: str, **settings: Any) -> dict[str, Any]:
        """How a ``shadow`` command is started here."""
        environ = {**os.environ, "PYTHONPATH": str(ROOT), "SHADOW_LOG_FORMAT": "json"}
        return {
            "args": [sys.executable, "-m", "shadow.cli", *arguments],
            "cwd": self.folder,
            "env": environ,
            **settings,
        }

    def start(self) -> None:
        with self.log.open("wb") as log:
            self.process = psutil.Popen(**self.command("up", stdout=log, stderr=log))

    def ask(self, *arguments: str) -> Any:
        """A command's JSON; its exit code must be 0."""
        done = subprocess.run(**self.command(*arguments, capture_output=True, text=True, timeout=240), check=False)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def lines(self) -> list[str]:
        """The log's lines, without one that is being written."""
        return self.log.read_text(errors="replace").rpartition("\n")[0].splitlines()

    def said(self, event: str) -> list[dict[str, Any]]:
        """The log's lines of this event; every line of the log is JSON, but for a last error message."""
        found = [json.loads(line) for line in self.lines() if line.startswith("{")]
        return [line for line in found if line.get("event") == event]

    def until(self, true: Callable[[], Any], timeout_s: float = 120) -> None:
        until(true, timeout_s=timeout_s, why=lambda: "\n".join(self.lines()[-40:]))

    def await_members(self) -> None:
        """Until comparator and mirrors own their partitions."""
        self.until(lambda: {line["process"] for line in self.said("partitions_assigned")} >= set(PARTS[1:-1]))

    def await_ready(self) -> None:
        """Until every part says that it does its work."""
        for port in range(self.metrics, self.metrics + len(PARTS)):
            self.until(lambda: serves(port, "/readyz"))  # noqa: B023 (asked here and now)

    def ended(self, timeout_s: float = 200) -> int:
        assert self.process is not None
        return self.process.wait(timeout_s)

    def children(self) -> list[psutil.Process]:
        assert self.process is not None
        return self.process.children(recursive=True)

    def part(self, name: str) -> psutil.Process:
        """The process of one part, by its command line."""
        words = name.split(".")
        [found] = [each for each in self.children() if all(word in each.cmdline() for word in (*words, "consumers"))]
        return found


@pytest.fixture
def make_up(tmp_path: Path) -> Iterator[Callable[..., Up]]:
    made: list[Up] = []

    def make(**sections: Any) -> Up:
        made.append(Up(tmp_path, **sections))
        return made[-1]

    yield make
    for each in made:
        if each.process is not None and each.process.is_running():
            left = each.children()
            each.process.kill()
            each.process.wait()
            psutil.wait_procs(left, 90)


def talk(up: Up, run: str) -> None:
    with Tap(up.bootstrap) as tap:
        for index in range(TURNS):
            message = [{"role": "user", "content": "Where is my order?"}]
            with tap.call(conversation_id=run, turn_index=index, messages=message) as call:
                call.reply("On Tuesday.")
        assert tap.flush(90)


def families(port: int) -> set[str]:
    """The names of the metric families that a part exports."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=60) as response:
        text = response.read().decode()
    assert re.search(
        rf'^shadow_build_info\{{process="[a-z.]+",version="{re.escape(__version__)}"\}} 1.0$', text, re.MULTILINE
    )
    return set(re.findall(r"^# TYPE (shadow_\S+) ", text, re.MULTILINE))


def one_error(up: Up) -> str:
    """The one line that says why it ended; no traceback."""
    text = "\n".join(up.lines())
    assert "Traceback" not in text, text
    errors = [line for line in up.lines() if line.startswith("Error: ")]
    assert len(errors) == 1, text
    assert up.lines()[-1] == errors[0]
    return errors[0]


def test_it_runs_shows_itself_mends_itself_and_stops(make_up):
    """Metrics, watch and stats in their promised shapes; a killed part is started again; SIGTERM: 0, nothing left."""
    up = make_up()
    up.start()
    up.await_members()
    talk(up, "first")
    report = up.ask("audit", "--wait", "90", "--json")
    assert (report["balanced"], report["in_flight"], report["turns"]) == (True, 0, TURNS)
    up.await_ready()  # the gate too, which none of them waits for

    # metrics: each part on its own port, with names of the catalogue and no others
    known = {family.name + ("_total" if family.kind == "counter" else "") for family in CATALOGUE}
    exported = [families(up.metrics + index) for index in range(len(PARTS))]
    assert all(names <= known for names in exported), set.union(*exported) - known
    assert exported[0] >= {"shadow_ledger_rows_total"}
    assert exported[1] >= {"shadow_outcomes_total", "shadow_divergence_ratio", "shadow_comparator_records_total"}
    for names in exported[2:-1]:
        assert names >= {"shadow_mirror_records_total", "shadow_candidate_info", "shadow_candidate_attempts_total"}

    # what programs read
    stats, watched = up.ask("ledger", "stats", "--json"), up.ask("watch", "--json")
    for found in (stats, watched):
        assert set(found["arms"]) == {"control", "better"}
        for each in found["arms"].values():
            assert each["comparisons"] == TURNS
            assert each["outcomes"] == {**dict.fromkeys(OUTCOME_KINDS, 0), "compared": TURNS}
            assert set(each["measures"]) >= {"semantic", "lexical"}
            assert all(each["measures"][name]["n"] == TURNS for name in ("semantic", "lexical"))
            assert all(0 <= measure["mean"] <= 1 for measure in each["measures"].values() if measure["n"])
    assert (watched["turns"], watched["turns_per_s"]) == (TURNS, None)
    groups = {"shadow.mirror.control", "shadow.mirror.better", "shadow.comparator", "shadow.recorder"}
    assert set(watched["lag"]) == groups

    # a part that is killed is started again, in one line, and nothing is lost
    up.part("comparator").kill()
    up.until(lambda: up.said("part_died"))
    [line] = up.said("part_died")
    assert line["what"].startswith("comparator ended with signal SIGKILL")
    assert line["what"].endswith("started again")
    talk(up, "second")
    report = up.ask("audit", "--wait", "90", "--json")
    assert (report["balanced"], report["in_flight"], report["turns"]) == (True, 0, 2 * TURNS)
    assert len(up.said("part_died")) == 1

    # it stops as a whole
    children = up.children()
    assert len(children) == len(PARTS) + 1
    up.process.terminate()
    assert up.ended() == 0
    assert up.said("stopped")
    assert not [each for each in children if each.is_running()]
    assert "Traceback" not in "\n".join(up.lines())


def test_the_console_is_one_more_part_where_it_is_wanted(make_up):
    """It serves; the doctor looks at it; killed, it is started again; it stops with all others."""
    [port] = free_ports(1)
    up = make_up(console={"port": port, "up": True})
    up.start()
    up.await_members()
    up.await_ready()  # else the doctor finds what has not begun yet
    up.until(lambda: serves(port))
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=60) as response:
        assert "better" in response.read().decode()
    [found] = [each for each in up.ask("doctor", "--json")["findings"] if each["check"] == "process console"]
    assert found["status"] == "ok"
    [process] = [each for each in up.children() if "console" in each.cmdline()]
    process.kill()
    up.until(lambda: up.said("part_died"))
    up.until(lambda: serves(port))
    children = up.children()
    up.process.terminate()
    assert up.ended() == 0
    assert not [each for each in children if each.is_running()]


def serves(port: int, path: str = "/healthz") -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as response:
            return bool(response.read() == b"ok\n")
    except OSError:
        return False


def test_a_taken_console_port_is_named(make_up):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        up = make_up(console={"port": port, "up": True})
        up.start()
        assert up.ended() == 1
    assert f"port {port} on 127.0.0.1 cannot be used" in "\n".join(up.lines())
    assert up.lines()[-1].startswith("Error: console ended with exit code 2")


def test_its_parts_die_with_it(make_up):
    """kill -9 of ``shadow up`` alone: the kernel ends broker and consumers."""
    up = make_up()
    up.start()
    up.await_members()
    children = up.children()
    assert len(children) == len(PARTS) + 1
    up.process.send_signal(signal.SIGKILL)
    up.process.wait()
    gone, left = psutil.wait_procs(children, 90)
    assert not left
    assert len(gone) == len(children)


@pytest.mark.parametrize("moment", ["at once", "while it starts"])
def test_it_can_be_stopped_before_it_is_up(make_up, moment):
    """SIGTERM during the start: it ends, and leaves nothing."""
    up = make_up()
    up.start()
    up.until(lambda: up.children() if moment == "at once" else up.said("up"))
    children = up.children()
    up.process.terminate()
    assert up.ended() in (0, -signal.SIGTERM)
    _, left = psutil.wait_procs(children, 90)
    assert not left


def test_a_taken_broker_port_is_one_line(make_up):
    up = make_up()
    with socket.create_server(("127.0.0.1", up.port)):
        up.start()
        assert up.ended() == 1
    assert f"port {up.port} on 127.0.0.1 cannot be used" in one_error(up)
    assert "broker.port" in one_error(up)


def test_a_taken_metrics_port_is_one_line(make_up):
    """The part that cannot serve its metrics is named, and the port in the line before."""
    up = make_up()
    with socket.create_server(("127.0.0.1", up.metrics + 1)):
        up.start()
        assert up.ended() == 1
    assert one_error(up).startswith("Error: comparator ended with exit code 2")
    [line] = up.said("wrong_configuration")
    assert f"port {up.metrics + 1} on 127.0.0.1 cannot be used" in line["problem"]
    assert "metrics.port" in line["problem"]


@pytest.mark.parametrize("fault", ["ledger", "arm"])
def test_a_part_that_dies_again_and_again_ends_it_in_one_line(make_up, tmp_path, fault):
    """A ledger that can never be written; an arm whose function is not there: part and cause are named."""
    if fault == "ledger":
        (tmp_path / "file").write_text("no folder")
        up, part, cause = make_up(ledger={"url": f"sqlite:///{tmp_path}/file/ledger.db"}), "recorder", "file"
    else:
        up = make_up(candidates=[arm("better", "tests.fixtures.models:absent")])
        part, cause = "mirror.better", "tests.fixtures.models:absent"
    up.start()
    assert up.ended() == 1
    assert one_error(up).startswith(f"Error: {part} ended with exit code")
    crashed = [line for event in ("crashed", "wrong_configuration") for line in up.said(event)]
    assert crashed
    assert all(cause in line.get("error", line.get("problem", "")) for line in crashed), crashed
