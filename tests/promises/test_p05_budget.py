"""P5: an arm with a daily budget spends at most that, plus what was under way when it was reached."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from shadow import broker as kafka_client
from shadow.events import Reply, decode
from shadow.ledger import Ledger
from shadow.topology import ARM_REPLIES
from tests.fixtures import load
from tests.fixtures.system import System, arm

pytestmark = [pytest.mark.slow]

IN_FLIGHT = 4
USD_PER_DAY = 1.0
USD_PER_MILLION = 25.0
DEAREST = 2_000 * USD_PER_MILLION / 1e6  # 2,000 tokens, the longest answer of tests.fixtures.models:metered
FIRST, SECOND = 60, 60  # the first 60 turns would cost more than the budget already


@pytest.fixture
def meter(tmp_path: Path) -> Path:
    """The model's own count of the calls that reached it: one line each."""
    file = tmp_path / "meter"
    file.touch()
    return file


@pytest.fixture
def system(tmp_path: Path, broker: str, meter: Path) -> Iterator[System]:
    if 86_400 - time.time() % 86_400 < 180:
        pytest.skip("the budget's day ends within this test: try again after midnight UTC")
    settings = {"meter": str(meter), "seconds": 0.25}
    dear = arm("dear", limits={"usd_per_day": USD_PER_DAY, "max_in_flight": IN_FLIGHT})
    dear["adapter"] = {"type": "callable", "target": "tests.fixtures.models:metered", "settings": settings}
    dear["price"] = {"output_usd_per_million": USD_PER_MILLION}
    made = System(tmp_path, broker, [arm("control"), dear])
    yield made
    made.close()


def spent(system: System) -> float:
    """What all the arm's replies cost."""
    costs = 0.0
    for record in kafka_client.read(system.config.broker.bootstrap, ARM_REPLIES):
        reply = decode(Reply, record.value, record.key)
        costs += (reply.cost_usd or 0.0) if reply.arm == "dear" else 0.0
    return costs


def calls(meter: Path) -> int:
    return len(meter.read_text().splitlines())


def write(system: System, turns: int, run: str) -> None:
    load.write_raw(system.config.broker.bootstrap, turns=turns, rate=1_000, run=run, twice=False, garbage=False)


def until_calls(system: System, meter: Path, count: int) -> None:
    deadline = time.monotonic() + 120
    while calls(meter) < count:
        assert time.monotonic() < deadline, system.logs()
        time.sleep(0.01)


def reasons(system: System) -> dict[str, int]:
    with Ledger(system.config.ledger.url) as ledger:
        return dict(ledger.stats()["arms"]["dear"]["reasons"])


def test_p05_overshoot_is_bounded_also_across_kill_9(system, meter):
    """Killed in the middle of its budget and again after it: what was spent today is read from the arm's own replies.

    What is lost at a kill -9 costs money and leaves no record: calls under way, and answers that the broker had not
    stored yet. The model's own meter may be ahead by the in-flight limit of each, and no more.
    """
    system.start_all()
    system.await_assigned("mirror.dear")
    write(system, FIRST, "first")
    until_calls(system, meter, 12)  # 0.3 to 0.6 dollars
    system.kill("mirror.dear")
    assert calls(meter) < FIRST / 2, "killed too late to say anything"
    system.start("mirror.dear")
    report = system.settled(turns=FIRST)
    assert report.balanced
    assert USD_PER_DAY <= spent(system) <= USD_PER_DAY + IN_FLIGHT * DEAREST
    assert reasons(system) == {"budget": FIRST - report.arms["dear"].outcomes["compared"]}
    answered = report.arms["dear"].outcomes["compared"]
    assert answered <= calls(meter) <= answered + 2 * IN_FLIGHT

    before, called = spent(system), calls(meter)
    time.sleep(1.5)  # time enough to commit: the restart must look further back than its committed offsets
    system.kill("mirror.dear")
    system.start("mirror.dear")
    write(system, SECOND, "second")
    report = system.settled(turns=FIRST + SECOND)
    assert report.balanced
    assert (spent(system), calls(meter)) == (before, called), "spent again after the restart"
    assert reasons(system) == {"budget": FIRST + SECOND - answered}
    assert report.arms["control"].outcomes.get("shed", 0) == 0
