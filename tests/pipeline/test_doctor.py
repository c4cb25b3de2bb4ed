"""``shadow doctor`` beside a real deployment: healthy, and with each of its processes broken for real."""

from __future__ import annotations

import os
import signal
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from kafka import KafkaAdminClient

from shadow import broker
from shadow.cli import main
from shadow.doctor import brokers
from shadow.events import CONTROL
from shadow.topology import COMPARATOR_GROUP, TOPOLOGY
from tests.fixtures.doctor import INSTANT, PARTS, Patient, Report
from tests.fixtures.load import write_raw
from tests.fixtures.system import arm
from tests.fixtures.waiting import until


@pytest.fixture
def system(tmp_path: Path, embedded: str) -> Iterator[Patient]:
    made = Patient(tmp_path, embedded, [arm(CONTROL, INSTANT)])
    try:
        yield made
    finally:
        made.close()


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
    report = until(lambda: without_a_fault(system), why=lambda: system.doctor().findings)
    assert {f"process {name}" for name in PARTS} <= {each["check"] for each in report.findings}
    reads, address = brokers.groups(system.config), system.config.broker.bootstrap
    until(lambda: not sum(sum(lag.values()) for lag in broker.lags(address, reads).values()))  # nobody has to commit
    before = state(system)
    shown = until(lambda: (asked := CliRunner().invoke(main, system.asked())).exit_code == 0 and asked)
    assert shown.stdout.rstrip().endswith("nothing failed")
    assert state(system) == before


def without_a_fault(system: Patient) -> Report | None:
    """What is said once nothing is wrong: a machine that stood still a moment ago has a slow broker, and it is said."""
    report = system.doctor()
    warned = {each["check"] for each in report.findings if each["status"] == "warn"}
    return report if report.healthy and warned <= {"disk, logs", "disk, ledger"} else None


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
