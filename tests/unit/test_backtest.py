"""What a backtest decides without asking anybody: what a line says, the order and the dates, the gate, the budgets."""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shadow.adapters import create
from shadow.backtest.budget import Budget, Spent
from shadow.backtest.cases import Case, Known, case, drawn
from shadow.backtest.clock import BEGIN, LOOKED_S, Clock, setting
from shadow.backtest.history import History, Line
from shadow.backtest.journal import Journal
from shadow.backtest.lane import Lane
from shadow.backtest.lines import LineError, said
from shadow.backtest.work import setup
from shadow.config import Arm, Config, ConfigError, load
from shadow.events import Reply, Turn
from shadow.gate.experiment import Experiment
from shadow.simulate import sample_path
from tests.fixtures.backtests import AT, answered, asked, configured, history, known_later, replies

TALK: dict[str, Any] = {
    "conversation_id": "c1",
    "turns": [
        {"role": "customer", "text": "a", "ts": 1_700_000_000},
        {"role": "agent", "text": "b", "ts": 1_700_000_002.5},
        {"role": "customer", "text": "c"},
        {"role": "agent", "text": "d"},
        {"role": "customer", "text": "bye"},
    ],
}


def read(*events: Any) -> History:
    return History(Line(f"f:{number}", event.to_json()) for number, event in enumerate(events, 1))


@pytest.fixture
def config(tmp_path: Path) -> Config:
    return load(configured(tmp_path), environ={})


@pytest.fixture
def arm(config: Config) -> Arm:
    return config.arm("cand")


def test_a_conversation_becomes_turns_and_productions_replies_timed_only_where_both_were() -> None:
    found = said(json.dumps(TALK).encode())
    turns, spoken = [e for e in found if isinstance(e, Turn)], [e for e in found if isinstance(e, Reply)]
    assert [turn.turn_id for turn in turns] == ["c1:0", "c1:1", "c1:2"]
    assert [(reply.turn_id, reply.latency_s) for reply in spoken] == [("c1:0", 2.5), ("c1:1", None)]


@pytest.mark.parametrize(
    ("text", "where"),
    [
        (b"{", "(line)"),
        (b"[]", "(line)"),
        (b'{"type": "comparison"}', "type"),
        (b'{"type": {}}', "type"),
        (b'{"type": "turn", "turn_id": "t"}', "conversation_id"),
        (b'{"type": "turn", "turn_id": "t", "conversation_id": "\\ud800"}', "(line)"),
        (answered(asked(1)).to_json().replace(b'"c1"', b'"c 1"'), "conversation_id"),
        (b'{"conversation_id": "c", "turns": [{"role": "boss", "text": ""}]}', "turns[0].role"),
        (b'{"conversation_id": "c", "turns": [{"role": "customer", "text": "", "ts": 5}]}', "occurred_at"),
    ],
)
def test_a_bad_line_names_the_field_and_the_fix(text: bytes, where: str) -> None:
    with pytest.raises(LineError) as caught:
        said(text)
    assert caught.value.where == where
    assert "; " in str(caught.value)


@given(st.binary(max_size=200))
def test_any_line_is_events_or_a_line_error(text: bytes) -> None:
    with contextlib.suppress(LineError):
        said(text)


def test_a_line_that_says_the_same_again_is_known_and_one_that_contradicts_is_refused() -> None:
    known = Known()
    assert known.take([asked(1)])
    assert not known.take([asked(1)])
    with pytest.raises(LineError):
        known.take([asked(1, metadata={"tier": "gold"})])
    assert known.take([answered(asked(2)), known_later(asked(3), 1.0)])
    assert (known.unanswered(), known.strays()) == (1, 2)


def test_a_case_holds_the_answered_turns_in_order_within_the_arms_scope(arm: Arm) -> None:
    gold = arm.model_copy(update={"scope": {"tier": ["gold"]}, "sampling": arm.sampling.model_copy(update={"rate": 0})})
    turns = [asked(1, index, metadata={"tier": tier}) for index, tier in enumerate(["gold", "free", "gold", "gold"])]
    events = [*reversed(turns), *(answered(turn) for turn in turns[:3]), known_later(turns[1], 1.0)]
    found = case("c1", events, gold)
    assert found is not None
    assert [each.turn.turn_id for each in found.asked] == ["c1:0", "c1:2"]
    assert found.outcomes == ()
    assert case("c1", turns, gold) is None


def test_the_order_is_a_hash_and_not_the_files(arm: Arm) -> None:
    events = [event for number in range(50) for event in (asked(number), answered(asked(number)))]
    mixed = random.Random(3).sample(events, len(events))
    first, second = (list(read(*each).cases(arm)) for each in (events, mixed))
    names = [each.conversation_id for each in first]
    assert first == second
    assert names == list(drawn(names)) != sorted(names)


def test_every_packaged_conversation_is_read_as_it_is_replayed(arm: Arm) -> None:
    text = Path(sample_path()).read_bytes().splitlines()
    found = History(Line(f"s:{number}", line) for number, line in enumerate(text))
    assert (found.bad, len(list(found.cases(arm)))) == (0, 35)


@given(st.floats(0.1, 5_000), st.floats(1.0, 1_000), st.integers(0, 2_000))
def test_a_conversation_has_closed_and_is_looked_at_before_the_next_one_is_recorded(
    idle_s: float, window_s: float, number: int
) -> None:
    document = {
        "version": 1,
        "production": {"owner": "o", "model": "m"},
        "candidates": [{"name": "cand", "owner": "o", "adapter": {"type": "callable", "target": "a:b"}}],
        "comparator": {"join_window_s": window_s + 200},
        "gate": {"conversation_idle_s": idle_s},
    }
    clock = Clock.of(Experiment.of(setting(Config.model_validate(document), "cand"), "cand", "e"))
    closed_at = clock.recorded_at(number) + clock.close_after_s
    assert closed_at < clock.looked_at(number) < clock.recorded_at(number + 1)
    assert clock.closed_by(closed_at) == number + 1
    assert clock.closed_by(closed_at - LOOKED_S) == number


def test_turns_keep_the_times_between_them_and_none_is_dated_after_its_record() -> None:
    clock = Clock(100.0, 98.0)
    assert clock.arrived_at(3, [AT, AT + 5, AT + 65]) == [BEGIN + 235, BEGIN + 240, BEGIN + 300]
    with pytest.raises(ValueError, match="split the history"):
        clock.recorded_at(10**9)


def test_a_backtest_is_another_experiment_than_the_live_one(config: Config) -> None:
    own = setting(config, "cand")
    assert Experiment.of(own, "cand", "e").id != Experiment.of(config, "cand", "e").id
    assert own.gate.guardrails == config.gate.guardrails
    assert own.gate.cycle_s == 0
    for name in ("control", "nobody"):
        with pytest.raises(ConfigError):
            setting(config, name)


def test_recorded_replies_are_a_revision_of_their_own_for_each_content(tmp_path: Path, config: Config) -> None:
    file = replies(tmp_path / "replies.jsonl", 2)
    first = setup(config, "cand", str(file)).arm.revision
    replies(file, 3)
    second = setup(config, "cand", str(file)).arm.revision
    assert len({config.arm("cand").revision, first, second}) == 3


def test_budgets_refuse_before_they_are_exceeded_as_far_as_can_be_known() -> None:
    budget = Budget(turns=10, usd=1.0, seconds=60)
    assert budget.refuses_turns(8, 2) is None
    assert budget.refuses_turns(8, 3) == "max_turns"
    spent = Spent(usd=0.5, under_way=4)
    assert budget.refuses_call(spent, elapsed_s=59) is None
    spent.paid(0.15)
    assert budget.refuses_call(spent, elapsed_s=0) == "max_cost"
    assert budget.refuses_call(Spent(), elapsed_s=60) == "max_seconds"
    assert Budget().refuses_call(Spent(usd=9e9), elapsed_s=9e9) is None


def test_history_is_told_from_another_by_its_content_alone(tmp_path: Path, arm: Arm) -> None:
    def opened(file: Path) -> History:
        return History(Line(f"{file}:{n}", line) for n, line in enumerate(file.read_bytes().splitlines()))

    one, same = (opened(history(tmp_path / name, 5)) for name in ("a.jsonl", "b.jsonl"))
    other = opened(history(tmp_path / "c.jsonl", 6))
    assert one.digest == same.digest != other.digest
    assert all(isinstance(each, Case) for each in other.cases(arm))


async def test_an_arms_own_pace_leaves_the_loop_to_the_others(tmp_path: Path, arm: Arm) -> None:
    """Else time-outs of other calls would come late, and count as failures."""
    limits = arm.limits.model_copy(update={"requests_per_s": 0.01, "deadline_s": 0.2, "attempts": 1})
    slow = arm.model_copy(update={"limits": limits})
    journal = Journal(tmp_path / "replies.jsonl", "digest")
    lane = Lane(slow, create(slow, environ={}), replies=None, journal=journal, spent=Spent(0.0))
    ticks, gives_up_at = 0, time.monotonic() + 60

    def stopped() -> bool:
        return ticks >= 20 or time.monotonic() > gives_up_at

    async def others() -> None:
        nonlocal ticks
        while not stopped():
            await asyncio.sleep(0.01)
            ticks += 1

    await asyncio.gather(others(), *(lane.answer(asked(each), stopped) for each in (1, 2)))
    await lane.close()
    journal.close()
    assert ticks >= 20
