"""Simulated and recorded conversations reach a real broker through the Tap, every one of them."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from shadow import broker as shadow_broker
from shadow import topology
from shadow.events import Reply, Turn, decode
from shadow.simulate import customers, production, traffic
from shadow.tap import Tap
from tests.fixtures.brokers import config_for, embedded_broker, prepared
from tests.fixtures.waiting import insist


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with embedded_broker(tmp_path_factory.mktemp("broker")) as bootstrap:
        prepared(config_for(bootstrap))
        yield bootstrap


def shadow(*arguments: str) -> subprocess.CompletedProcess[str]:
    """The command, in a process of its own."""
    command = [sys.executable, "-c", "from shadow.cli import main; main()", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=200, check=False)


def read(bootstrap: str, topic: str, event: Any) -> list[Any]:
    """Every record of a topic."""
    found = insist(lambda: list(shadow_broker.read([bootstrap], topic)))
    return [decode(event, record.value, record.key) for record in found]


def test_traffic_is_recorded_completely(broker: str) -> None:
    """Every turn that a run counts is in the broker with its reply; another run of the same seed says the same."""
    texts = []
    for run in ("one", "two"):
        options = ("--rate", "200", "--conversations", "30", "--seed", "5", "--in-process", "--run-id", run)
        done = shadow("simulate", "traffic", *options, "--broker", broker, "--json")
        assert done.returncode == 0, done.stderr
        totals = json.loads(done.stdout)
        turns = [t for t in read(broker, topology.TURNS, Turn) if t.conversation_id.startswith(f"sim-{run}-")]
        replies = [r for r in read(broker, topology.REPLIES, Reply) if r.conversation_id.startswith(f"sim-{run}-")]
        expected = sum(len(customers.customer(5, number).messages) for number in range(30))
        assert (totals["turns"], totals["replies"], totals["dropped"]) == (expected, expected, 0)
        assert {t.turn_id for t in turns} == {r.turn_id for r in replies}
        assert len(turns) == len(replies) == expected
        assert set(turns[0].metadata) == {"channel", "tier", "intent", "language"}
        texts.append(sorted((t.turn_id.removeprefix(f"sim-{run}"), t.messages[-1].text) for t in turns))
    assert texts[0] == texts[1]


class Slow(production.InProcess):
    """Production that takes a second, whatever is asked."""

    async def answer(self, *given: Any, **more: Any) -> production.Answer:
        await asyncio.sleep(1.0)
        return await super().answer(*given, **more)


class Held(production.InProcess):
    """Production that answers nobody before so many have asked."""

    def __init__(self, until: int) -> None:
        self._left, self._reached = until, asyncio.Event()

    async def answer(self, *given: Any, **more: Any) -> production.Answer:
        self._left -= 1
        if self._left <= 0:
            self._reached.set()
        await self._reached.wait()
        return await super().answer(*given, **more)


async def test_a_slow_production_does_not_lower_the_rate(broker: str) -> None:
    """Open loop: all turns that are due start, whether any has been answered or not."""
    with Tap(broker) as tap:
        run = traffic.Traffic(tap, Held(100), rate=100, seed=1, run_id="held", conversations=100, max_in_flight=500)
        totals = await asyncio.wait_for(run.run(), 120)
    expected = sum(len(customers.customer(1, number).messages) for number in range(100))
    assert (totals.turns, totals.behind) == (expected, 0)
    assert (totals.replies, totals.failures, totals.dropped) == (expected, 0, {})


async def test_turns_for_which_there_is_no_room_are_counted(broker: str) -> None:
    """Of a hundred turns in a second, ten may be under way and take a second each."""
    with Tap(broker) as tap:
        run = traffic.Traffic(tap, Slow(), rate=100, seed=1, run_id="slow", seconds=1, max_in_flight=10)
        totals = await run.run()
    assert totals.turns + totals.behind == 100
    assert 10 <= totals.turns <= 20
    assert (totals.replies, totals.failures, totals.dropped) == (totals.turns, 0, {})


def test_samples_replayed_twice_are_the_same_turns(broker: str) -> None:
    for _ in range(2):
        done = shadow("replay", "--sample", "--broker", broker, "--json")
        assert done.returncode == 0, done.stderr
    turns = [turn for turn in read(broker, topology.TURNS, Turn) if turn.conversation_id.startswith("sample:")]
    totals = json.loads(done.stdout)
    assert len(turns) == 2 * totals["turns"] == 2 * len({turn.turn_id for turn in turns})


def test_malformed_lines_end_in_exit_1(broker: str, tmp_path: Path) -> None:
    file = tmp_path / "bad.jsonl"
    file.write_text('{"conversation_id": "ok", "turns": [{"role": "customer", "text": "hi"}]}\n{"turns": 1}\n')
    done = shadow("replay", str(file), "--broker", broker, "--json")
    assert done.returncode == 1
    assert f"{file}:2: conversation_id: is None; give each conversation a string of its own" in done.stderr
    assert json.loads(done.stdout)["malformed"] == 1


def test_an_absent_broker_is_said_in_one_line() -> None:
    done = shadow("replay", "--sample", "--limit", "1", "--broker", "127.0.0.1:9")
    assert done.returncode == 1
    assert done.stderr.startswith("Error: ")
    assert done.stderr.count("\n") == 1


def test_wrong_use_is_exit_2() -> None:
    assert shadow("replay", "--broker", "127.0.0.1:9").returncode == 2
    assert shadow("replay", "--sample", "--pace", "fast", "--broker", "127.0.0.1:9").returncode == 2


def test_absent_models_are_said_in_one_line(broker: str) -> None:
    absent = shadow("simulate", "traffic", "--production", "http://127.0.0.1:9/v1", "--broker", broker)
    assert (absent.returncode, absent.stderr.count("\n")) == (1, 1)
    assert "shadow simulate serve" in absent.stderr
