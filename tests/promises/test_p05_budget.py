"""P5: an arm with a daily budget spends at most that, plus what was under way when it was reached."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from shadow.events import Reply, decode
from shadow.ledger import Ledger
from shadow.topology import ARM_REPLIES, TURNS, mirror_group
from tests.fixtures import load
from tests.fixtures.system import System, arm
from tests.fixtures.waiting import PATIENT, PATIENT_WINDOW, same_day

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

IN_FLIGHT = 4
USD_PER_DAY = 1.0
USD_PER_MILLION = 25.0
DEAREST = 2_000 * USD_PER_MILLION / 1e6  # 2,000 tokens, the longest answer of tests.fixtures.models:metered
FIRST, SECOND = 60, 60  # the first 60 turns would cost more than the budget already
FREE = 12  # calls before the first death: 0.3 to 0.6 dollars
TEST_S = 240
"""More than the test takes: it must not begin in one of the budget's days and end in another."""


@pytest.fixture
def meter(tmp_path: Path) -> Path:
    """The model's own count of the calls that reached it: one line each."""
    file = tmp_path / "meter"
    file.touch()
    return file


@pytest.fixture
def held(tmp_path: Path) -> Path:
    """While it is there, the model leaves all calls but the first ones without an answer."""
    file = tmp_path / "held"
    file.touch()
    return file


@pytest.fixture
def system(tmp_path: Path, broker: str, meter: Path, held: Path) -> Iterator[System]:
    same_day(TEST_S)
    settings = {"meter": str(meter), "seconds": 0.25, "held": str(held), "free": FREE}
    dear = arm("dear", limits={**PATIENT, "usd_per_day": USD_PER_DAY, "max_in_flight": IN_FLIGHT})
    dear["adapter"] = {"type": "callable", "target": "tests.fixtures.models:metered", "settings": settings}
    dear["price"] = {"output_usd_per_million": USD_PER_MILLION}
    made = System(tmp_path, broker, [arm("control", limits=PATIENT), dear], comparator=PATIENT_WINDOW)
    yield made
    made.close()


def replies(system: System) -> list[Reply]:
    """All that the arm has answered."""
    found = [decode(Reply, record.value, record.key) for record in system.records(ARM_REPLIES)]
    return [reply for reply in found if reply.arm == "dear"]


def spent(system: System) -> float:
    """What all the arm's replies cost."""
    return sum(reply.cost_usd or 0.0 for reply in replies(system))


def calls(meter: Path) -> int:
    return len(meter.read_text().splitlines())


def write(system: System, turns: int, run: str) -> None:
    load.write_raw(system.config.broker.bootstrap, turns=turns, rate=1_000, run=run, twice=False, garbage=False)


def reasons(system: System) -> dict[str, int]:
    with Ledger(system.config.ledger.url) as ledger:
        return dict(ledger.stats()["arms"]["dear"]["reasons"])


def test_p05_overshoot_is_bounded_also_across_kill_9(system, meter, held):
    """Killed in the middle of its budget and again after it: what was spent today is read from the arm's own replies.

    What is lost at a kill -9 costs money and leaves no record: calls under way, and answers that the broker had not
    stored yet. Here it has stored them all, so the model's own meter is ahead by the calls under way, and no more.
    """
    system.start_all()
    system.await_assigned("mirror.dear", "mirror.control", "comparator")
    write(system, FIRST, "first")
    system.until(lambda: calls(meter) == FREE + IN_FLIGHT and len(replies(system)) == FREE)
    system.kill("mirror.dear")
    held.unlink()
    system.start("mirror.dear")
    report = system.settled(turns=FIRST)
    assert report.balanced
    assert USD_PER_DAY <= spent(system) <= USD_PER_DAY + IN_FLIGHT * DEAREST
    assert reasons(system) == {"budget": FIRST - report.arms["dear"].outcomes["compared"]}
    answered = report.arms["dear"].outcomes["compared"]
    assert calls(meter) == answered + IN_FLIGHT

    before, called = spent(system), calls(meter)
    # The restart must look further back than its committed offsets.
    system.await_committed(mirror_group("dear"), TURNS)
    system.kill("mirror.dear")
    system.start("mirror.dear")
    write(system, SECOND, "second")
    report = system.settled(turns=FIRST + SECOND)
    assert report.balanced
    assert (spent(system), calls(meter)) == (before, called), "spent again after the restart"
    assert reasons(system) == {"budget": FIRST + SECOND - answered}
    assert report.arms["control"].outcomes.get("shed", 0) == 0
