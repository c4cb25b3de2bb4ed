"""P2: production is untouched. Here: a dead, unreachable or slow arm delays neither the Tap nor another arm."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from shadow.tap import Tap
from tests.fixtures import load
from tests.fixtures.brokers import free_ports
from tests.fixtures.system import System, arm

pytestmark = [pytest.mark.slow]

TURNS = 600
HEALTHY = ("control", "quick")
BAD = ("dead", "closed", "slow")
NO_BREAKER = {"breaker_failures": 10_000}  # an open breaker would end the trouble too soon
FEW = {"max_in_flight": 2, "max_age_s": 24, **NO_BREAKER}


def unreachable(name: str) -> dict[str, object]:
    """An arm whose endpoint refuses every connection, asked three times each."""
    endpoint = {"type": "openai", "base_url": f"http://127.0.0.1:{free_ports(1)[0]}/v1", "model": "m"}
    return {**arm(name, limits={**FEW, "attempts": 3, "backoff_s": 2}), "adapter": endpoint}


@pytest.fixture
def system(tmp_path: Path, broker: str) -> Iterator[System]:
    slow = {"type": "callable", "target": "tests.fixtures.models:slow", "settings": {"seconds": 1.0}}
    arms = [
        arm("control"),
        arm("quick"),
        arm("dead", "tests.fixtures.models:never", limits={**FEW, "timeout_s": 2}),
        unreachable("closed"),
        {**arm("slow", limits=FEW), "adapter": slow},
    ]
    made = System(tmp_path, broker, arms)
    yield made
    made.close()


def stored(system: System) -> dict[str, int]:
    return {name: account.stored for name, account in system.audit().arms.items()}


def test_p02_a_dead_an_unreachable_and_a_slow_candidate_delay_neither_the_others_nor_the_tap(system):
    """The healthy arms have all turns while the bad ones have not half; the Tap holds back and drops nothing."""
    system.start_all()
    system.await_assigned("comparator", *(f"mirror.{name}" for name in (*HEALTHY, *BAD)))
    with Tap(system.config.broker.bootstrap) as tap:
        for number in range(TURNS):
            turn = load._turn(number, "p02")
            with tap.call(
                conversation_id=turn.conversation_id,
                turn_index=turn.turn_index,
                messages=[{"role": "user", "content": turn.messages[0].text}],
            ) as call:
                call.reply("Your order arrives on Tuesday.")
        deadline = time.monotonic() + 120
        while min((found := stored(system))[name] for name in HEALTHY) < TURNS:
            assert time.monotonic() < deadline, f"{found}\n{system.logs()}"
            time.sleep(0.2)
        stats = tap.stats()
    assert {name: found[name] for name in HEALTHY} == dict.fromkeys(HEALTHY, TURNS)
    assert all(found[name] < TURNS / 2 for name in BAD), found
    assert (stats.sent, stats.queued, stats.queued_bytes, stats.dropped) == (2 * TURNS, 0, 0, {})
    report = system.settled(turns=TURNS)
    assert report.balanced
    for name in HEALTHY:  # the others' trouble costs them nothing: only their own failures
        assert set(report.arms[name].outcomes) <= {"compared", "candidate_failed"}
    for name in BAD:
        assert report.arms[name].stored == TURNS
        assert report.arms[name].outcomes["shed"] > TURNS / 2  # the oldest first, rather than a growing backlog
    assert report.arms["dead"].outcomes.get("compared", 0) == 0
    assert report.arms["slow"].outcomes["compared"] > 0
