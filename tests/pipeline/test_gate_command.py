"""``shadow gate`` on a real ledger: exit codes that a pipeline may trust, and words that a release manager can use."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from shadow.cli import main
from shadow.gate.rows import LedgerRow
from shadow.ledger import Ledger
from tests.fixtures.gate_ledger import configured, store
from tests.fixtures.gate_rows import CONVERSATION_S, EASY, START, conversations, every
from tests.fixtures.system import arm

COUNT = 600
NOW_AND_THEN: dict[str, Any] = {"failures": every(50), "production_failures": every(47)}
COURSES = {
    "PROMOTE": (0, "shown", COUNT, 50),
    "HOLD": (2, "few_conversations", 40, 50),
    "REJECT": (3, "harm", COUNT, 2),
}
"""Exit code and first reason, of so many conversations of which every nth fails."""

SLICED = [{"kind": "failure", "name": "any_failure", "margin": 0.05, "slices": ["tone_shift"]}]


class Desk:
    """A configuration, its ledger, and a release manager who asks."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.config = configured(folder, "127.0.0.1:1")

    def fill(self, rows: Iterable[LedgerRow], *, ends_in_s: float = -1_200.0, **gate: Any) -> None:
        """The rows, the last of which was recorded that long from now; ``gate`` is what differs from the easy one."""
        self.config = configured(self.folder, "127.0.0.1:1", gate={**EASY, **gate})
        rows = list(rows)
        with Ledger(self.config.ledger.url) as ledger:
            last = max((row.recorded_at for row in rows), default=START)
            store(ledger, rows, self.config, shift_s=time.time() + ends_in_s - last)

    def watched(self, **fields: Any) -> str:
        """What ``explain`` says of a good candidate beside a control whose rows have these fields."""
        (self.folder / "ledger.db").unlink()
        limits = {"timeout_s": 2, "deadline_s": 4, "max_age_s": 6}
        control = {name: value for name, value in arm("control", limits=limits).items() if name != "name"}
        self.config = configured(self.folder, "127.0.0.1:1", control=control)
        revision = self.config.arm("control").revision
        mine = list(conversations(COUNT, **NOW_AND_THEN))
        asked_again = list(conversations(COUNT, arm="control", arm_revision=revision, **fields))
        with Ledger(self.config.ledger.url) as ledger:
            store(ledger, [*mine, *asked_again], self.config, shift_s=time.time() - 1_200 - mine[-1].recorded_at)
        return self.ask("explain", "cand").stdout

    def ask(self, *arguments: str) -> Result:
        return CliRunner().invoke(main, ["--config", str(self.folder / "shadow.yaml"), "gate", *arguments])


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


@pytest.mark.parametrize("command", ["status", "explain"])
@pytest.mark.parametrize("verdict", list(COURSES))
def test_the_verdict_is_the_exit_code_the_first_word_and_in_the_json(desk: Desk, command: str, verdict: str) -> None:
    code, why, count, nth = COURSES[verdict]
    desk.fill(conversations(count, failures=every(nth), production_failures=every(47)))
    said, told = desk.ask(command, "cand"), desk.ask(command, "cand", "--json")
    assert (said.exit_code, told.exit_code) == (code, code)
    assert said.stdout.startswith(f"{verdict}: cand ")
    assert f"  {why}: " in said.stdout
    found = json.loads(told.stdout)
    assert (found["verdict"], found["reasons"][0]["why"]) == (verdict, why)


def test_a_hold_says_what_it_waits_for_and_how_much_longer(desk: Desk) -> None:
    """40 closed of 50, one a minute: ten more."""
    desk.fill(conversations(40, **NOW_AND_THEN))
    said = desk.ask("status", "cand").stdout
    assert "few_conversations: 40 closed, 50 are needed" in said
    assert "waits for: any_failure the longest" in said
    ahead = json.loads(desk.ask("status", "cand", "--json").stdout)["ahead"]
    assert ahead["conversations"] >= 10
    assert f"about {ahead['conversations']:,} conversations more" in said
    assert ahead["never"] == []


def test_the_next_decision_is_at_the_end_of_a_whole_cycle(desk: Desk) -> None:
    desk.fill(conversations(COUNT, **NOW_AND_THEN), cycle_s=86_400)
    result = desk.ask("status", "cand", "--json")
    ahead = json.loads(result.stdout)["ahead"]
    assert result.exit_code == 2
    assert ahead["conversations"] == 0
    assert ahead["decision_at"] == pytest.approx(ahead["first_look_at"] + 86_400)
    assert "at the earliest" in desk.ask("status", "cand").stdout


def test_what_is_never_shown_at_this_rate_is_named(desk: Desk) -> None:
    """No customer's tone fell: nothing can be foretold of that slice, and no number is made up."""
    desk.fill(conversations(COUNT, **NOW_AND_THEN), guardrails=SLICED)
    said = desk.ask("status", "cand")
    assert said.exit_code == 2
    assert "not to be told at this rate, because of any_failure in tone_shift" in said.stdout
    assert json.loads(desk.ask("status", "cand", "--json").stdout)["ahead"]["conversations"] is None


def test_a_rejection_shows_the_culprits_figures(desk: Desk) -> None:
    desk.fill(conversations(COUNT, failures=every(2)))
    said = desk.ask("status", "cand").stdout
    assert "harm: worse than the margin: any_failure" in said
    assert "any_failure: +0.16" in said  # one turn of three, in every other conversation
    assert "how much longer" not in said


def test_explain_shows_every_cell_and_what_the_evidence_covers(desk: Desk) -> None:
    desk.fill(conversations(COUNT, **NOW_AND_THEN))
    said = desk.ask("explain", "cand").stdout
    for words in ("guardrail", "any_failure", "__all__", f"conversations: {COUNT} closed", "coverage: "):
        assert words in said


def test_explain_says_of_which_traffic_the_coverage_is_a_share(desk: Desk) -> None:
    """Turns that were not sampled are in no row: nobody must read the share as one of all traffic."""
    limits = {"timeout_s": 2, "deadline_s": 4, "max_age_s": 6}
    own = arm("cand", limits=limits, sampling={"rate": 0.25}, scope={"tier": ["plus", "pro"]})
    configured(desk.folder, "127.0.0.1:1", candidates=[own])
    Ledger(desk.config.ledger.url).close()
    said = desk.ask("explain", "cand").stdout
    assert "sampled for cand: 25% of the conversations in which tier is plus or pro, by hash" in said
    assert "in no row of the ledger and in no figure here" in said


def test_explain_shows_the_sentinel_or_that_there_is_none(desk: Desk) -> None:
    desk.fill(conversations(60, **NOW_AND_THEN))
    assert "sentinel: none, as there is no control arm" in desk.ask("explain", "cand").stdout
    answered, spoiled = desk.watched(), desk.watched(failures=every(3))
    assert "sentinel: quiet after 600 conversations of control" in answered
    assert "sentinel: ALARM (control_worse) by any_failure, raised after " in spoiled
    assert spoiled.startswith("HOLD: ")
    assert "cause: sentinel: production asked again (control) fails more often than production" in spoiled


@pytest.mark.parametrize("command", ["status", "explain", "plan"])
def test_a_slice_that_does_not_exist_is_an_error_that_names_the_field(desk: Desk, command: str) -> None:
    """It would never be shown, and hold the candidate for ever."""
    desk.fill([], guardrails=[{"kind": "failure", "name": "f", "margin": 0.05, "slices": ["tone_shit"]}])
    result = desk.ask(command, "cand")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "gate.guardrails.0.slices.0: no slicer in use gives 'tone_shit'; there are: " in result.stderr


def test_a_ledger_of_a_newer_version_is_an_error_and_no_verdict(desk: Desk) -> None:
    desk.fill(conversations(3))
    with closing(sqlite3.connect(desk.folder / "ledger.db")) as ledger, ledger:
        ledger.execute("UPDATE ledger_version SET version_num = '0099'")
    result = desk.ask("status", "cand")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "its schema is '0099'" in result.stderr
    assert "upgrade Shadow" in result.stderr


@pytest.mark.parametrize("command", ["status", "explain"])
def test_an_empty_ledger_is_a_hold_without_data(desk: Desk, command: str) -> None:
    desk.fill([])
    said = desk.ask(command, "cand")
    assert said.exit_code == 2
    assert "no_data: " in said.stdout
    assert "waits for: the first comparison of this revision" in said.stdout


def test_before_the_first_conversation_can_close_it_says_when_the_first_look_is(desk: Desk) -> None:
    desk.fill(conversations(1), ends_in_s=-20)
    said = desk.ask("status", "cand")
    assert said.exit_code == 2
    assert "(3 comparisons, 1 conversations open); first look at " in said.stdout


def test_a_ledger_from_the_future_is_a_hold_for_clock_skew(desk: Desk) -> None:
    desk.fill(conversations(COUNT, **NOW_AND_THEN), ends_in_s=4 * CONVERSATION_S)
    said = desk.ask("status", "cand")
    assert said.exit_code == 2
    assert "cause: clock skew: the ledger holds rows dated more than 60 s in the future" in said.stdout


@pytest.mark.parametrize("command", ["status", "explain", "plan"])
@pytest.mark.parametrize("wrong", ["unknown candidate", "no ledger", "no candidate", "option", "two candidates"])
def test_errors_and_wrong_use_end_with_1_and_say_no_verdict(desk: Desk, command: str, wrong: str) -> None:
    """2 would be a HOLD: a pipeline that calls it wrongly must not believe that it was answered."""
    if wrong != "no ledger":
        desk.fill(conversations(3))
    arguments = {"unknown candidate": ["nobody"], "no candidate": [], "option": ["cand", "--jsn"]}
    result = desk.ask(command, *arguments.get(wrong, ["cand", "cand"] if wrong == "two candidates" else ["cand"]))
    assert (result.exit_code, result.stdout) == (1, "")
    assert "Error: " in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize("call", [["--wrong"], ["statsu", "cand"], ["run", "--metrics-port", "none"]])
def test_wrong_use_of_the_group_itself_ends_with_1(desk: Desk, call: list[str]) -> None:
    assert desk.ask(*call).exit_code == 1


def test_wrong_use_of_other_commands_still_ends_with_2() -> None:
    assert CliRunner().invoke(main, ["audit", "--wrong"]).exit_code == 2


def test_a_locked_ledger_ends_with_1(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who holds SQLite's file alone holds readers out too."""
    desk.fill(conversations(3))
    monkeypatch.setitem(Ledger.__init__.__kwdefaults__, "busy_timeout_s", 0.2)
    with closing(sqlite3.connect(desk.folder / "ledger.db", isolation_level=None)) as holder:
        holder.execute("PRAGMA locking_mode=EXCLUSIVE")
        holder.execute("BEGIN EXCLUSIVE")
        result = desk.ask("status", "cand")
    assert result.exit_code == 1
    assert "another process holds its lock" in result.stderr


def test_plan_says_how_many_conversations_and_never_fewer_than_the_least(desk: Desk) -> None:
    """The bet alone would be through with fewer than 500."""
    desk.fill(conversations(100, **NOW_AND_THEN), min_conversations=500)
    said, told = desk.ask("plan", "cand"), desk.ask("plan", "cand", "--json")
    assert (said.exit_code, told.exit_code) == (0, 0)
    found = json.loads(told.stdout)
    assert found["conversations"] >= 400
    assert said.stdout.startswith(f"cand: about {found['conversations']:,} conversations more")


def test_plan_without_history_makes_nothing_up(desk: Desk) -> None:
    desk.fill([])
    said = desk.ask("plan", "cand")
    assert said.exit_code == 0
    assert said.stdout.startswith("cand: no estimate is possible")
