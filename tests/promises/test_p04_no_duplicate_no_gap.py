"""P4: no duplicate and no gap in the ledger after redelivery; and these tests notice when the promise is broken."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from shadow import broker as kafka_client
from shadow.events import Comparison, Reply, Turn, decode
from shadow.topology import ARM_REPLIES, COMPARISONS, RECORDER_GROUP, TURNS, mirror_group
from tests.fixtures import load
from tests.fixtures.system import System, arm
from tests.fixtures.waiting import PATIENT, PATIENT_WINDOW, insist

pytestmark = [pytest.mark.slow, pytest.mark.timeout(420)]

MIRROR = mirror_group("slow")


def deployed(tmp_path: Path, broker: str, window_s: float, limits: dict[str, float]) -> System:
    """Two partitions, and an arm whose calls hang as long as :func:`held` is there, whatever its time-out."""
    slow = arm("slow", limits=limits)
    slow["adapter"] |= {"target": "tests.fixtures.models:slow_first", "settings": {"held": str(held(tmp_path))}}
    sections = {"comparator": {"join_window_s": window_s}, "broker": {"url": broker, "partitions": 2}}
    return System(tmp_path, broker, [arm("control", limits=limits), slow], **sections)


def held(folder: Path) -> Path:
    """Keeps the slow turns' calls from ending; those that hang are noted in it."""
    return folder / "held"


@pytest.fixture
def system(tmp_path: Path, broker: str) -> Iterator[System]:
    made = deployed(tmp_path, broker, PATIENT_WINDOW["join_window_s"], PATIENT)
    yield made
    made.close()


@pytest.fixture
def brief(tmp_path: Path, broker: str) -> Iterator[System]:
    """For where the window's end must be waited for."""
    made = deployed(tmp_path, broker, 25, {"timeout_s": 1, "deadline_s": 2, "max_age_s": 22})
    yield made
    made.close()


def slow_first(system: System, module: str) -> tuple[int, int]:
    """On a fresh group: the first turns' calls hang, all later ones are answered and committed; then kill -9.

    Of the slow turns' partition: how many turns it held at the death, and how many of them were not committed.
    """
    held(system.folder).touch()
    system.start("mirror.control", "comparator", "recorder")
    system.start("mirror.slow", module=module)
    system.await_assigned("comparator", "mirror.control", "mirror.slow")
    write(system, 4, "slow")
    system.until(lambda: len(set(held(system.folder).read_text().splitlines())) == 4)
    write(system, 200, "quick")
    system.until(lambda: system.audit().arms["slow"].outcomes.get("compared") == 200)
    # One commit names all partitions. So when this turn is committed, all was that may be committed of the other one.
    write(system, 1, "tail")
    lying = {turn_id(record): record.partition for record in system.records(TURNS)}
    number = lying["slow-0:0"]
    assert lying["tail-0:0"] != number
    system.until(lambda: system.lag(MIRROR, TURNS)[lying["tail-0:0"]] == 0)
    behind = system.lag(MIRROR, TURNS)[number]
    system.kill("mirror.slow")
    held(system.folder).unlink()
    system.start("mirror.slow")
    return list(lying.values()).count(number), behind


def write(system: System, turns: int, run: str) -> None:
    load.write_raw(system.config.broker.bootstrap, turns=turns, rate=1000, run=run, twice=False, garbage=False)


def turn_id(record: kafka_client.Stored) -> str:
    return decode(Turn, record.value, record.key).turn_id


def test_p04_a_slow_first_message_of_a_fresh_group_is_not_lost(system):
    turns, behind = slow_first(system, "consumers")
    assert behind == turns  # nothing of its partition was committed: the first turn was not done
    report = system.settled(turns=205)
    assert report.balanced
    outcomes = report.arms["slow"].outcomes
    assert sum(outcomes.values()) == 205
    assert outcomes["compared"] >= 201
    assert outcomes.keys() <= {"compared", "shed"}  # it is asked again, or is too old by now, and is not lost


def test_p04_notices_acknowledgement_out_of_order(brief):
    """With Faust's way of committing, the slow turns are never asked again: only the window's end accounts for them."""
    turns, behind = slow_first(brief, "tests.fixtures.broken.acks")
    assert (turns > 4, behind) == (True, 0)
    report = brief.settled(turns=205)
    assert report.arms["slow"].outcomes == {"compared": 201, "expired": 4}


def test_p04_a_turn_that_comes_again_after_a_death_is_not_asked_again(system):
    """Production wrote it twice; the first was answered and committed before the mirror died."""
    system.start("mirror.control", "comparator", "recorder")
    system.await_assigned("comparator", "mirror.control")
    address = system.config.broker.bootstrap
    write(system, 20, "again")
    system.until(lambda: system.audit().arms["control"].stored == 20)
    system.await_committed(mirror_group("control"), TURNS)
    system.kill("mirror.control")
    again = [(record.key, record.value, record.headers) for record in system.records(TURNS)]
    insist(lambda: kafka_client.publish(address, TURNS, again))
    system.start("mirror.control")
    system.await_committed(mirror_group("control"), TURNS)
    replies = [decode(Reply, record.value, record.key) for record in system.records(ARM_REPLIES)]
    assert Counter(Counter(reply.turn_id for reply in replies).values()) == {1: 20}


def deliver_again(system: System) -> None:
    """Every comparison once more, to the byte."""
    again = []
    for record in system.records(COMPARISONS):
        decode(Comparison, record.value, record.key)
        again.append((record.key, record.value, ()))
    insist(lambda: kafka_client.publish(system.config.broker.bootstrap, COMPARISONS, again))
    system.await_committed(RECORDER_GROUP, COMPARISONS)


@pytest.mark.parametrize(("module", "right"), [("consumers", True), ("tests.fixtures.broken.identity", False)])
def test_p04_a_second_delivery_changes_nothing_and_a_broken_identity_is_noticed(system, module, right):
    system.start("mirror.control", "mirror.slow", "comparator")
    system.start("recorder", module=module)
    system.await_assigned("comparator", "mirror.control", "mirror.slow")
    write(system, 20, "quick")
    assert system.settled(turns=20).balanced or not right
    deliver_again(system)
    report = system.audit()
    account = report.arms["control"]
    assert report.balanced == right
    if right:
        assert account.double == 0
    else:  # at least: a broker may deliver more often than it is asked to
        assert account.double >= 20
        assert len(account.double_turns) == 20
