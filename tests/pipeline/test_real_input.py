"""Real conversations, all of them, through the Tap and Apache Kafka to three arms: the account is zero."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from deploy.kafka.run import KafkaCluster
from shadow.ledger import Ledger
from shadow.simulate.replay import steps
from tests.fixtures.brokers import wipe
from tests.fixtures.system import ROOT, System, arm
from tests.fixtures.waiting import UNHURRIED

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

DATA = Path(os.environ.get("SHADOW_DATA_DIR") or ROOT.parent / "shared" / "data") / "open" / "conversations"
FILES = [DATA / f"{name}.jsonl.gz" for name in ("maia", "ibm_twitter", "sgd")]
ARMS = ("control", "better", "worse")
LIMITS = {**UNHURRIED, "max_age_s": 1_200, "max_in_flight": 200}  # a backlog is worked off, not shed


@pytest.fixture
def system(tmp_path: Path, kafka: KafkaCluster) -> Iterator[System]:
    if absent := [str(file) for file in FILES if not file.exists()]:
        pytest.skip(f"{absent[0]} is absent; set SHADOW_DATA_DIR to the folder that holds open/conversations")
    [bootstrap] = kafka.bootstrap
    wipe(bootstrap)
    arms = [arm(name, "tests.fixtures.models:instant", limits=LIMITS) for name in ARMS]
    broker = {"url": bootstrap, "partitions": 4}
    made = System(tmp_path, bootstrap, arms, comparator={"join_window_s": 1_400}, broker=broker)
    yield made
    made.close()


def shadow(system: System, *arguments: str) -> Any:
    """A command's ``--json`` output; it must end with exit code 0."""
    command = [sys.executable, "-m", "shadow.cli", "--config", str(system.file), *arguments, "--json"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=400)
    assert done.returncode == 0, f"{done.stdout[-2000:]}\n{done.stderr[-2000:]}\n{system.logs()}"
    return json.loads(done.stdout)


def await_rows(system: System, count: int, timeout_s: float) -> None:
    """Until the ledger holds so many rows: cheaper than an audit, so that it does not slow down what it waits for."""
    deadline, found = time.monotonic() + timeout_s, 0
    with Ledger(system.config.ledger.url) as ledger:
        while found < count:
            assert time.monotonic() < deadline, f"{found} of {count} after {timeout_s:g} s\n{system.logs()}"
            time.sleep(1)
            found = sum(each["comparisons"] for each in ledger.stats()["arms"].values())


def without_a_reply() -> int:
    """How many recorded turns hold no reply, or one that says and calls nothing: production failed there."""
    lines = (line for file in FILES for line in gzip.decompress(file.read_bytes()).splitlines())
    found = (step.reply for line in lines for step in steps(line))
    return sum(reply is None or not (reply["content"] or reply.get("tool_calls")) for reply in found)


def test_every_real_turn_is_in_the_ledger_once_for_each_arm(system: System, capsys: pytest.CaptureFixture[str]) -> None:
    """All turns of three open collections, as fast as the Tap takes them: none missing, double, shed or expired."""
    system.start_all()
    system.await_assigned("comparator", *(f"mirror.{name}" for name in ARMS))
    begun = time.monotonic()
    played = shadow(system, "replay", "--pace", "none", "--missing", "fail", *map(str, FILES))
    turns = played["turns"]
    assert (played["dropped"], played["malformed"], played["flushed"]) == (0, 0, True)
    assert turns == played["replies"] + played["missing"] > 0
    await_rows(system, turns * len(ARMS), 500)
    seconds = time.monotonic() - begun
    report = shadow(system, "audit", "--wait", "120")
    assert (report["balanced"], report["in_flight"], report["broken"]) == (True, 0, 0)
    assert report["turns"] == report["turn_records"] == turns
    silent = without_a_reply()
    expected = {"compared": turns - silent, "production_failed": silent}
    for name in ARMS:
        account = report["arms"][name]
        assert (account["sampled"], account["stored"]) == (turns, turns)
        assert account["outcomes"] == {kind: count for kind, count in expected.items() if count}
    with capsys.disabled():
        print(f"\nreal input: {turns} turns, {len(ARMS)} arms, {seconds:.1f} s, {turns / seconds:.0f} turns/s")
