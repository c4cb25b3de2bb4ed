"""A real Apache Kafka on this machine, for development and tests: one KRaft node, or three.

``python deploy/kafka/run.py --nodes 3`` fetches Kafka once from Maven Central with ``mvn``, starts it on 127.0.0.1,
prints ``ready HOST:PORT[,...]`` and runs until SIGTERM or Ctrl-C. The tests use :class:`KafkaCluster` directly.
"""

from __future__ import annotations

import argparse
import base64
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from shadow.broker import bound_to_parent, last_line

VERSION: Final = "4.1.0"
POM: Final = f"""<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>shadow</groupId><artifactId>kafka</artifactId><version>1</version>
  <dependencies>
    <dependency><groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>{VERSION}</version></dependency>
    <dependency><groupId>org.slf4j</groupId><artifactId>slf4j-simple</artifactId><version>1.7.36</version></dependency>
  </dependencies>
</project>
"""
ENV_DIR: Final = "SHADOW_KAFKA_DIR"
HOME: Final = Path(__file__).resolve().parents[2] / ".shadow" / "kafka"
FETCH_S: Final = 600
START_S: Final = 120.0
STOP_S: Final = 10.0
READY_LINE: Final = b"Kafka Server started"
LOGGING: Final = ("defaultLogLevel=warn", "log.kafka.server.KafkaRaftServer=info", "showDateTime=true")


class KafkaRunError(Exception):
    """Why there is no Kafka, and what to do about it, in one line."""


def libraries() -> Path:
    """The directory of Kafka's jars, fetched when they are not there yet. Two processes may fetch at once."""
    for tool, package in (("java", "default-jre-headless"), ("mvn", "maven")):
        if shutil.which(tool) is None:
            raise KafkaRunError(f"{tool} is not installed: apt-get install {package} (or your system's package of it)")
    cache = Path(os.environ.get(ENV_DIR) or HOME).absolute()
    found = cache / f"lib-{VERSION}"
    if found.is_dir():
        return found
    cache.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=cache, prefix="fetch-") as scratch:
        pom, log, lib = Path(scratch, "pom.xml"), cache / "fetch.log", Path(scratch, "lib")
        pom.write_text(POM, encoding="utf-8")
        command = ["mvn", "-q", "-B", "-f", str(pom), "dependency:copy-dependencies", f"-DoutputDirectory={lib}"]
        with log.open("wb") as output:
            result = subprocess.run(command, stdout=output, stderr=output, check=False, timeout=FETCH_S)  # noqa: S603 (mvn)
        if result.returncode != 0:
            raise KafkaRunError(f"mvn could not fetch Kafka {VERSION} (see {log}): {last_line(log)}")
        try:
            lib.rename(found)
        except OSError:
            if not found.is_dir():  # else another process was faster
                raise
    return found


def _check_free(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise KafkaRunError(f"port {port} cannot be used ({error.strerror}): choose others with --port") from None


class KafkaCluster:
    """``nodes`` brokers (1 or 3; each is also a controller) with their data in ``directory``.

    ``ports`` are ``2 * nodes`` free ports on 127.0.0.1: the brokers', then the controllers'. Nodes are numbered from 1.
    A directory that was used before keeps its topics. On Linux the nodes die with the thread that started them.
    ``settings`` stand after those that are made here, and win; ``scram`` are users that exist from the start.
    """

    def __init__(
        self,
        nodes: int,
        directory: Path,
        ports: Sequence[int],
        settings: Mapping[str, object] | None = None,
        scram: Mapping[str, str] | None = None,
    ) -> None:
        if nodes not in (1, 3) or len(ports) != 2 * nodes:
            raise KafkaRunError(f"1 or 3 nodes with two ports each, not {nodes} with {len(ports)}")
        self.nodes = nodes
        self.directory = directory.absolute()
        self.broker_ports = tuple(ports[:nodes])
        self.controller_ports = tuple(ports[nodes:])
        self.processes: dict[int, subprocess.Popen[bytes]] = {}
        self._more = dict(settings or {})
        self._users = [f"SCRAM-SHA-512=[name={name},password={secret}]" for name, secret in (scram or {}).items()]
        self._lib = Path()

    @property
    def bootstrap(self) -> list[str]:
        """The brokers' addresses."""
        return [f"127.0.0.1:{port}" for port in self.broker_ports]

    def start(self) -> None:
        """Fetch, format and start what is not yet; return when every node serves. Raises :class:`KafkaRunError`."""
        self._lib = libraries()
        for port in (*self.broker_ports, *self.controller_ports):
            _check_free(port)
        self.directory.mkdir(parents=True, exist_ok=True)
        known = self.directory / "cluster.id"
        if not known.exists():
            known.write_text(base64.urlsafe_b64encode(secrets.token_bytes(16)).decode().rstrip("="), encoding="utf-8")
        try:
            for node in self._numbers:
                self._format(node, known.read_text(encoding="utf-8"))
            starts = {node: self._spawn(node) for node in self._numbers}
            for node, size in starts.items():
                self._await(node, size)
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """End every node: asked first, killed after ten seconds."""
        for process in self.processes.values():
            process.terminate()
        deadline = time.monotonic() + STOP_S
        for process in self.processes.values():
            try:
                process.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self.processes.clear()

    def kill(self, node: int) -> None:
        """SIGKILL one node."""
        process = self.processes.pop(node)
        process.kill()
        process.wait()

    def restart(self, node: int) -> None:
        """Start a node again that was killed (or kill it first); return when it serves."""
        if node in self.processes:
            self.kill(node)
        self._await(node, self._spawn(node))

    def log(self, node: int) -> Path:
        """The node's output."""
        return self.directory / f"node-{node}.log"

    @property
    def _numbers(self) -> range:
        return range(1, self.nodes + 1)

    def _java(self, node: int, main: str, *arguments: str) -> list[str]:
        java = shutil.which("java") or "java"
        logging = [f"-Dorg.slf4j.simpleLogger.{setting}" for setting in LOGGING]
        properties = str(self.directory / f"node-{node}.properties")
        return [java, "-Xmx512m", *logging, "-cp", f"{self._lib}/*", main, *arguments, properties]

    def _format(self, node: int, cluster_id: str) -> None:
        properties = self.directory / f"node-{node}.properties"
        properties.write_text("".join(f"{key}={value}\n" for key, value in self._settings(node)), encoding="utf-8")
        if (self.directory / f"node-{node}" / "meta.properties").exists():
            return
        users = [word for user in self._users for word in ("--add-scram", user)]
        # One word with its value: an id may begin with "-", which would else be taken for another option.
        command = self._java(node, "kafka.tools.StorageTool", "format", f"--cluster-id={cluster_id}", *users, "-c")
        with self.log(node).open("ab") as output:
            result = subprocess.run(command, stdout=output, stderr=output, check=False, timeout=START_S)  # noqa: S603 (java)
            if result.returncode != 0:
                raise KafkaRunError(f"Kafka node {node} could not be formatted: {last_line(self.log(node))}")

    def _settings(self, node: int) -> list[tuple[str, object]]:
        voters = ",".join(f"{number}@127.0.0.1:{port}" for number, port in enumerate(self.controller_ports, 1))
        broker = f"PLAINTEXT://127.0.0.1:{self.broker_ports[node - 1]}"
        replicas, in_sync = (3, 2) if self.nodes == 3 else (1, 1)  # noqa: PLR2004 (three replicas bear the loss of one)
        return [
            ("process.roles", "broker,controller"),
            ("node.id", node),
            ("controller.quorum.voters", voters),
            ("controller.listener.names", "CONTROLLER"),
            ("listeners", f"{broker},CONTROLLER://127.0.0.1:{self.controller_ports[node - 1]}"),
            ("advertised.listeners", broker),
            ("listener.security.protocol.map", "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT"),
            ("log.dirs", self.directory / f"node-{node}"),
            ("auto.create.topics.enable", "false"),
            ("min.insync.replicas", in_sync),
            ("offsets.topic.replication.factor", replicas),
            ("offsets.topic.num.partitions", 5),
            ("transaction.state.log.replication.factor", replicas),
            ("transaction.state.log.min.isr", in_sync),
            ("transaction.state.log.num.partitions", 5),
            ("share.coordinator.state.topic.replication.factor", replicas),
            ("share.coordinator.state.topic.min.isr", in_sync),
            ("group.initial.rebalance.delay.ms", 0),
            ("broker.heartbeat.interval.ms", 1_000),
            ("broker.session.timeout.ms", 6_000),
            *self._more.items(),
        ]

    def _spawn(self, node: int) -> int:
        """Start a node; returns how long its log was before."""
        log = self.log(node)
        size = log.stat().st_size if log.exists() else 0
        with log.open("ab") as output:
            self.processes[node] = subprocess.Popen(  # noqa: S603 (java)
                bound_to_parent(self._java(node, "kafka.Kafka")),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        return size

    def _await(self, node: int, size: int) -> None:
        """Wait for the node's own line that it serves, in its log after ``size`` bytes."""
        process, deadline = self.processes[node], time.monotonic() + START_S
        while READY_LINE not in self.log(node).read_bytes()[size:]:
            if process.poll() is not None:
                raise KafkaRunError(f"Kafka node {node} ended (see {self.log(node)}): {last_line(self.log(node))}")
            if time.monotonic() > deadline:
                raise KafkaRunError(f"Kafka node {node} was not up after {START_S:g} s; see {self.log(node)}")
            time.sleep(0.05)


def main() -> int:
    """Run a cluster in the foreground. 0 after SIGTERM or Ctrl-C, 1 if it does not come up or a node dies."""
    parser = argparse.ArgumentParser(description="Run a real Apache Kafka on 127.0.0.1.")
    parser.add_argument("--nodes", type=int, choices=(1, 3), default=1)
    parser.add_argument("--dir", type=Path, default=None, help="data directory [default: .shadow/kafka/NODES-nodes]")
    parser.add_argument("--port", type=int, default=9092, help="first broker port; controllers from PORT + 100")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    signal.signal(signal.SIGINT, lambda *_: sys.exit(0))
    ports = [options.port + base + node for base in (0, 100) for node in range(options.nodes)]
    try:
        cluster = KafkaCluster(options.nodes, options.dir or HOME / f"{options.nodes}-nodes", ports)
        try:
            cluster.start()
            print("ready", ",".join(cluster.bootstrap), flush=True)
            while all(process.poll() is None for process in cluster.processes.values()):
                time.sleep(0.5)
            dead = next(node for node, process in cluster.processes.items() if process.poll() is not None)
            raise KafkaRunError(f"Kafka node {dead} ended: {last_line(cluster.log(dead))}")
        finally:
            cluster.stop()
    except KafkaRunError as error:
        print(f"kafka: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
