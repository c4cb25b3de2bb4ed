"""``shadow doctor`` beside real parts, each broken for real: its line, its remedy, its exit code."""

from __future__ import annotations

import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml
from alembic import command
from click.testing import CliRunner
from kafka import KafkaAdminClient, KafkaProducer

from dashboards.build import DEMO, files
from shadow import broker
from shadow.cli import main
from shadow.config import load
from shadow.events import CONTROL
from shadow.ledger import Ledger
from shadow.ledger.engine import connect, parse, transaction
from shadow.ledger.migrate import alembic_config
from shadow.topology import COMPARATOR_GROUP, COMPARISONS, REPLIES, TOPOLOGY, TURNS
from tests.fixtures import prometheus
from tests.fixtures.brokers import embedded_broker, free_ports
from tests.fixtures.load import write_raw
from tests.fixtures.system import ROOT, System, arm

PARTS = ("recorder", "comparator", f"mirror.{CONTROL}", "gate")
INSTANT = "tests.fixtures.models:instant"


class Patient(System):
    """A deployment whose processes serve where the doctor looks for them."""

    def __init__(self, folder: Path, bootstrap: str, arms: list[dict[str, Any]], **sections: Any) -> None:
        *ports, gate_port = free_ports(len(PARTS) + 1)
        self.ports = dict(zip(PARTS, ports, strict=True))
        super().__init__(folder, bootstrap, arms, metrics={"gate_port": gate_port}, **sections)

    def launch(self, *names: str, before: str = "") -> None:
        for name in names:
            kind, _, arm_name = name.partition(".")
            arguments = [kind, "--config", str(self.file), "--metrics-port", str(self.ports[name])]
            arguments += ["--arm", arm_name] if arm_name else []
            program = ["-c", f"{before}\nimport sys; from consumers.__main__ import main; sys.exit(main())"]
            with (self.folder / f"{name}.log").open("ab") as log:
                self.processes[name] = subprocess.Popen(
                    [sys.executable, "-W", "ignore", *(program if before else ["-m", "consumers"]), *arguments],
                    stdout=log, stderr=log, cwd=ROOT,
                )  # fmt: skip

    def asked(self, *more: str, seconds: float = 20) -> list[str]:
        places = [f"--process={name}=127.0.0.1:{port}" for name, port in self.ports.items()]
        return ["--config", str(self.file), "doctor", "--seconds", str(seconds), *places, *more]

    def doctor(self, *more: str, seconds: float = 20) -> Report:
        result = CliRunner().invoke(main, [*self.asked(*more, seconds=seconds), "--json"])
        assert result.exit_code in {0, 1}, result.output
        report = Report(json.loads(result.stdout))
        assert report.healthy == (result.exit_code == 0)
        return report

    def ready(self) -> None:
        deadline = time.monotonic() + 60
        for name in self.processes:
            while not self._is_ready(name):
                assert time.monotonic() < deadline, f"{name}\n{self.logs()}"
                time.sleep(0.1)

    def _is_ready(self, name: str) -> bool:
        with suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{self.ports[name]}/readyz", timeout=5):
            return True
        return False


class Report:
    """What ``--json`` said."""

    def __init__(self, document: dict[str, Any]) -> None:
        self.healthy: bool = document["healthy"]
        self.findings: list[dict[str, str]] = document["findings"]

    def of(self, check: str) -> dict[str, str]:
        """The worst line of a check."""
        found = [each for each in self.findings if each["check"] == check]
        assert found, (check, self.findings)
        return max(found, key=lambda each: ["ok", "warn", "fail"].index(each["status"]))

    def says(self, check: str, status: str, words: str, remedy: str) -> None:
        """The line and what to do stand there."""
        found = self.of(check)
        assert (found["status"], words in found["says"], remedy in found["remedy"]) == (status, True, True), found


def config_file(folder: Path, bootstrap: str, **sections: Any) -> list[str]:
    """The beginning of a command line with a configuration of its own, whose ledger is there."""
    url = f"sqlite:///{folder / 'ledger.db'}"
    Ledger(url).close()
    document = {
        "version": 1,
        "production": {"owner": "tests", "model": "prod"},
        "control": arm(CONTROL, INSTANT),
        "broker": {"url": bootstrap, "partitions": 3},
        "ledger": {"url": url},
        "comparator": {"join_window_s": 70, "measures": ["lexical"]},
        **sections,
    }
    (folder / "shadow.yaml").write_text(yaml.safe_dump(document))
    return ["--config", str(folder / "shadow.yaml"), "doctor", "--json"]


def examined(line: Sequence[str], *more: str, **environ: str) -> Report:
    result = CliRunner(env=environ).invoke(main, [*line, *more])
    assert result.exit_code == 1, result.output
    return Report(json.loads(result.stdout))


@pytest.fixture
def system(tmp_path: Path, embedded: str) -> Iterator[Patient]:
    made = Patient(tmp_path, embedded, [arm(CONTROL, INSTANT)])
    try:
        yield made
    finally:
        made.close()


@pytest.fixture
def gone() -> str:
    """An address where nothing listens."""
    return f"127.0.0.1:{free_ports(1)[0]}"


@contextmanager
def black_hole() -> Iterator[int]:
    """A port that accepts, reads and never answers."""
    with socket.create_server(("127.0.0.1", 0), backlog=50) as server:
        yield server.getsockname()[1]


def state(system: Patient) -> tuple[Any, ...]:
    """All that somebody who changes something would change."""
    address = system.config.broker.bootstrap
    with closing(KafkaAdminClient(bootstrap_servers=address)) as admin:
        topics, groups = sorted(admin.list_topics()), sorted(each["group_id"] for each in admin.list_groups())
        settings = sorted((each["name"], len(each["partitions"])) for each in admin.describe_topics())
    ends = broker.end_offsets(address, [topic.name for topic in TOPOLOGY])
    commits = {group: broker.committed(address, group) for group in groups}
    with closing(sqlite3.connect(system.folder / "ledger.db")) as database:
        return topics, groups, settings, ends, commits, list(database.iterdump())


def test_a_whole_system_is_healthy_and_nothing_is_changed_by_looking(system: Patient, embedded: str) -> None:
    """Exit code 0, no warning that names a fault, and topics, groups, offsets and rows are what they were."""
    write_raw([embedded], turns=40, rate=400, run="a", twice=False, garbage=False)
    system.launch(*PARTS)
    assert system.settled(turns=40).balanced
    system.ready()
    report = system.doctor()
    assert report.healthy, report.findings
    assert {each["check"] for each in report.findings if each["status"] == "warn"} <= {"disk, logs", "disk, ledger"}
    assert {f"process {name}" for name in PARTS} <= {each["check"] for each in report.findings}
    before = state(system)
    shown = CliRunner().invoke(main, system.asked())
    assert shown.exit_code == 0
    assert shown.stdout.rstrip().endswith("nothing failed")
    assert state(system) == before


def test_each_broken_process_has_its_line(system: Patient, embedded: str) -> None:
    """Killed, stopped, in another's place, with a clock that is ahead, with a backlog that nobody reads."""
    ahead = "import time; real = time.time; time.time = lambda: real() + 90"
    system.launch("recorder", before=ahead)
    system.launch("comparator", f"mirror.{CONTROL}", "gate")
    system.ready()
    system.kill("gate")
    os.kill(system.processes["comparator"].pid, signal.SIGSTOP)
    write_raw([embedded], turns=10, rate=400, run="a", twice=False, garbage=False)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("shadow.doctor.brokers.LATE_S", 0.0)  # what a test can wait for
        report = system.doctor()
        report.says(f"group {COMPARATOR_GROUP}", "fail", "records unread", "does it run?")
    gate = system.ports["gate"]
    report.says("process gate", "fail", f"nothing listens on 127.0.0.1:{gate}", "--metrics-port")
    report.says("process comparator", "fail", "accepts and does not answer", "ss -ltnp")
    report.says("clock recorder", "fail", "ahead of this machine's", "timedatectl")
    os.kill(system.processes["comparator"].pid, signal.SIGCONT)
    system.ports["gate"] = system.ports["recorder"]
    system.doctor().says("process gate", "fail", "recorder serves on", "start all anew")


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


def test_a_ledger_of_an_old_schema_locked_or_gone_has_its_line(embedded: str, tmp_path: Path) -> None:
    line, file = config_file(tmp_path, embedded), tmp_path / "ledger.db"
    with closing(sqlite3.connect(file, isolation_level=None)) as holder:
        holder.execute("BEGIN IMMEDIATE")
        examined(line).says("ledger, writing", "fail", "lock", f"fuser -v {file}")
        holder.execute("ROLLBACK")
    file.unlink()
    examined(line).says("ledger", "fail", "no such file", "shadow up")
    engine = connect(parse(f"sqlite:///{file}"), busy_timeout_s=5, create=True)
    with transaction(engine, writes=True) as connection:
        alembic = alembic_config()
        alembic.attributes["connection"] = connection
        command.upgrade(alembic, "0003")
    engine.dispose()
    examined(line).says("ledger", "fail", "its schema is 0003", "ledger stats")
    with closing(sqlite3.connect(file)) as database:  # looking has not upgraded it
        assert database.execute("SELECT version_num FROM ledger_version").fetchall() == [("0003",)]


class _Choosy(BaseHTTPRequestHandler):
    """A model's server that knows one key, and that must not be sent a turn."""

    asked: list[str] = []  # noqa: RUF012 (the test reads it)

    def do_GET(self) -> None:
        self.asked.append(self.path)
        known = "right" in {self.headers["x-api-key"], (self.headers["Authorization"] or "").removeprefix("Bearer ")}
        self.send_response(200 if known else 401)
        self.end_headers()

    def do_OPTIONS(self) -> None:
        self.asked.append(self.path)
        self.send_response(204)
        self.end_headers()

    def do_POST(self) -> None:
        self.asked.append("a turn")

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Nothing."""


@contextmanager
def model_server() -> Iterator[int]:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Choosy) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_address[1]
        server.shutdown()


def candidate(name: str, port: int, **adapter: Any) -> dict[str, Any]:
    address = f"http://someone:hidden@127.0.0.1:{port}/v1"
    return arm(name) | {"adapter": {"type": "openai", "base_url": address, "model": name, **adapter}}


def test_each_fault_of_an_arm_has_its_line_and_no_key_is_shown(gone: str, tmp_path: Path) -> None:
    """A missing key by its variable's name, a wrong one, a dead endpoint, one that accepts and never answers."""
    with black_hole() as silent, model_server() as server:
        candidates = [
            candidate("keyless", server, api_key_env="NO_SUCH_KEY"),
            candidate("refused", server, api_key_env="WRONG_KEY"),
            candidate("right", server, api_key_env="RIGHT_KEY"),
            candidate("dead", int(gone.rpartition(":")[2])),
            candidate("silent", silent),
            candidate("claude", server, type="anthropic", api_key_env="RIGHT_KEY"),
            arm("own") | {"adapter": {"type": "http", "url": f"http://127.0.0.1:{server}/answer"}},
            arm("broken", "tests.fixtures.models:no_such_function"),
        ]
        line = config_file(tmp_path, gone, candidates=candidates)
        begun = time.monotonic()
        report = examined(line, RIGHT_KEY="right", WRONG_KEY="s3cret-value")
        assert time.monotonic() - begun < 40
    report.says("arm keyless", "fail", "$NO_SUCH_KEY is not set", "`export NO_SUCH_KEY=...`")
    report.says("arm refused", "fail", "answered 401", "$WRONG_KEY")
    report.says("arm right", "ok", "answered 200", "")
    report.says("arm claude", "ok", "answered 200", "")
    report.says("arm own", "ok", "answered 204", "")
    report.says("arm dead", "fail", "nothing listens", "adapter.base_url")
    report.says("arm silent", "fail", "accepts and does not answer", "curl")
    report.says("arm broken", "fail", "no_such_function", "")
    said = json.dumps(report.findings)
    assert not [secret for secret in ("s3cret", "hidden", '"right"') if secret in said.replace('"arm right"', "")]
    assert set(_Choosy.asked) == {"/v1/models", "/v1/v1/models", "/answer"}


def test_a_broker_that_is_gone_or_silent_has_its_line_in_time(gone: str, tmp_path: Path) -> None:
    """A port that accepts and never answers holds up nothing: the whole command ends, with every other line."""
    with black_hole() as silent:
        line = config_file(tmp_path, f"{gone},127.0.0.1:{silent}")
        command_line = [sys.executable, "-W", "ignore", "-m", "shadow.cli", *line, "--seconds", "12"]
        begun = time.monotonic()
        done = subprocess.run(command_line, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
        assert time.monotonic() - begun < 40
    assert (done.returncode, done.stderr) == (1, "")
    report = Report(json.loads(done.stdout))
    report.says(f"broker {gone}", "fail", "no answer from Kafka", f"start Kafka at {gone}")
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
    broker.ensure_topics(load(tmp_path / "shadow.yaml", environ={}))
    monkeypatch.setattr(KafkaAdminClient, "list_groups", lambda self: self._net.run(self._net.sleep, 3_600))
    monkeypatch.setattr("shadow.broker.timed.HANG_S", 1.0)
    monkeypatch.setattr("shadow.broker.timed.CLOSE_S", 1.0)
    report = examined(line)
    report.says("groups", "fail", "does not answer", "broker's line")
    report.says("topics", "ok", "", "")


def test_a_wrong_file_and_a_missing_plug_in_have_their_lines(gone: str, tmp_path: Path) -> None:
    line = config_file(tmp_path, gone, comparator={"join_window_s": 70, "measures": ["lexical", "no_such_measure"]})
    examined(line).says("plug-ins", "fail", "'no_such_measure' is not installed", "shadow plugins list")
    line = config_file(tmp_path, gone, broker={"url": gone, "partitions": 0})
    [found] = examined(line).findings
    assert (found["check"], "broker.partitions" in found["says"], "check`" in found["remedy"]) == (
        "configuration",
        True,
        True,
    )


@pytest.mark.slow
def test_prometheus_without_a_rule_with_another_and_with_a_dead_target(
    gone: str, embedded: str, tmp_path: Path
) -> None:
    """Beside a real server: as generated; then one rule is taken out, one changed; a target is down."""
    rules = tmp_path / "rules"
    rules.mkdir()
    for name, text in files(load(DEMO, environ={})):
        if name.startswith("rules"):
            (rules / name).write_text(text)
    served = tmp_path / "served"
    served.mkdir()
    for file in rules.iterdir():
        (served / file.name).write_text(file.read_text())
    scrape = {"job_name": "shadow", "static_configs": [{"targets": [gone], "labels": {"cluster": "ci"}}]}
    document = {
        "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
        "rule_files": [f"{served}/*.yml"],
        "scrape_configs": [scrape],
    }
    config = tmp_path / "prometheus.yml"
    config.write_text(yaml.safe_dump(document))
    arguments = (f"--config.file={config}", f"--storage.tsdb.path={tmp_path / 'data'}", "--web.enable-lifecycle")
    line = config_file(tmp_path, embedded)
    with prometheus.server("prometheus", tmp_path, *arguments) as address:
        more = ("--prometheus", f"http://{address}", "--rules", str(rules))
        while not json.loads(urllib.request.urlopen(f"http://{address}/api/v1/query?query=up").read())["data"][
            "result"
        ]:
            time.sleep(0.2)
        report = examined(line, *more)
        report.says("prometheus", "ok", "answered", "")
        report.says("prometheus rules", "ok", "as generated", "")
        report.says("prometheus targets", "fail", f"shadow {gone} is down", "way from Prometheus")

        changed = yaml.safe_load((served / "rules.yml").read_text())
        alerts = [rule for group in changed["groups"] for rule in group["rules"] if "alert" in rule]
        failing = next(rule for rule in alerts if rule["alert"] == "ShadowCandidateFailing")
        failing["expr"] = failing["expr"].replace("0.05", "0.5")
        for group in changed["groups"]:
            group["rules"] = [rule for rule in group["rules"] if rule.get("alert") != "ShadowTapDropping"]
        (served / "rules.yml").write_text(yaml.safe_dump(changed))
        urllib.request.urlopen(urllib.request.Request(f"http://{address}/-/reload", method="POST"), timeout=20).close()
        said = " ".join(each["says"] for each in examined(line, *more).findings if each["check"] == "prometheus rules")
        assert "1 are not loaded: ShadowTapDropping" in said
        assert "1 are not as generated: ShadowCandidateFailing" in said
    report = examined(line, *more)
    report.says("prometheus", "fail", "does not answer as Prometheus does", "--prometheus")


def test_a_broker_that_is_stopped_is_said_and_the_others_are_looked_at(tmp_path: Path) -> None:
    with embedded_broker(tmp_path) as bootstrap:
        line = config_file(tmp_path, bootstrap)
        broker.ensure_topics(load(tmp_path / "shadow.yaml", environ={}))
        port = int(bootstrap.rpartition(":")[2])
        pid = listener(port)
        os.kill(pid, signal.SIGSTOP)
        try:
            report = examined(line, "--seconds", "12")
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
