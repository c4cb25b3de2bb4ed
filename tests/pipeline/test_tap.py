"""The Tap against real brokers that are there, absent, killed, silent; and in forked children."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from deploy.kafka.run import KafkaCluster
from shadow import events, hang_watch, topology
from shadow.broker import read, start_embedded
from shadow.tap import Tap, worker
from shadow.tap import client as tap_client
from shadow.tap import producer as client
from tests.fixtures.brokers import config_for, ended, free_ports, prepared, wipe
from tests.fixtures.stopwatch import stopwatch
from tests.fixtures.waiting import insist, until

PARTITIONS = 4
"""As many as the embedded broker gives a topic that a Tap asks it for before anybody has made it."""

BODY = [{"role": "user", "content": "Where is my order?"}]


def arrived(bootstrap: str, topic: str = topology.TURNS) -> dict[str, list[tuple[int, Any]]]:
    """Per conversation what lies in a topic, in order: (partition, event)."""
    found = defaultdict(list)
    event = {topology.TURNS: events.Turn, topology.REPLIES: events.Reply, topology.OUTCOMES: events.Outcome}[topic]
    for record in insist(lambda: list(read([bootstrap], topic))):
        decoded = events.decode(event, record.value, record.key)
        found[decoded.conversation_id].append((record.partition, decoded))
    return found


def topics(bootstrap: str) -> str:
    prepared(config_for(bootstrap, partitions=PARTITIONS))
    return bootstrap


@pytest.fixture
def taps() -> Iterator[Callable[..., Tap]]:
    made: list[Tap] = []

    def make(bootstrap: str, **settings: Any) -> Tap:
        made.append(Tap(bootstrap, **settings))
        return made[-1]

    yield make
    for tap in made:
        tap.close(0.5)


def unhurried(tap: Tap, calls: int, conversation: str = "c") -> None:
    """Give turns; the caller must not have waited for any broker: all calls together take no two seconds."""
    with stopwatch() as watch:
        for index in range(calls):
            tap.turn(conversation_id=conversation, messages=BODY, turn_index=index)
    assert watch.seconds < 2


def test_records_arrive_decodable_in_order_once_and_whole_conversations_on_one_partition(
    broker: str, taps: Callable[..., Tap]
) -> None:
    tap = taps(topics(broker))
    for index in range(400):
        with tap.call(conversation_id=f"c{index % 20}", messages=BODY, turn_index=index // 20) as call:
            call.reply("hello")
    tap.outcome(conversation_id="c0", turn_id="c0:0", name="solved", value=True)
    assert tap.flush(60)
    stats = tap.stats()
    assert (stats.sent, stats.queued, stats.queued_bytes, stats.dropped) == (801, 0, 0, {})
    partitions = defaultdict(set)
    for topic in (topology.TURNS, topology.REPLIES):
        found = arrived(broker, topic)
        assert len(found) == 20
        for conversation, records in found.items():
            assert [event.turn_id for _, event in records] == [f"{conversation}:{index}" for index in range(20)]
            partitions[conversation] |= {partition for partition, _ in records}
    assert all(len(used) == 1 for used in partitions.values())
    assert len(set.union(*partitions.values())) > 1
    assert len(arrived(broker, topology.OUTCOMES)["c0"]) == 1


def test_threads_share_a_tap_and_each_conversation_keeps_its_order(embedded: str, taps: Callable[..., Tap]) -> None:
    tap = taps(topics(embedded))
    threads = [threading.Thread(target=unhurried, args=(tap, 200, f"c{number}")) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert tap.flush(60)
    found = arrived(embedded)
    assert len(found) == 8
    for records in found.values():
        assert [event.turn_index for _, event in records] == list(range(200))


def test_a_broker_that_comes_later_gets_what_waited(tmp_path: Path, taps: Callable[..., Tap]) -> None:
    [port] = free_ports(1)
    tap = taps(f"127.0.0.1:{port}")
    unhurried(tap, 300)
    assert not tap.flush(1)
    process = start_embedded(port, tmp_path / "broker.log")
    try:
        topics(f"127.0.0.1:{port}")
        assert tap.flush(60)
        assert [event.turn_index for _, event in arrived(f"127.0.0.1:{port}")["c"]] == list(range(300))
    finally:
        ended(process)


def until_sending(tap: Tap) -> int:
    """Give single turns until one reaches the new broker: what was under way with the old one is lost, and counted."""
    for number in range(60):
        sent = tap.stats().sent
        tap.turn(conversation_id=f"probe-{number}", messages=[{"role": "user", "content": "hello?"}])
        assert tap.flush(60)
        if tap.stats().sent > sent and number:
            return number + 1
    raise AssertionError(f"never sent again: {tap.stats()}")


def test_a_broker_killed_in_mid_stream_and_another_on_its_port(tmp_path: Path, taps: Callable[..., Tap]) -> None:
    """The second broker knows nothing of the first: soon all arrives there, in order; what does not is counted."""
    [port] = free_ports(1)
    address = f"127.0.0.1:{port}"
    first = start_embedded(port, tmp_path / "first.log")
    topics(address)
    tap = taps(address)
    unhurried(tap, 100, "before")
    assert tap.flush(60)
    unhurried(tap, 500, "during")
    first.kill()
    first.wait()
    unhurried(tap, 500, "absent")
    second = start_embedded(port, tmp_path / "second.log")
    try:
        topics(address)
        probes = until_sending(tap)
        unhurried(tap, 100, "after")
        assert tap.flush(90)
        found = arrived(address)
        assert [event.turn_index for _, event in found["after"]] == list(range(100))
        order = [event.turn_index for _, event in found["absent"]]
        assert order == sorted(set(order))
        stats = tap.stats()
        assert stats.sent + sum(stats.dropped.values()) == 1_200 + probes
        assert set(stats.dropped) <= {"delivery_failed"}
    finally:
        ended(second)


def test_a_broker_that_accepts_and_never_answers_costs_the_caller_nothing(taps: Callable[..., Tap]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        tap = taps(f"127.0.0.1:{silent.getsockname()[1]}", max_queue_records=500)
        unhurried(tap, 2_000)
        cpu = time.process_time()
        time.sleep(2)
        assert time.process_time() - cpu < 1, "the sender spins"
        stats = tap.stats()
        assert (stats.queued, stats.sent, stats.dropped) == (500, 0, {"queue_full": 1_500})
        begin = time.monotonic()
        tap.close(1)
        assert time.monotonic() - begin < 30
        assert tap.stats().dropped == {"queue_full": 1_500, "closed": 500}


@pytest.mark.parametrize("fault", ["connecting never returns", "sending never returns", "nothing is acknowledged"])
def test_a_client_that_hangs_or_stands_still_is_replaced_and_nothing_is_lost(
    embedded: str, taps: Callable[..., Tap], monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    """kafka-python may wait for its own event loop for ever: in a call of the Tap's, or in its own network thread."""
    real, made, hangs, released = client.made, [], threading.Event(), threading.Event()

    def hang(*_: Any, **__: Any) -> Any:
        hangs.set()
        released.wait(200)
        raise RuntimeError("released")

    def patience(hang_s: float, still_s: float) -> None:
        monkeypatch.setattr(hang_watch, "HANG_S", hang_s)
        monkeypatch.setattr(worker, "STILL_S", (still_s, 480.0))

    def producer(settings: Any) -> Any:
        made.append(None)
        if len(made) > 1:  # a healthy one, which a busy machine may hold up
            patience(60.0, 60.0)
            made[-1] = real(settings)
            return made[-1]
        if fault == "connecting never returns":
            patience(1.5, 60.0)
            hang()
        made[0] = real(settings)
        if fault == "sending never returns":
            patience(1.5, 60.0)
            monkeypatch.setattr(made[0], "send", hang)
        else:
            monkeypatch.setattr(made[0]._sender._client._net, "poll", hang)
            assert hangs.wait(60), "its network thread has not asked for anything"
        return made[0]

    monkeypatch.setattr(client, "made", producer)
    patience(60.0, 3.0 if fault == "nothing is acknowledged" else 60.0)
    tap = taps(topics(embedded))
    try:
        unhurried(tap, 200)
        until(hangs.is_set)
        unhurried(tap, 200, "later")
        assert tap.flush(60)
        stats = tap.stats()
        assert (stats.sent, stats.dropped, stats.clients_replaced) == (400, {}, 1)
        assert len(made) == 2
        for conversation in ("c", "later"):
            order = [event.turn_index for _, event in arrived(embedded)[conversation]]
            assert sorted(set(order)) == list(range(200))
            assert len(order) < 400, "at least once is no licence to send all twice"
    finally:
        released.set()
    unhurried(tap, 20, "after")
    assert tap.flush(60)
    assert [event.turn_index for _, event in arrived(embedded)["after"]] == list(range(20))
    assert tap.stats().sent == 420


def test_a_busy_or_absent_broker_makes_no_client_be_replaced(
    taps: Callable[..., Tap], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A client whose records are not acknowledged stays as long as no other can connect."""
    real, in_vain = client.made, threading.Event()

    def producer(settings: Any) -> Any:
        try:
            return real(settings)
        except Exception:
            # The one try that is looked at: when the broker goes on, the client may take its time to hear of it.
            monkeypatch.setattr(worker, "STILL_S", (300.0, 480.0))
            tap._sender._worker._look_at = time.monotonic() + 300
            in_vain.set()
            raise

    monkeypatch.setattr(hang_watch, "HANG_S", 60.0)  # connecting may take its time
    [port] = free_ports(1)
    process = start_embedded(port, tmp_path / "broker.log")
    try:
        topics(f"127.0.0.1:{port}")
        tap = taps(f"127.0.0.1:{port}")
        unhurried(tap, 10)
        assert tap.flush(60)
        process.send_signal(signal.SIGSTOP)
        monkeypatch.setattr(client, "made", producer)
        monkeypatch.setattr(worker, "STILL_S", (0.5, 480.0))
        tap._sender._worker._patience_s = 0.5
        unhurried(tap, 10)
        until(in_vain.is_set)
        process.send_signal(signal.SIGCONT)
        assert tap.flush(60)
        assert (tap.stats().sent, tap.stats().dropped, tap.stats().clients_replaced) == (20, {}, 0)
    finally:
        process.send_signal(signal.SIGCONT)
        ended(process)


def test_personal_data_does_not_reach_the_broker(
    embedded: str, taps: Callable[..., Tap], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SHADOW_TAP_KEY", "a key of production's own")
    monkeypatch.setenv("SHADOW_TAP_REDACTION", "strict")
    tap = taps(topics(embedded))
    for index in range(50):
        messages = [{"role": "user", "content": f"I am ada{index}@mail.example, call +49 151 234567{index:02}"}]
        with tap.call(conversation_id="c", messages=messages, turn_index=index) as call:
            call.reply(f"We wrote to ada{index}@mail.example")
    tap.turn(conversation_id="c", messages=[{"role": "user", "content": "number 5547848968"}], turn_index=50)
    assert tap.flush(60)
    assert (tap.stats().sent, tap.stats().dropped) == (100, {"unsure": 1})
    both = (topology.TURNS, topology.REPLIES)
    found = [record.value for topic in both for record in insist(lambda topic=topic: list(read([embedded], topic)))]
    assert len(found) == 100
    assert not any(b"mail.example" in value or b"151 23" in value for value in found if value)


def test_an_absent_broker_does_not_make_the_sender_spin(taps: Callable[..., Tap]) -> None:
    [port] = free_ports(1)
    tap = taps(f"127.0.0.1:{port}")
    unhurried(tap, 100)
    time.sleep(0.5)
    cpu = time.process_time()
    time.sleep(3)
    assert time.process_time() - cpu < 1


def test_a_topic_that_is_missing_holds_up_no_other(kafka: KafkaCluster, taps: Callable[..., Tap]) -> None:
    """On Kafka alone: the embedded broker makes a topic of any name that is written to."""
    [bootstrap] = kafka.bootstrap
    wipe(bootstrap)
    tap = taps(topics(bootstrap))
    tap._buffer.put("support.absent", b"c", b"{}")
    unhurried(tap, 50)
    until(lambda: tap.stats().sent >= 50)
    assert tap.stats().queued == 1  # it waits for its topic


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_forked_child_sends_its_own_and_the_parent_its_own(embedded: str) -> None:
    """As a preforking server does: the Tap is made, and used, before the fork."""
    topics(embedded)
    code = f"""
import os, sys
from shadow.tap import Tap, worker
from shadow.tap import producer as client
BODY = {BODY!r}
tap = Tap({embedded!r})
tap.turn(conversation_id="parent", messages=BODY, turn_index=0)
assert tap.flush(60)
tap.turn(conversation_id="parent", messages=BODY, turn_index=1)
child = os.fork()
name = "parent" if child else "child"
for index in range(2, 50):
    tap.turn(conversation_id=name, messages=BODY, turn_index=index)
assert tap.flush(60), tap.stats()
if not child:
    tap.close()
    os._exit(0)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=200)
    found = arrived(embedded)
    assert [event.turn_index for _, event in found["parent"]] == list(range(50))
    assert [event.turn_index for _, event in found["child"]] == list(range(2, 50))


@pytest.mark.parametrize("there", [True, False])
def test_an_interpreter_that_ends_sends_what_waits_and_never_hangs(embedded: str, *, there: bool) -> None:
    topics(embedded)
    address = embedded if there else f"127.0.0.1:{free_ports(1)[0]}"
    code = f"""
import time
from shadow.tap import Tap, client
client.EXIT_S = {60.0 if there else tap_client.EXIT_S}
tap = Tap({address!r})
for index in range(100):
    tap.turn(conversation_id="c", messages={BODY!r}, turn_index=index)
print(time.monotonic())
"""
    done = subprocess.run([sys.executable, "-c", code], check=True, timeout=150, capture_output=True, text=True)
    took_s = time.monotonic() - float(done.stdout)
    assert there or took_s < tap_client.EXIT_S + 25
    assert "Traceback" not in done.stderr
    assert len(arrived(embedded).get("c", [])) == (100 if there else 0)
