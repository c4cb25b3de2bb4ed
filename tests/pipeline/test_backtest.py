"""``shadow backtest``: a verdict from history by the code that runs live; ended at any instant, it goes on exactly."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from click.testing import CliRunner, Result

from shadow import broker
from shadow.backtest.run import LOOK_AHEAD
from shadow.cli import main
from shadow.config import load
from shadow.ledger import Cursor, Ledger
from shadow.topology import OUTCOMES, REPLIES, TURNS
from tests.fixtures import backtests
from tests.fixtures.backtests import LIMITS, answered, asked, calls, configured, every, history, known_later, replies
from tests.fixtures.brokers import prepared
from tests.fixtures.system import ROOT
from tests.fixtures.waiting import until

AHEAD = LOOK_AHEAD * LIMITS["max_in_flight"]


def run(folder: Path, *arguments: str | Path) -> Result:
    given = ["--config", str(folder / "shadow.yaml"), "backtest", "cand", *map(str, arguments)]
    if "--ledger" not in given:
        given += ["--ledger", str(folder / "backtest.db")]
    return CliRunner().invoke(main, given)


def found(folder: Path, *arguments: str | Path) -> dict[str, Any]:
    done = run(folder, *arguments, "--json")
    assert done.exit_code in {0, 2, 3}, done.stderr
    parsed: dict[str, Any] = json.loads(done.stdout)
    return parsed


def rows(file: Path) -> list[tuple[Any, ...]]:
    with Ledger(f"sqlite:///{file}", create=False) as ledger:
        columns = ("turn_id", "arm", "outcome", "reason", "recorded_at", "candidate_latency_s")
        return [row for batch in ledger.read_on(Cursor(), columns, ("outcome_id",)) for row in batch.comparisons]


@pytest.mark.parametrize(
    ("verdict", "code", "conversations", "nth"), [("PROMOTE", 0, 400, 60), ("HOLD", 2, 20, 60), ("REJECT", 3, 400, 4)]
)
def test_recorded_replies_end_with_the_verdict_and_its_exit_code(
    tmp_path: Path, verdict: str, code: int, conversations: int, nth: int
) -> None:
    configured(tmp_path)
    told = history(tmp_path / "history.jsonl", conversations, empty=every(50))
    said = replies(tmp_path / "replies.jsonl", conversations, empty=every(nth))
    done = run(tmp_path, told, "--replies", said)
    assert (done.exit_code, done.stdout.partition(":")[0]) == (code, verdict)
    report = found(tmp_path, told, "--replies", said)
    assert report["backtest"]["recorded"] == {"conversations": conversations, "turns": conversations}
    decided = report["backtest"]["decided_after"]
    assert decided is None if verdict == "HOLD" else 1 < decided["conversations"] < conversations
    assert calls(tmp_path) == []


def test_a_turn_without_a_recorded_reply_is_an_incomplete_pair_and_holds(tmp_path: Path) -> None:
    """Left out, a candidate whose hard turns were not recorded would be measured on the easy ones."""
    configured(tmp_path)
    said = replies(tmp_path / "replies.jsonl", 380)
    report = found(tmp_path, history(tmp_path / "history.jsonl", 400), "--replies", said)
    assert (report["verdict"], report["reasons"][0]["why"]) == ("HOLD", "incomplete")
    assert report["pairs"]["missing"] == {"expired arm_reply": 20}


def test_what_is_known_later_of_recorded_replies_counts(tmp_path: Path) -> None:
    gate = {"min_conversations": 50, "guardrails": [{"kind": "score", "name": "solved", "outcome": "solved"}]}
    configured(tmp_path, gate=gate)
    some = backtests.turns(300)
    told = backtests.lines(tmp_path / "history.jsonl", (e for t in some for e in (t, answered(t), known_later(t, 1.0))))
    worse = [known_later(turn, float(number % 3 > 0), "cand") for number, turn in enumerate(some)]
    said = backtests.lines(tmp_path / "replies.jsonl", [*(answered(turn, arm="cand") for turn in some), *worse])
    report = found(tmp_path, told, "--replies", said)
    assert (report["verdict"], report["culprits"]) == ("REJECT", ["solved"])


@contextmanager
def started(folder: Path, *arguments: str | Path) -> Iterator[subprocess.Popen[bytes]]:
    """A backtest of its own process, which is killed (-9) at the end of the block."""
    command = [sys.executable, "-m", "shadow.cli", "--config", str(folder / "shadow.yaml"), "backtest", "cand"]
    with (folder / "log").open("ab") as log:
        process = subprocess.Popen([*command, *map(str, arguments)], cwd=ROOT, stdout=log, stderr=log)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def test_kill_9_in_the_middle_asks_and_counts_no_turn_twice(tmp_path: Path) -> None:
    """But for the calls that were under way: nobody knows what they would have said. The verdict is the same."""
    until_file = tmp_path / "until"
    configured(tmp_path, settings={"seconds": 0.02, "until": str(until_file)})
    told = history(tmp_path / "history.jsonl", 80, 3)
    whole = found(tmp_path, told, "--ledger", tmp_path / "whole.db")
    (tmp_path / "meter").unlink()
    ledger, kills = tmp_path / "killed.db", 0
    for goal in (50, 110, 170):
        until_file.write_text(str(goal + 40))  # it comes to no end, however late the goal is seen
        with started(tmp_path, told, "--ledger", ledger) as process:
            deadline = time.monotonic() + 90
            while len(calls(tmp_path)) < goal:
                assert time.monotonic() < deadline, (tmp_path / "log").read_text()
                assert process.poll() is None, (tmp_path / "log").read_text()
                time.sleep(0.005)
        kills += 1
    until_file.unlink()
    again = found(tmp_path, told, "--ledger", ledger)
    asked_of = Counter(calls(tmp_path))
    assert len(asked_of) == 240
    assert sum(asked_of.values()) <= 240 + kills * LIMITS["max_in_flight"]
    assert again["backtest"]["recorded"] == {"conversations": 80, "turns": 240}
    assert len(rows(ledger)) == 240
    assert {**again, "backtest": None} == {**whole, "backtest": None}
    assert sorted(row[:5] for row in rows(ledger)) == sorted(row[:5] for row in rows(tmp_path / "whole.db"))
    before = len(calls(tmp_path))
    assert found(tmp_path, told, "--ledger", ledger)["backtest"]["asked"] == {"cand": 0}
    assert len(calls(tmp_path)) == before


def test_replies_that_wait_for_an_earlier_one_outlive_a_kill(tmp_path: Path) -> None:
    """The first turn asked hangs; what was answered meanwhile is written behind it, in order, and not asked again."""
    stuck = tmp_path / "stuck"
    stuck.touch()
    configured(tmp_path, settings={"stuck": str(stuck)})
    told = history(tmp_path / "history.jsonl", 80)
    journal = tmp_path / "backtest.db.replies.jsonl"
    with started(tmp_path, told, "--ledger", tmp_path / "backtest.db"):
        # its header, and all but the first
        until(lambda: journal.exists() and journal.read_text().count("\n") >= AHEAD, why=(tmp_path / "log").read_text)
    assert calls(tmp_path)[0] == backtests.STUCK
    assert rows(tmp_path / "backtest.db") == []
    assert len(calls(tmp_path)) == AHEAD
    stuck.unlink()
    report = found(tmp_path, told)["backtest"]
    assert (report["asked"], report["answered_before"]) == ({"cand": 80 - AHEAD + 1}, {"cand": AHEAD - 1})
    assert Counter(calls(tmp_path)) == Counter([backtests.STUCK, *(turn.turn_id for turn in backtests.turns(80))])
    assert len(rows(tmp_path / "backtest.db")) == 80


def test_a_journal_line_that_a_kill_cut_off_is_asked_again(tmp_path: Path) -> None:
    configured(tmp_path)
    told = history(tmp_path / "history.jsonl", 10)
    found(tmp_path, told, "--max-turns", "6")
    journal = tmp_path / "backtest.db.replies.jsonl"
    journal.write_bytes(journal.read_bytes() + b'{"type": "reply", "turn_id": "c')
    report = found(tmp_path, told)
    assert (report["backtest"]["asked"], report["backtest"]["recorded"]["turns"]) == ({"cand": 4}, 10)
    assert len(calls(tmp_path)) == 10


def test_other_margins_are_judged_on_the_replies_that_are_there(tmp_path: Path, monkeypatch: Any) -> None:
    """Another gate is another experiment, with a ledger of its own; nobody is asked again."""
    monkeypatch.chdir(tmp_path)
    file, told = configured(tmp_path), history(tmp_path / "history.jsonl", 60)
    command = ["--config", str(file), "backtest", "cand", str(told), "--json"]
    first = json.loads(CliRunner().invoke(main, command).stdout)
    configured(tmp_path, gate={**backtests.GATE, "alpha": 0.01})
    second = json.loads(CliRunner().invoke(main, command).stdout)
    assert first["experiment"] != second["experiment"]
    assert first["backtest"]["ledger"] != second["backtest"]["ledger"]
    assert (second["backtest"]["asked"], second["backtest"]["recorded"]["turns"]) == ({"cand": 0}, 60)
    assert len(calls(tmp_path)) == 60


def test_max_turns_is_kept_in_whole_conversations_and_says_what_is_left(tmp_path: Path) -> None:
    configured(tmp_path)
    told = history(tmp_path / "history.jsonl", 20, 3)
    report = found(tmp_path, told, "--max-turns", "11")
    assert report["backtest"]["recorded"] == {"conversations": 3, "turns": 9}
    assert (report["backtest"]["left"], report["backtest"]["stopped_by"]) == (
        {"conversations": 17, "turns": 51},
        "max_turns",
    )
    assert "17 conversations, 51 turns are left" in run(tmp_path, told, "--max-turns", "11").stdout
    assert len(calls(tmp_path)) == 9
    assert found(tmp_path, told)["backtest"]["left"] == {"conversations": 0, "turns": 0}
    assert sorted(Counter(calls(tmp_path)).values()) == [1] * 60


def test_max_cost_counts_all_runs_and_is_overshot_by_calls_under_way_at_most(tmp_path: Path) -> None:
    """A call costs one cent."""
    configured(tmp_path, settings={"seconds": 0.01})
    told = history(tmp_path / "history.jsonl", 100)
    first = found(tmp_path, told, "--max-cost", "0.2")["backtest"]
    assert first["stopped_by"] == "max_cost"
    assert 0.2 - 1e-9 <= first["cost_usd"] <= 0.2 + 0.01 * LIMITS["max_in_flight"]
    assert len(calls(tmp_path)) * 0.01 == pytest.approx(first["cost_usd"])
    again = found(tmp_path, told, "--max-cost", "0.2")["backtest"]
    assert (again["asked"], again["cost_usd"]) == ({"cand": 0}, first["cost_usd"])
    more = found(tmp_path, told, "--max-cost", "0.4")["backtest"]
    assert first["cost_usd"] < more["cost_usd"] <= 0.4 + 0.01 * LIMITS["max_in_flight"]


def test_two_budgets_hold_together(tmp_path: Path) -> None:
    """So few turns that all of them may begin at once: each call still asks whether there is money for it."""
    configured(tmp_path, settings={"seconds": 0.01})
    report = found(tmp_path, history(tmp_path / "history.jsonl", 100), "--max-turns", "15", "--max-cost", "0.05")
    assert report["backtest"]["stopped_by"] == "max_cost"
    assert len(calls(tmp_path)) <= 5 + LIMITS["max_in_flight"]


def test_the_daily_budget_of_the_arm_holds_where_no_other_is_given(tmp_path: Path) -> None:
    configured(tmp_path, limits={"usd_per_day": 0.05})
    report = found(tmp_path, history(tmp_path / "history.jsonl", 100))
    assert report["backtest"]["stopped_by"] == "max_cost"


def test_max_seconds_ends_the_run_and_the_next_one_goes_on(tmp_path: Path, monkeypatch: Any) -> None:
    """By a clock that goes on a second with each call, however long that takes."""
    configured(tmp_path)
    told = history(tmp_path / "history.jsonl", 200)
    with monkeypatch.context() as patch:
        patch.setattr("shadow.backtest.run.time", SimpleNamespace(monotonic=lambda: float(len(calls(tmp_path)))))
        report = found(tmp_path, told, "--max-seconds", "50")["backtest"]
    assert report["stopped_by"] == "max_seconds"
    assert report["recorded"]["turns"] == len(calls(tmp_path))
    assert 50 <= len(calls(tmp_path)) < 50 + LIMITS["max_in_flight"]
    assert found(tmp_path, told)["backtest"]["recorded"]["turns"] == 200
    assert sorted(Counter(calls(tmp_path)).values()) == [1] * 200


def test_until_decided_stops_asking_with_the_verdict_of_the_whole(tmp_path: Path) -> None:
    configured(tmp_path, settings={"down": ""})
    told = history(tmp_path / "history.jsonl", 600)
    report = found(tmp_path, told, "--until-decided")
    assert (report["verdict"], report["backtest"]["stopped_by"]) == ("PROMOTE", "decided")
    asked = len(calls(tmp_path))
    assert asked < 400
    assert found(tmp_path, told, "--until-decided")["backtest"]["stopped_by"] == "decided"
    assert len(calls(tmp_path)) == asked  # what is decided asks nothing more
    assert found(tmp_path, told)["verdict"] == "PROMOTE"


def test_time_outs_are_failures_of_the_same_kind_as_live(tmp_path: Path) -> None:
    configured(
        tmp_path,
        "tests.fixtures.backtests:stuck_on_some",
        limits={"timeout_s": 0.1, "deadline_s": 0.2, "max_in_flight": 32},
        gate=backtests.GATE,
    )
    report = found(tmp_path, history(tmp_path / "history.jsonl", 60))
    outcomes = Counter(row[2:4] for row in rows(tmp_path / "backtest.db"))
    assert outcomes == {("compared", None): 48, ("candidate_failed", "timeout"): 12}
    assert (report["verdict"], report["culprits"]) == ("REJECT", ["unanswered"])


def test_an_arm_that_is_down_ends_it_with_1_and_nothing_of_that_is_evidence(tmp_path: Path) -> None:
    """A wrong key must not read as a candidate that fails. Put right, the same command goes on."""
    down = tmp_path / "down"
    configured(tmp_path, settings={"down": str(down)})
    told = history(tmp_path / "history.jsonl", 40)
    found(tmp_path, told, "--max-turns", "10")
    down.touch()
    done = run(tmp_path, told)
    assert done.exit_code == 1
    assert "'cand' has not answered any of the last turns (provider_error: " in done.stderr
    assert "10 of 40 turns are recorded" in done.stderr
    assert [row[2] for row in rows(tmp_path / "backtest.db")] == ["compared"] * 10
    down.unlink()
    report = found(tmp_path, told)
    assert Counter(row[2] for row in rows(tmp_path / "backtest.db")) == {"compared": 40}
    assert report["backtest"]["left"] == {"conversations": 0, "turns": 0}


def test_a_last_failure_that_no_answer_follows_is_recorded(tmp_path: Path) -> None:
    """One failing turn is the candidate's, also where history ends with it."""
    configured(tmp_path, settings={"down": str(tmp_path / "shadow.yaml")})
    report = found(tmp_path, history(tmp_path / "history.jsonl", 1))
    assert [row[2:4] for row in rows(tmp_path / "backtest.db")] == [("candidate_failed", "provider_error")]
    assert report["backtest"]["left"]["turns"] == 0


def test_bad_lines_are_named_and_the_good_ones_are_used(tmp_path: Path) -> None:
    configured(tmp_path)
    good = history(tmp_path / "history.jsonl", 3).read_bytes()
    clash = answered(asked(0), "Something else.").to_json()
    bad = (
        b'{"type": "turn", "turn_id": 7}\nno json\n{"conversation_id": "x", "turns": [{"role": "boss", "text": ""}]}\n'
    )
    mixed = tmp_path / "mixed.jsonl"
    mixed.write_bytes(bad + good + clash + b"\n" + asked(1).to_json() + b"\n")
    done = run(tmp_path, mixed)
    assert f"{mixed}:1: " in done.stderr
    assert f"{mixed}:2: (line): not JSON" in done.stderr
    assert f"{mixed}:3: turns[0].role: is 'boss'; use one of customer, agent, tool" in done.stderr
    assert f"{mixed}:10: reply_id: reply of c0:0 of production was given by an earlier line" in done.stderr
    assert "passed over: 4 lines could not be used" in done.stdout
    assert "passed over: 1 lines repeat earlier ones" in done.stdout
    assert "on 3 of 3 conversations" in done.stdout


def test_history_without_anything_to_try_is_an_error(tmp_path: Path) -> None:
    configured(tmp_path)
    told = backtests.lines(tmp_path / "history.jsonl", backtests.turns(5))
    done = run(tmp_path, told)
    assert done.exit_code == 1
    assert "5 turn, 5 turns unanswered" in done.stderr


def test_a_replies_file_of_somebody_else_is_an_error(tmp_path: Path) -> None:
    configured(tmp_path)
    said = replies(tmp_path / "replies.jsonl", 5, arm="other")
    done = run(tmp_path, history(tmp_path / "history.jsonl", 5), "--replies", said)
    assert done.exit_code == 1
    assert "holds no reply of 'cand'" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        ((), "name a file of history"),
        (("missing.jsonl",), "does not exist"),
        (("--sample", "--max-turns", "0"), "--max-turns"),
        (("--sample", "--no-such-option"), "No such option"),
    ],
)
def test_wrong_use_ends_with_1_as_2_would_say_hold(tmp_path: Path, arguments: tuple[str, ...], what: str) -> None:
    configured(tmp_path)
    done = run(tmp_path, *arguments)
    assert (done.exit_code, what in done.stderr) == (1, True)


def test_an_unknown_candidate_is_an_error_that_names_the_known_ones(tmp_path: Path) -> None:
    file = configured(tmp_path)
    done = CliRunner().invoke(main, ["--config", str(file), "backtest", "nobody", "--sample"])
    assert (done.exit_code, "the configuration has: cand" in done.stderr) == (1, True)


def test_a_ledger_with_other_evidence_is_refused(tmp_path: Path) -> None:
    """Live evidence, another candidate's or another evaluator's never counts in a backtest."""
    configured(tmp_path)
    told = history(tmp_path / "history.jsonl", 5)
    found(tmp_path, told)
    configured(tmp_path, price={"input_usd_per_million": 2.0})
    done = run(tmp_path, told)
    assert (done.exit_code, "evidence is never mixed" in done.stderr) == (1, True)
    other = history(tmp_path / "other.jsonl", 6)
    configured(tmp_path)
    assert "belongs to another history" in run(tmp_path, other).stderr


def test_a_second_run_at_the_same_time_is_refused(tmp_path: Path) -> None:
    stuck = tmp_path / "stuck"
    stuck.touch()
    configured(tmp_path, settings={"stuck": str(stuck)})
    told = history(tmp_path / "history.jsonl", 80)
    with started(tmp_path, told, "--ledger", tmp_path / "backtest.db"):
        # it does not end before that is answered
        until(lambda: backtests.STUCK in calls(tmp_path), why=(tmp_path / "log").read_text)
        done = run(tmp_path, told)
    assert (done.exit_code, "another run of this backtest is at work" in done.stderr) == (1, True)


def test_history_is_what_the_broker_still_holds(tmp_path: Path, embedded: str) -> None:
    file = configured(tmp_path, broker={"url": embedded, "partitions": 2})
    config = load(file, environ={})
    prepared(config)
    some = backtests.turns(6)
    for topic, events in (
        (TURNS, some),
        (REPLIES, [answered(turn) for turn in some]),
        (OUTCOMES, [known_later(turn, 1.0) for turn in some]),
    ):
        records = [(event.conversation_id.encode(), event.to_json(), ()) for event in events]
        broker.publish(config.broker.bootstrap, topic, records)
    report = found(tmp_path, "--from-broker")
    assert report["backtest"]["recorded"] == {"conversations": 6, "turns": 6}
    assert sorted(calls(tmp_path)) == sorted(turn.turn_id for turn in some)


def test_control_is_asked_beside_where_a_guardrail_needs_it(tmp_path: Path) -> None:
    excess = {"kind": "excess_divergence", "name": "lexical", "measure": "lexical", "margin": 0.1}
    target = {"type": "callable", "target": "tests.fixtures.models:instant"}
    control = {"owner": "tests", "adapter": target, "limits": {**LIMITS, "breaker_probe_s": 0.05}}
    configured(tmp_path, control=control, gate={"min_conversations": 20, "guardrails": [excess]})
    report = found(tmp_path, history(tmp_path / "history.jsonl", 60))
    assert report["backtest"]["asked"] == {"control": 60, "cand": 60}
    configured(tmp_path, control=control)
    report = found(tmp_path, history(tmp_path / "history.jsonl", 60), "--ledger", tmp_path / "without.db")
    assert report["backtest"]["asked"] == {"cand": 60}


def test_progress_on_a_pipe_is_plain_lines_apart_from_the_verdict(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr("shadow.cli.backtest.PLAIN_EVERY_S", 0.0)
    configured(tmp_path)
    done = run(tmp_path, history(tmp_path / "history.jsonl", 30), "--json")
    assert "backtest: " in done.stderr
    assert "\x1b" not in done.stderr + done.stdout
    assert json.loads(done.stdout)["verdict"] == "HOLD"
    assert os.linesep in done.stderr
