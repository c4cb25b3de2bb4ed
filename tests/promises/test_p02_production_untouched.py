"""P2: production is untouched. Here: a dead, unreachable or slow arm delays neither the Tap nor another arm."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from shadow.audit import ArmAudit
from shadow.tap import Tap
from tests.fixtures import load
from tests.fixtures.system import System, arm
from tests.fixtures.waiting import PATIENT, PATIENT_WINDOW

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

TURNS = 600
HEALTHY = ("control", "quick")
BAD = ("dead", "closed", "slow")
NO_BREAKER = {"breaker_failures": 10_000}  # an open breaker would end the trouble too soon
FEW = {"max_in_flight": 2, "max_age_s": 150, **NO_BREAKER}
"""Nothing is shed for its age before the test lowers ``max_age_s``: the trouble lasts as long as it is needed."""


def unreachable(name: str, address: str) -> dict[str, object]:
    """An arm whose endpoint refuses every connection, asked three times each."""
    endpoint = {"type": "openai", "base_url": f"http://{address}/v1", "model": "m"}
    return {**arm(name, limits={**FEW, "attempts": 3, "backoff_s": 2}), "adapter": endpoint}


@pytest.fixture
def system(tmp_path: Path, broker: str, nowhere: str) -> Iterator[System]:
    slow = {"type": "callable", "target": "tests.fixtures.models:slow", "settings": {"seconds": 1.0}}
    arms = [
        arm("control", limits=PATIENT),
        arm("quick", limits=PATIENT),
        arm("dead", "tests.fixtures.models:never", limits={**FEW, "timeout_s": 2}),
        unreachable("closed", nowhere),
        {**arm("slow", limits=FEW), "adapter": slow},
    ]
    made = System(tmp_path, broker, arms, comparator=PATIENT_WINDOW)
    yield made
    made.close()


def end_the_patience(system: System) -> None:
    """Let the bad arms' mirrors begin again, for which every turn is too old now."""
    document = yaml.safe_load(system.file.read_text())
    for each in document["candidates"]:
        if each["name"] in BAD:
            each["limits"]["max_age_s"] = 1
    system.file.write_text(yaml.safe_dump(document))
    for name in BAD:
        system.kill(f"mirror.{name}")
        system.start(f"mirror.{name}")


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
        arms: dict[str, ArmAudit] = {}

        def all_but_the_bad_ones() -> bool:
            arms.update(system.audit().arms)
            return all(arms[name].stored == TURNS for name in HEALTHY) and "compared" in arms["slow"].outcomes

        system.until(all_but_the_bad_ones)
        assert tap.flush(60)
        stats = tap.stats()
    assert all(arms[name].stored < TURNS / 2 for name in BAD), arms
    assert not any(arms[name].outcomes.get("shed") for name in BAD), arms
    assert (stats.sent, stats.queued, stats.queued_bytes, stats.dropped) == (2 * TURNS, 0, 0, {})
    end_the_patience(system)
    report = system.settled(turns=TURNS)
    assert report.balanced
    for name in HEALTHY:  # the others' trouble costs them nothing: only their own failures
        assert set(report.arms[name].outcomes) <= {"compared", "candidate_failed"}
    for name in BAD:
        assert report.arms[name].stored == TURNS
        assert report.arms[name].outcomes["shed"] > TURNS / 2  # rather than a backlog that is worked off late
    assert report.arms["dead"].outcomes.get("compared", 0) == 0
    assert report.arms["slow"].outcomes["compared"] > 0
