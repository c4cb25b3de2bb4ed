"""The recorder on the embedded broker: each comparison once, whatever is delivered, broken or killed."""

from __future__ import annotations

import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from kafka import TopicPartition
from kafka.errors import KafkaConnectionError
from kafka.net.manager import KafkaConnectionManager

from consumers.health import Health
from consumers.recorder import Recorder, loop, progress
from shadow import broker, dead_letters, hang_watch
from shadow.broker import connection
from shadow.config import Config
from shadow.events import Comparison
from shadow.health import Patience
from shadow.ledger import Ledger
from shadow.metrics.exporter import Metrics
from shadow.topology import COMPARISONS, OUTCOMES, RECORDER_GROUP
from tests.fixtures.brokers import config_for, prepared
from tests.fixtures.comparisons import comparison, outcome
from tests.fixtures.waiting import until

DOOMED = """
import os, signal, sys, threading
from consumers.health import Health
from consumers.recorder import Recorder
from shadow.config import load
from shadow.ledger import Ledger
from shadow.metrics.exporter import Metrics

def write_and_die(self, comparisons, outcomes, real=Ledger.write_rows):
    real(self, comparisons, outcomes)
    os.kill(os.getpid(), signal.SIGKILL)

Ledger.write_rows = write_and_die
Recorder(load(sys.argv[1], environ={}), Metrics("recorder"), Health()).run(threading.Event())
"""


@pytest.fixture
def config(embedded: str, tmp_path: Path) -> Config:
    ledger = {"url": f"sqlite:///{tmp_path}/ledger.db"}
    found = Config.model_validate({**config_for(embedded).model_dump(), "ledger": ledger})
    prepared(found)
    return found


@contextmanager
def running(config: Config, metrics: Metrics) -> Iterator[None]:
    stop = threading.Event()
    thread = threading.Thread(target=Recorder(config, metrics, Health()).run, args=(stop,))
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(90)
        assert not thread.is_alive()


def publish(config: Config, records: list[Comparison]) -> None:
    sent = [(record.conversation_id.encode(), record.to_json(), ()) for record in records]
    broker.publish(config.broker.bootstrap, COMPARISONS, sent)


def turns(config: Config) -> list[str]:
    with Ledger(config.ledger.url) as ledger:
        return sorted(row.turn_id for row in list(ledger.keys()))


def unread(config: Config) -> int:
    return sum(broker.lag(config.broker.bootstrap, RECORDER_GROUP, [COMPARISONS, OUTCOMES]).values())


def test_duplicates_and_broken_records(config: Config) -> None:
    """Everything twice, broken records in between: the ledger has each key once, the dead letters have the rest."""
    records = [comparison(index) for index in range(40)]
    metrics = Metrics("recorder")
    late = outcome(1)
    with running(config, metrics):
        publish(config, records[:20])
        bad = [
            (b"c1", b'{"type": "comparison", "turn', ()),
            (b"wrong", comparison(1).to_json(), ()),
            (b"c1", comparison(5, arm_revision="a\0b").to_json(), ()),
            (b"c1", comparison(6).to_json().replace(b'"offset":', b'"offset":1180591620717411303424'), ()),
            (b"c1", None, ()),
        ]
        broker.publish(config.broker.bootstrap, COMPARISONS, bad)
        broker.publish(config.broker.bootstrap, OUTCOMES, [(late.conversation_id.encode(), late.to_json(), ())] * 2)
        publish(config, records)
        until(lambda: unread(config) == 0)
    assert turns(config) == sorted(record.turn_id for record in records)
    letters = dead_letters.listing(config.broker.bootstrap)
    assert sorted(found.reason for found in letters) == ["invalid", "invalid", "key_mismatch", "not_json", "not_json"]
    assert {found.by for found in letters} == {"recorder"}
    value = metrics.registry.get_sample_value
    assert value("shadow_ledger_rows_total", {"result": "stored"}) == 40
    assert value("shadow_ledger_rows_total", {"result": "duplicate"}) == 20
    assert value("shadow_dead_letters_total", {"reason": "invalid"}) == 2
    with Ledger(config.ledger.url) as ledger:
        assert ledger.stats()["outcomes"] == 1


def test_killed_between_transaction_and_commit(config: Config, tmp_path: Path) -> None:
    """kill -9 after the rows are stored and before the offsets are committed: delivered again, stored once."""
    publish(config, [comparison(index) for index in range(30)])
    file = tmp_path / "shadow.yaml"
    file.write_text(config.model_dump_json())
    command = [sys.executable, "-W", "ignore", "-c", DOOMED, str(file)]
    doomed = subprocess.run(command, check=False, timeout=120, cwd=Path(__file__).parents[2])
    assert doomed.returncode == -signal.SIGKILL
    stored = len(turns(config))
    assert stored > 0
    assert unread(config) == 30
    metrics = Metrics("recorder")
    with running(config, metrics):
        until(lambda: unread(config) == 0)
    assert turns(config) == sorted(f"t{index}" for index in range(30))
    assert metrics.registry.get_sample_value("shadow_ledger_rows_total", {"result": "duplicate"}) == stored


def test_a_locked_ledger_is_waited_for(config: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Longer than the session timeout: nothing is lost, nothing committed meanwhile, membership is kept."""
    monkeypatch.setattr(loop, "BUSY_TIMEOUT_S", 0.1)
    metrics = Metrics("recorder")
    with running(config, metrics):
        publish(config, [comparison(0)])
        until(lambda: unread(config) == 0)
        holder = sqlite3.connect(tmp_path / "ledger.db", isolation_level=None)
        holder.execute("BEGIN IMMEDIATE")
        publish(config, [comparison(index) for index in range(1, 10)])
        time.sleep(8)
        assert unread(config) == 9
        holder.execute("ROLLBACK")
        holder.close()
        until(lambda: unread(config) == 0)
    assert turns(config) == [f"t{index}" for index in range(10)]
    assert metrics.registry.get_sample_value("shadow_ledger_rows_total", {"result": "duplicate"}) == 0


def test_the_second_recorder_takes_over_within_the_same_counts(config: Config) -> None:
    """A rebalance in the middle of a stream means redelivery at most."""
    first, second = Metrics("recorder"), Metrics("recorder")
    records = [comparison(index) for index in range(400)]
    with running(config, first):
        publish(config, records[:200])
        with running(config, second):
            publish(config, records[200:])
            until(lambda: unread(config) == 0)
        publish(config, records[:50])
        until(lambda: unread(config) == 0)
    assert turns(config) == sorted(record.turn_id for record in records)
    name, label = "shadow_ledger_rows_total", {"result": "stored"}
    assert sum(metrics.registry.get_sample_value(name, label) or 0 for metrics in (first, second)) == 400


def hasten(monkeypatch: pytest.MonkeyPatch, fault: str) -> None:
    """The first client's fault is noticed soon."""
    if fault == "stands still":
        monkeypatch.setattr(progress, "STALL_S", (2.0, 60.0))
    if fault == "hangs":
        monkeypatch.setattr(hang_watch, "HANG_S", 2.0)


def unhurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the machine does, the next client is not taken for one that hangs or stands still."""
    monkeypatch.setitem(connection.CLIENT, "bootstrap_timeout_ms", 60_000)
    monkeypatch.setattr(hang_watch, "HANG_S", 60.0)
    monkeypatch.setattr(Patience, "ends", lambda *_: False)


@pytest.mark.parametrize("fault", ["raises", "stands still", "hangs", "hangs while it is made"])
def test_a_client_that_fails_hangs_or_stands_still_is_replaced(
    config: Config, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    """kafka-python may raise from ``poll`` while a broker is away, never return, or join no group: the next records."""
    real, bootstrap, made = loop.connected, KafkaConnectionManager.bootstrap, []

    def poll(**_: Any) -> dict[TopicPartition, list[Any]]:
        if fault == "raises":
            raise KafkaConnectionError("111 ECONNREFUSED")
        if fault == "hangs":  # as kafka-python does: it waits for its own loop, which never answers
            made[0]._net.run(made[0]._net.sleep, 3_600)
        time.sleep(0.1)
        return {}

    def connect(self: Any, *given: Any) -> Any:
        """The recorder's own client hangs in its constructor; others connect."""
        if self.config["client_id"] == RECORDER_GROUP:
            self._net.run(self._net.sleep, 3_600)
        return bootstrap(self, *given)

    def consumer(*given: Any) -> Any:
        made.append(None)
        if len(made) == 2:
            unhurried(monkeypatch)
        if len(made) == 1 and fault == "hangs while it is made":
            with monkeypatch.context() as patch:
                patch.setattr("shadow.broker.connection.ANSWER_S", 1.0)
                patch.setattr(KafkaConnectionManager, "bootstrap", connect)
                return real(*given)
        made[-1] = real(*given)
        if len(made) == 1:
            monkeypatch.setattr(made[0], "poll", poll)
        return made[-1]

    monkeypatch.setattr(loop, "connected", consumer)
    hasten(monkeypatch, fault)
    publish(config, [comparison(index) for index in range(10)])
    with running(config, Metrics("recorder")):
        until(lambda: unread(config) == 0)
    assert turns(config) == [f"t{index}" for index in range(10)]
    assert len(made) == 2
