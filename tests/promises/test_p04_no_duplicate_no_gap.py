"""P4: no duplicate and no gap in the ledger after redelivery; and these tests notice when the promise is broken."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from shadow import broker as kafka_client
from shadow.events import Comparison, Reply, decode
from shadow.topology import ARM_REPLIES, COMPARISONS, RECORDER_GROUP, TURNS, mirror_group
from tests.fixtures import load
from tests.fixtures.system import System, arm

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]

SLOW = {"timeout_s": 7, "deadline_s": 8, "max_age_s": 16}


@pytest.fixture
def system(tmp_path: Path, broker: str) -> Iterator[System]:
    arms = [arm("control", limits={"max_age_s": 16}), arm("slow", "tests.fixtures.models:slow_first", limits=SLOW)]
    made = System(tmp_path, broker, arms, comparator={"join_window_s": 25}, broker={"url": broker, "partitions": 1})
    yield made
    made.close()


def slow_first(system: System, module: str) -> int:
    """On a fresh group: the first turn's call hangs, all later ones are answered and committed; then kill -9.

    Turns are written once all are there to read them: they are too old after 16 s.
    """
    system.start("mirror.control", "comparator", "recorder")
    system.start("mirror.slow", module=module)
    system.await_assigned("comparator", "mirror.control", "mirror.slow")
    load.write_raw(system.config.broker.bootstrap, turns=4, rate=1000, run="slow", twice=False, garbage=False)
    load.write_raw(system.config.broker.bootstrap, turns=200, rate=1000, run="quick", twice=False, garbage=False)
    deadline = time.monotonic() + 120
    while system.audit().arms["slow"].stored < 200:
        assert time.monotonic() < deadline, system.logs()
        time.sleep(0.3)
    if module == "consumers":
        time.sleep(1.5)  # time enough to commit what may be committed: nothing
    else:
        await_read(system, mirror_group("slow"), TURNS)
    system.kill("mirror.slow")
    system.start("mirror.slow")
    return 204


def test_p04_a_slow_first_message_of_a_fresh_group_is_not_lost(system):
    turns = slow_first(system, "consumers")
    report = system.settled(turns=turns)
    assert report.balanced
    outcomes = report.arms["slow"].outcomes
    assert outcomes.pop("compared") == 200
    assert sum(outcomes.values()) == 4
    assert outcomes.keys() <= {"candidate_failed", "shed"}  # it times out, or is too old by now, and is not lost


def test_p04_notices_acknowledgement_out_of_order(system):
    """With Faust's way of committing, the slow turns are never asked again: only the window's end accounts for them."""
    turns = slow_first(system, "tests.fixtures.broken.acks")
    report = system.settled(turns=turns)
    assert report.arms["slow"].outcomes == {"compared": 200, "expired": 4}


def test_p04_a_turn_that_comes_again_after_a_death_is_not_asked_again(system):
    """Production wrote it twice; the first was answered and committed before the mirror died."""
    system.start("mirror.control", "comparator", "recorder")
    system.await_assigned("comparator", "mirror.control")
    address = system.config.broker.bootstrap
    load.write_raw(address, turns=20, rate=1000, run="again", twice=False, garbage=False)
    deadline = time.monotonic() + 60
    while system.audit().arms["control"].stored < 20:
        assert time.monotonic() < deadline, system.logs()
        time.sleep(0.3)
    await_read(system, mirror_group("control"), TURNS)
    system.kill("mirror.control")
    again = [(record.key, record.value, record.headers) for record in kafka_client.read(address, TURNS)]
    kafka_client.publish(address, TURNS, again)
    system.start("mirror.control")
    await_read(system, mirror_group("control"), TURNS)
    replies = [decode(Reply, record.value, record.key) for record in kafka_client.read(address, ARM_REPLIES)]
    assert Counter(Counter(reply.turn_id for reply in replies).values()) == {1: 20}


def deliver_again(system: System) -> None:
    """Every comparison once more, to the byte."""
    address = system.config.broker.bootstrap
    producer = kafka_client.producer(address)
    for record in kafka_client.read(address, COMPARISONS):
        decode(Comparison, record.value, record.key)
        producer.send(COMPARISONS, key=record.key, value=record.value)
    producer.flush(30)
    producer.close()
    await_read(system, RECORDER_GROUP, COMPARISONS)


def await_read(system: System, group: str, topic: str) -> None:
    """Until a group has committed all that a topic holds."""
    deadline = time.monotonic() + 90
    while sum(kafka_client.lag(system.config.broker.bootstrap, group, [topic]).values()):
        assert time.monotonic() < deadline, system.logs()
        time.sleep(0.2)


@pytest.mark.parametrize(("module", "double"), [("consumers", 0), ("tests.fixtures.broken.identity", 20)])
def test_p04_a_second_delivery_changes_nothing_and_a_broken_identity_is_noticed(system, module, double):
    system.start("mirror.control", "mirror.slow", "comparator")
    system.start("recorder", module=module)
    system.await_assigned("comparator", "mirror.control", "mirror.slow")
    load.write_raw(system.config.broker.bootstrap, turns=20, rate=200, run="quick", twice=False, garbage=False)
    assert system.settled(turns=20).balanced
    deliver_again(system)
    report = system.audit()
    assert report.arms["control"].double == double
    assert report.balanced == (double == 0)
    if double:
        assert len(report.arms["control"].double_turns) == 20
