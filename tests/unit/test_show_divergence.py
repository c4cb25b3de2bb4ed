"""People see the noise floor: the table of ``shadow ledger stats``, and the largest excess in ``shadow watch``."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner
from rich.console import Console

from shadow.cli import main
from shadow.cli.watch import largest_excess, render
from shadow.events import Score
from shadow.ledger import Ledger
from tests.fixtures.comparisons import comparison

CONFIG = "version: 1\nproduction: {owner: a, model: b}\n"


@pytest.fixture
def ledger(tmp_path, monkeypatch):
    """A candidate that is far from production on each of sixteen turns, and a control that is near."""
    (tmp_path / "shadow.yaml").write_text(CONFIG)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SHADOW_LEDGER_URL", f"sqlite:///{tmp_path}/l.db")
    monkeypatch.setenv("COLUMNS", "140")
    with Ledger(f"sqlite:///{tmp_path}/l.db") as opened:
        opened.write(
            [
                comparison(
                    index * 4,
                    arm,
                    measures={"semantic": Score(value=far), "length": Score(value=0.1)},
                    agreed=arm == "control",
                    slices=["depth=1"],
                )
                for index in range(16)
                for arm, far in (("candidate", 0.9), ("control", 0.1))
            ],
            recorded_at=1,
        )
        yield opened


@pytest.mark.usefixtures("ledger")
def test_stats_show_each_measure_and_slice_with_its_call():
    shown = CliRunner().invoke(main, ["ledger", "stats"], catch_exceptions=False).output
    [semantic] = [line for line in shown.splitlines() if "semantic" in line and "different" in line]
    assert all(part in semantic for part in ("0.1", "0.9", "+0.800", "16", "different "))
    assert sum("depth=1" in line for line in shown.splitlines()) == 2
    assert "not_enough_data (16 of 100 conversations)" in shown
    assert "100% apart" in shown
    assert "valid 16, unknown 0, broken 0" in shown


@pytest.mark.usefixtures("ledger")
def test_stats_give_programs_the_same():
    found = json.loads(CliRunner().invoke(main, ["ledger", "stats", "--json"], catch_exceptions=False).output)
    arm = found["arms"]["candidate"]
    assert arm["agreement"]["share"] == 0
    calls = {(each["measure"], each["slice"]): each["call"] for each in arm["noise_floor"]["measures"]}
    assert calls["semantic", "__all__"] == calls["semantic", "depth=1"] == "different"
    assert calls["length", "__all__"] == "not_enough_data"
    assert found["arms"]["control"]["noise_floor"] is None


def test_watch_shows_the_share_that_diverged_and_the_largest_excess(ledger):
    console = Console(width=160, record=True, file=None, quiet=False)
    with console.capture() as captured:
        console.print(render({"turns": 16, "turns_per_s": None, "lag": {"a": 0, "b": 0}, **ledger.stats()}))
    [line] = [line for line in captured.get().splitlines() if "candidate" in line]
    assert "100.0%" in line
    assert "semantic +0.800 different" in line


def test_the_largest_excess_is_of_those_that_are_different_if_any_is():
    def line(measure, excess, call="no_difference", slice_="__all__"):
        return {"measure": measure, "slice": slice_, "excess": excess, "call": call, "reason": "why"}

    lines = [line("a", 0.3), line("b", 0.1, "different"), line("c", 0.9, "different", "depth=1"), line("d", None)]
    assert largest_excess({"measures": lines}) == "b +0.100 different"
    assert largest_excess({"measures": lines[:1]}) == "a +0.300 no difference"
    assert largest_excess({"measures": [line("d", None)]}) == "why"
    assert largest_excess(None) == largest_excess({"measures": []}) == "-"
