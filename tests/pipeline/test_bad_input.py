"""Bad input while all runs: each ends in a dead letter, an error or a count; the good turns around it are all there."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from shadow import broker as kafka_client
from shadow import dead_letters
from shadow.broker import BrokerError
from shadow.events import Turn
from shadow.ledger import Ledger
from shadow.tap import Tap
from shadow.topology import (
    ARM_REPLIES,
    COMPARATOR_GROUP,
    COMPARISONS,
    CONTROL,
    JUDGEMENTS,
    MAX_RECORD_BYTES,
    OUTCOMES,
    RECORDER_GROUP,
    REPLIES,
    TURNS,
)
from tests.fixtures import events, load
from tests.fixtures.brokers import free_ports
from tests.fixtures.system import ROOT, System, arm
from tests.fixtures.waiting import LONG_WINDOW, UNHURRIED, until

pytestmark = [pytest.mark.slow]

GOOD: Final = 40  # turns before the bad input, and as many after it
ARMS: Final = ("control", "better")
SHORT: Final = {"max_age_s": 20}, {"join_window_s": 30}
"""Limits and join where a test waits until the join has given up a reply without a turn."""

HOSTILE: Final = {
    "newlines": "c1\nINFO all is well",
    "10 kB": "c" * 10_000,
    "SQL": "c1'; DROP TABLE comparisons; --",
    "path parts": "../../etc/passwd",
    "hidden path parts": "c1/../../etc",
    "NUL": "c1\0",
    "terminal": "c1\x1b[2J",
    "empty": "",
}
DAY_S: Final = 86_400.0

Bad = tuple[str, bytes | None, bytes | None, str]
"""Topic, key, value, and the reason of the dead letter that it must become."""


def turn(conversation_id: str = "bad", **fields: Any) -> dict[str, Any]:
    """A turn's JSON, good unless ``fields`` says otherwise."""
    good = {"type": "turn", "schema_version": "1.0", "turn_id": "bad:0", "occurred_at": time.time()}
    messages = [{"role": "user", "content": "Where is my order?"}]
    return {**good, "conversation_id": conversation_id, "messages": messages, **fields}


def without(name: str) -> dict[str, Any]:
    return {field: value for field, value in turn().items() if field != name}


def reply(arm_name: str, **fields: Any) -> dict[str, Any]:
    """A reply's JSON."""
    given = events.reply("bad:0", "bad", arm_name).model_dump(mode="json", by_alias=True, exclude_none=True)
    return {**given, "occurred_at": time.time(), **fields}


def bad_turns() -> list[Bad]:
    whole, key = json.dumps(turn()).encode(), b"bad"
    hostile = [
        *((turn(conversation_id=name), name) for name in HOSTILE.values()),
        *((turn(turn_id=name), "bad") for name in HOSTILE.values()),
    ]
    records: list[tuple[bytes | None, bytes | None, str]] = [
        (key, whole[: len(whole) // 2], "not_json"),
        (key, b"", "not_json"),
        (key, None, "not_json"),
        (None, b"{", "not_json"),
        (key, b"\xff\xfe\x00", "not_json"),
        (key, b"[" * 100_000, "not_json"),
        (key, b"x" * (MAX_RECORD_BYTES + 50_000), "not_json"),
        (key, b"null", "invalid"),
        (key, b"[]", "invalid"),
        (key, json.dumps(turn(messages="hello")).encode(), "invalid"),
        (key, json.dumps(turn(messages=[])).encode(), "invalid"),
        (key, json.dumps(turn(turn_index="first")).encode(), "invalid"),
        (key, json.dumps(turn(turn_index=-1)).encode(), "invalid"),
        (key, json.dumps(turn(turn_index=2**60)).encode(), "invalid"),
        (key, json.dumps(turn(metadata={"tier": ["plus"]})).encode(), "invalid"),
        (key, json.dumps(turn(occurred_at=0)).encode(), "invalid"),
        (key, json.dumps(turn(occurred_at=4_102_444_800)).encode(), "invalid"),
        (key, json.dumps(turn(occurred_at=time.time() + 3 * DAY_S)).encode(), "invalid"),
        (key, json.dumps(turn(occurred_at=float("nan"))).encode(), "invalid"),
        (key, json.dumps(turn(schema_version="2.0")).encode(), "unknown_version"),
        (key, json.dumps(without("turn_id")).encode(), "invalid"),
        (key, json.dumps(without("conversation_id")).encode(), "invalid"),
        (key, json.dumps(reply("production")).encode(), "invalid"),
        (b"other", whole, "key_mismatch"),
        (None, whole, "key_mismatch"),
        *((name.encode(), json.dumps(record).encode(), "invalid") for record, name in hostile),
    ]
    return [(TURNS, *record) for record in records]


def bad_replies() -> list[Bad]:
    found: list[Bad] = []
    for topic, right, wrong in ((REPLIES, "production", "better"), (ARM_REPLIES, "better", "production")):
        found += [
            (topic, b"bad", json.dumps(reply(wrong)).encode(), "invalid"),
            (topic, b"bad", json.dumps(reply(right)).encode()[:-9], "not_json"),
            (topic, b"other", json.dumps(reply(right)).encode(), "key_mismatch"),
            (topic, b"bad", json.dumps(reply(right, shed="budget")).encode(), "invalid"),
            (topic, b"bad", json.dumps(reply(right, latency_s="soon")).encode(), "invalid"),
            (topic, b"bad", json.dumps(reply(right, cost_usd=1e300)).encode(), "invalid"),
            (topic, b"bad", json.dumps(reply(right, arm_revision="a\0b")).encode(), "invalid"),
            (topic, b"bad", json.dumps(turn()).encode(), "invalid"),
            (topic, b"bad", None, "not_json"),
        ]
    return found


def bad_for_the_recorder() -> list[Bad]:
    return [
        (topic, b"bad", value, reason)
        for topic in (COMPARISONS, OUTCOMES)
        for value, reason in ((b"\x00garbage", "not_json"), (None, "not_json"), (b"{}", "invalid"))
    ]


def publish(system: System, records: list[Bad]) -> dict[str, str]:
    """Write them all; each one's dead-letter id, with the reason that it must have."""
    expected = {}
    for topic, key, value, reason in records:
        [(partition, offset)] = kafka_client.publish(system.config.broker.bootstrap, topic, [(key, value, ())])
        expected[f"{topic}/{partition}/{offset}"] = reason
    return expected


def publish_raw(system: System, topic: str, key: str, *records: Any) -> list[str]:
    """Write one JSON value after the other; where each lies."""
    sent = [(key.encode(), json.dumps(record).encode(), ()) for record in records]
    stored = kafka_client.publish(system.config.broker.bootstrap, topic, sent)
    return [f"{topic}/{partition}/{offset}" for partition, offset in stored]


def counted(port: int, **labels: str) -> float:
    """The comparator's own count of the records that it read, by these labels."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=30) as response:
        lines = response.read().decode().splitlines()
    wanted = [f'{name}="{value}"' for name, value in labels.items()]
    rows = [line for line in lines if line.startswith("shadow_comparator_records_total{")]
    return sum(float(line.rpartition(" ")[2]) for line in rows if all(label in line for label in wanted))


@pytest.fixture
def port() -> int:
    return free_ports(1)[0]


@pytest.fixture
def system(request: pytest.FixtureRequest, tmp_path: Path, broker: str, port: int) -> Iterator[System]:
    limits, join = getattr(request, "param", (UNHURRIED, LONG_WINDOW))
    arms = [arm(name, "tests.fixtures.models:instant", limits=limits) for name in ARMS]
    made = System(tmp_path, broker, arms, comparator=join)
    try:
        made.start("recorder", *(f"mirror.{name}" for name in ARMS))
        command = [sys.executable, "-m", "consumers", "comparator", "--config", str(made.file)]
        with (tmp_path / "comparator.log").open("ab") as log:
            made.processes["comparator"] = subprocess.Popen(
                [*command, "--metrics-port", str(port)], stdout=log, stderr=log, cwd=ROOT
            )
        made.await_assigned("comparator", *(f"mirror.{name}" for name in ARMS))
        yield made
    finally:
        made.close()


def good(system: System, run: str) -> None:
    load.write_raw(system.config.broker.bootstrap, turns=GOOD, rate=1_000, run=run, twice=False, garbage=False)


def rows(system: System) -> dict[tuple[str, str], str]:
    with Ledger(system.config.ledger.url) as ledger:
        return {(row.turn_id, row.arm): row.outcome for row in ledger.keys()}  # noqa: SIM118 (no dict)


def await_read(system: System) -> None:
    """Until both groups have committed all there is: nothing that was written holds anything up."""
    groups = {COMPARATOR_GROUP: (TURNS, REPLIES, ARM_REPLIES), RECORDER_GROUP: (COMPARISONS, OUTCOMES, JUDGEMENTS)}

    def unread() -> int:
        lags = kafka_client.lags(system.config.broker.bootstrap, groups)
        return sum(sum(lag.values()) for lag in lags.values())

    until(lambda: not unread(), every_s=0.3, why=system.logs)


def exactly(system: System, found: float, wanted: int) -> bool:
    """Whether so many were read; more if partitions were lost, as on a machine that stands still: read again, then."""
    lost = system.log("comparator").count("partitions_assigned") > 1
    return found == wanted or (lost and found > wanted)


def nothing_lost(system: System, turns: int) -> None:
    """The account balances, every good turn was compared for each arm, and all processes still run."""
    report = system.settled(turns=turns)
    assert report.balanced, report
    assert report.turns == turns
    found = rows(system)
    for run in ("before", "after"):
        for number in range(GOOD):
            for name in ARMS:
                assert found[load._turn(number, run).turn_id, name] == "compared"
    assert {name: process.poll() for name, process in system.processes.items()} == dict.fromkeys(system.processes)


def reasons(system: System) -> dict[str, str]:
    return {item.id: item.reason for item in dead_letters.listing(system.config.broker.bootstrap)}


def said(system: System, word: str) -> int:
    """How often the mirror's log has it."""
    return system.log("mirror.better").count(word)


def test_broken_records_on_every_topic_become_dead_letters_and_nothing_around_them_is_lost(system):
    """Each broken record is set aside once, with its reason; the command that lists them is not fooled by them."""
    good(system, "before")
    expected = publish(system, bad_turns() + bad_replies() + bad_for_the_recorder())
    good(system, "after")
    await_read(system)
    assert reasons(system) == expected
    nothing_lost(system, 2 * GOOD)
    command = [sys.executable, "-m", "shadow.cli", "--config", str(system.file), "dead-letters", "list"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert len(listed.stdout.splitlines()) == len(expected)
    assert all(char.isprintable() or char == "\n" for char in listed.stdout)


@pytest.mark.parametrize("system", [SHORT], indirect=True, ids=["short"])
def test_replies_that_nobody_asked_for_are_counted_and_hold_nothing_up(system, port):
    """An unknown arm's reply, one of another turn's conversation, one without any turn: counted, passed, no row."""
    good(system, "before")
    known = load._turn(0, "before")
    stranger = reply("stranger", turn_id=known.turn_id, conversation_id=known.conversation_id)
    publish_raw(system, ARM_REPLIES, known.conversation_id, stranger)
    publish_raw(system, ARM_REPLIES, "nobody", reply("better", turn_id="nobody:0", conversation_id="nobody"))
    publish_raw(system, REPLIES, "nobody", reply("production", turn_id="nobody:1", conversation_id="nobody"))
    early = turn("early", turn_id="early:0")
    publish_raw(system, ARM_REPLIES, "early", reply("stranger", turn_id="early:0", conversation_id="early"))
    until(lambda: counted(port, topic=ARM_REPLIES) >= 2 * GOOD + 3, why=system.logs)  # read before its turn
    publish_raw(system, TURNS, "early", early)
    publish_raw(system, REPLIES, "early", reply("production", turn_id="early:0", conversation_id="early"))
    good(system, "after")
    await_read(system)
    nothing_lost(system, 2 * GOOD + 1)
    assert reasons(system) == {}
    found = rows(system)
    assert {name for _, name in found} == set(ARMS)
    assert not any(turn_id.startswith("nobody") for turn_id, _ in found)
    assert exactly(system, counted(port, topic=ARM_REPLIES), 2 * (2 * GOOD + 1) + 3)
    assert exactly(system, counted(port, topic=TURNS), 2 * GOOD + 1)
    assert counted(port, topic=TURNS) == counted(port, topic=TURNS, result="accepted")


def test_a_turn_id_used_again_with_other_content_is_set_aside_and_the_first_one_is_compared(system):
    """Both before the first is resolved and long after it; a production reply with other words likewise."""
    good(system, "before")
    first, second = turn("twice", turn_id="twice:0"), turn("twice", turn_id="twice:0", turn_index=7)
    _, quick = publish_raw(system, TURNS, "twice", first, second)
    answer = reply("production", turn_id="twice:0", conversation_id="twice")
    other = {**answer, "message": {"role": "assistant", "content": "Something else altogether."}}
    _, reworded = publish_raw(system, REPLIES, "twice", answer, other)
    system.settled(turns=GOOD + 1)
    [late] = publish_raw(system, TURNS, "twice", {**second, "turn_index": 8})
    [same] = publish_raw(system, TURNS, "twice", first)  # the same again is a redelivery, and no fault
    good(system, "after")
    await_read(system)
    nothing_lost(system, 2 * GOOD + 1)
    assert reasons(system) == {quick: "conflict", reworded: "conflict", late: "conflict"}
    assert same not in reasons(system)
    with Ledger(system.config.ledger.url) as ledger, ledger.export(arm="better") as found:
        [row] = [row for row in found.rows if row["turn_id"] == "twice:0"]
    assert row["turn_index"] == 0


def test_records_too_large_are_refused_or_shed_and_named(system, caplog):
    """10 MB through the Tap: counted, logged, not sent. Raw: the broker refuses. Over an arm's limit only: shed."""
    good(system, "before")
    huge = [{"role": "user", "content": "x" * 10_000_000}]
    with Tap(system.config.broker.bootstrap) as tap, caplog.at_level(logging.WARNING, "shadow.tap"):
        tap.turn(conversation_id="huge", messages=huge)
        for name in HOSTILE.values():
            tap.turn(conversation_id=name, messages=[{"role": "user", "content": "Hello?"}])
        tap.turn(conversation_id="fits", messages=[{"role": "user", "content": "y" * 600_000}])
        tap.reply(conversation_id="fits", turn_id="fits:0", message="On Tuesday.")
        assert tap.flush(90)
        stats = tap.stats()
    assert (stats.sent, stats.dropped) == (2, {"too_large": 1, "invalid": len(HOSTILE)})
    said = [record.getMessage() for record in caplog.records]
    assert any("too_large" in line and f"over {MAX_RECORD_BYTES} bytes" in line for line in said), said
    assert any("is no id" in line for line in said), said
    assert all("\n" not in line and len(line) < 500 for line in said)
    try:
        raw = publish_raw(system, TURNS, "huge", turn("huge", messages=huge))
    except BrokerError:
        raw = []
    good(system, "after")
    await_read(system)
    nothing_lost(system, 2 * GOOD + 1)
    found = rows(system)
    assert [found["fits:0", name] for name in ARMS] == ["shed", "shed"]
    assert set(reasons(system)) == set(raw)


def test_garbage_on_the_control_topic_is_named_and_changes_nothing(system):
    """A mirror says that a command is broken and goes on as before; the next good command counts."""
    good(system, "before")
    nonsense = [b"", None, b"\xff", b"{}", b'{"state": "exploded", "by": "x", "at": 1790000000}', b"[" * 10_000]
    sent = [(key, value, ()) for value in nonsense for key in (b"better", b"nobody", b"\xff\n", b"")]
    kafka_client.publish(system.config.broker.bootstrap, CONTROL, sent)
    until(lambda: said(system, "control_record_broken") >= len(nonsense), why=lambda: system.log("mirror.better"))
    good(system, "after")
    nothing_lost(system, 2 * GOOD)
    system.kill("mirror.better")
    before = said(system, "partitions_assigned")
    system.start("mirror.better")  # reads all of it again, before its first turn
    until(lambda: said(system, "partitions_assigned") > before, why=lambda: system.log("mirror.better"))
    third = load._turn(0, "third")
    publish_raw(system, TURNS, third.conversation_id, json.loads(third.to_json()))
    publish_raw(system, REPLIES, third.conversation_id, json.loads(load._reply(third).to_json()))
    assert system.settled(turns=2 * GOOD + 1).arms["better"].outcomes == {"compared": 2 * GOOD + 1}


def test_a_turn_id_that_two_conversations_use_is_stored_once_and_stops_nothing(system):
    """They may lie on two partitions, whose workers cannot see each other: the ledger takes the first that comes."""
    good(system, "before")
    for number in range(8):
        publish_raw(system, TURNS, f"u{number}", turn(f"u{number}", turn_id="shared", turn_index=number))
        answer = reply("production", turn_id="shared", conversation_id=f"u{number}")
        publish_raw(system, REPLIES, f"u{number}", answer)
    good(system, "after")
    await_read(system)
    nothing_lost(system, 2 * GOOD + 1)
    assert [turn_id for turn_id, _ in rows(system)].count("shared") == len(ARMS)


def test_the_helper_makes_good_turns():
    """What is refused above is refused for its fault alone."""
    assert Turn.model_validate(turn()).turn_id == "bad:0"
