"""``shadow demo``: what a newcomer types first. It ends by itself, leaves its ledger, and its account is zero."""

from __future__ import annotations

import os
import re
import socket
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import psutil
import pytest

from shadow.config import parse
from shadow.simulate import DEFAULT_PORT, demo_config
from tests.fixtures.system import ROOT

pytestmark = [pytest.mark.slow]

CONFIG = parse(demo_config(), "demo.yaml")
ARMS = ("control", "better", "slice-worse", "flaky")
FIRST_WITHIN_S = 150
"""A busy machine of two cores takes twenty seconds; a slower one may take several times as long."""

SLOTS = 192
"""Turns that are due in eight seconds, 24 a second."""


@pytest.fixture(autouse=True)
def _ports() -> None:
    """The demo's ports are fixed."""
    for port in (DEFAULT_PORT, CONFIG.broker.port, CONFIG.metrics.port):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                pytest.skip(f"port {port} is taken: stop the demo that runs on this machine")


def start(folder: Path) -> psutil.Popen:
    """The demo in ``folder``, without a terminal."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith("SHADOW_")}
    environ |= {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "shadow.cli", "demo", "--seconds", "8"]
    with (folder / "output").open("wb") as output:
        return psutil.Popen(command, cwd=folder, env=environ, stdin=subprocess.DEVNULL, stdout=output, stderr=output)


def rows(ledger: Path) -> dict[str, int]:
    """Comparisons by arm, as far as there is a ledger already."""
    try:
        with closing(sqlite3.connect(f"file:{ledger}?mode=ro", uri=True)) as db:
            return dict(db.execute("select arm, count(*) from comparisons group by arm").fetchall())
    except sqlite3.OperationalError:
        return {}


@pytest.mark.timeout(900)
def test_two_demos_in_a_row(tmp_path):
    """From an empty folder: comparisons while it runs, exit 0, the table; and the same once more."""
    ledger = tmp_path / ".shadow" / "demo" / "ledger.db"
    for again in (False, True):
        begun = time.monotonic()
        demo = start(tmp_path)
        while not again and demo.poll() is None and not rows(ledger):
            time.sleep(0.2)
        first_s = time.monotonic() - begun
        assert demo.poll() is None, "it ended before anybody could have seen a comparison"
        children = demo.children(recursive=True)
        code = demo.wait(300)
        output = (tmp_path / "output").read_text()
        assert code == 0, output[-4000:]
        assert first_s < FIRST_WITHIN_S
        print(f"first comparisons seen after {first_s:.1f} s, all over after {time.monotonic() - begun:.1f} s")
        assert not [each for each in children if each.is_running()]
        assert "Traceback" not in output
        assert "\x1b" not in output
        assert "Conservation: sampled = stored + in flight + missing" in output
        assert re.search(r"^\d+ turns in \d+ records, 0 broken: balanced$", output, re.MULTILINE)
        found = rows(ledger)
        assert set(found) == set(ARMS) == {each.name for each in CONFIG.arms}
        [turns] = set(found.values())  # each arm has each turn of this demo, and none of the one before
        assert f"{turns} turns in" in output
        counted = (ledger.parent / "logs" / "traffic.log").read_text().splitlines()[-1]
        [spoken, behind] = [int(number) for number in re.findall(r"(\d+) (?:turns|behind)", counted)]
        assert 0 < turns == spoken == SLOTS - behind, counted  # a machine that stalls does not start them all
        for name in ARMS:  # sampled, stored; nothing in flight, missing, double or unexpected
            assert re.search(rf"│ {name} +│ +{turns} │ +{turns} │ +0 │ +0 │ +0 │ +0 │", output), name
    assert sorted(path.name for path in tmp_path.iterdir()) == [".shadow", "output"]


def test_a_taken_model_port_is_one_line(tmp_path):
    """Somebody else answers where the simulated models should: exit 1, one line that says so, nothing left."""
    with socket.create_server(("127.0.0.1", DEFAULT_PORT)):
        demo = start(tmp_path)
        assert demo.wait(200) == 1
    output = (tmp_path / "output").read_text()
    assert "Traceback" not in output
    [error] = [line for line in output.splitlines() if line.startswith("Error: ")]
    assert str(DEFAULT_PORT) in error
    assert "cannot be used" in error
