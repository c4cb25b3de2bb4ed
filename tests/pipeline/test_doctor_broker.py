"""``shadow doctor`` beside a broker whose topics are wrong, that is gone, silent or stopped: its line, in time."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest
from kafka import KafkaAdminClient, KafkaProducer

from shadow.config import load
from shadow.topology import COMPARISONS, REPLIES, TOPOLOGY, TURNS
from tests.fixtures.brokers import embedded_broker, prepared
from tests.fixtures.doctor import Report, black_hole, config_file, examined
from tests.fixtures.system import ROOT


def test_each_fault_of_the_topics_has_its_line(embedded: str, tmp_path: Path) -> None:
    """Missing, of too many partitions, with the producer's time; records of the future give a clock away."""
    wanted = {topic.name for topic in TOPOLOGY} - {COMPARISONS, REPLIES, TURNS}
    with closing(KafkaAdminClient(bootstrap_servers=[embedded])) as admin:
        single = {topic.name for topic in TOPOLOGY if topic.partitions == 1}
        for name in wanted:
            configs = next(topic.configs() for topic in TOPOLOGY if topic.name == name)
            count = 1 if name in single else 3
            admin.create_topics({name: {"num_partitions": count, "replication_factor": 1, "configs": configs}})
        admin.create_topics({REPLIES: {"num_partitions": 5, "replication_factor": 1}})
        create_time = {"message.timestamp.type": "CreateTime", "cleanup.policy": "delete"}
        admin.create_topics({TURNS: {"num_partitions": 3, "replication_factor": 1, "configs": create_time}})
    with closing(KafkaProducer(bootstrap_servers=[embedded])) as producer:
        at = time.time() + 500
        value = json.dumps({"occurred_at": at}).encode()
        producer.send(TURNS, value, timestamp_ms=int(at * 1000)).get(20)
    report = examined(config_file(tmp_path, embedded))
    report.says(f"topic {COMPARISONS}", "fail", "is not there", "topics` creates")
    report.says(f"topic {REPLIES}", "fail", "has 5 partitions, and 3 are wanted", "set broker.partitions to 5")
    report.says(f"topic {TURNS}", "fail", "CreateTime", "--add-config message.timestamp.type=LogAppendTime")
    report.says("clock broker", "fail", "ahead of this machine's", "timedatectl")
    with closing(KafkaAdminClient(bootstrap_servers=[embedded])) as admin:
        assert COMPARISONS not in admin.list_topics(), "looking has created a topic"


def test_a_broker_that_is_gone_or_silent_has_its_line_in_time(tmp_path: Path, nowhere: str) -> None:
    """A port that accepts and never answers holds up nothing: the whole command ends, with every other line."""
    with black_hole() as silent:
        line = config_file(tmp_path, f"{nowhere},127.0.0.1:{silent}")
        command_line = [sys.executable, "-W", "ignore", "-m", "shadow.cli", *line]
        done = subprocess.run(command_line, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stderr) == (1, "")
    report = Report(json.loads(done.stdout))
    report.says(f"broker {nowhere}", "fail", "no answer from Kafka", f"start Kafka at {nowhere}")
    silent_line = report.of(f"broker 127.0.0.1:{silent}")
    assert silent_line["status"] == "fail"
    assert silent_line["remedy"]
    report.says("topics", "fail", "", "broker's line")
    report.says("ledger", "ok", "schema", "")


def test_a_call_of_the_client_that_never_returns_is_a_line(
    embedded: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As kafka-python does now and then: it waits for its own loop, which never answers."""
    line = config_file(tmp_path, embedded)
    prepared(load(tmp_path / "shadow.yaml", environ={}))
    monkeypatch.setattr(KafkaAdminClient, "list_groups", lambda self: self._net.run(self._net.sleep, 3_600))
    monkeypatch.setattr("shadow.broker.timed.HANG_S", 5.0)
    monkeypatch.setattr("shadow.broker.timed.CLOSE_S", 1.0)
    report = examined(line)
    report.says("groups", "fail", "does not answer", "broker's line")
    report.says("topics", "ok", "", "")


def test_a_broker_that_is_stopped_is_said_and_the_others_are_looked_at(tmp_path: Path) -> None:
    with embedded_broker(tmp_path) as bootstrap:
        line = config_file(tmp_path, bootstrap)
        prepared(load(tmp_path / "shadow.yaml", environ={}))
        port = int(bootstrap.rpartition(":")[2])
        pid = listener(port)
        os.kill(pid, signal.SIGSTOP)
        try:
            report = examined(line)
        finally:
            os.kill(pid, signal.SIGCONT)
        assert report.of(f"broker {bootstrap}")["status"] == "fail"
        report.says("ledger", "ok", "schema", "")


def listener(port: int) -> int:
    import psutil  # noqa: PLC0415

    [pid] = {
        link.pid
        for link in psutil.net_connections("tcp")
        if link.status == psutil.CONN_LISTEN and link.laddr.port == port and link.pid
    }
    return int(pid)
