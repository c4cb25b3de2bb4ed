"""P9: a restart gives the same verdict, two gates agree, and whoever reads the same ledger comes to the same bytes."""

from __future__ import annotations

import http.client
import io
import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from consumers.gate import decision, key
from shadow import broker as kafka_client
from shadow.config import Config
from shadow.events import Decision, decode
from shadow.gate.experiment import Experiment
from shadow.gate.report import canonical
from shadow.gatekeeper import VISIBLE_S, Gatekeeper
from shadow.ledger import Ledger
from shadow.promotion.bundle import BundleError, digest, pack
from shadow.promotion.evidence import derived, opened, seal
from shadow.promotion.verify import verify
from shadow.topology import DECISIONS
from tests.fixtures.brokers import free_ports
from tests.fixtures.evidence import judged, members, repacked
from tests.fixtures.gate_ledger import configured, evaluator_of, store
from tests.fixtures.gate_rows import EASY, START, conversations, every
from tests.fixtures.system import ROOT
from tests.fixtures.waiting import insist, until

pytestmark = [pytest.mark.slow]

EQUAL: dict[str, Any] = {"failures": every(50), "production_failures": every(47)}


class Gates:
    """Gate processes over one ledger."""

    def __init__(self, folder: Path, bootstrap: str) -> None:
        self.folder = folder
        self.ports = free_ports(2)
        self.config = configured(folder, bootstrap, gate={**EASY, "max_age_s": 48 * 3600})
        insist(lambda: kafka_client.ensure_topics(self.config))
        self.ledger = Ledger(self.config.ledger.url)
        # All of it is past, and none of it old. A look has just been taken and the next one is almost five minutes
        # away, so that no reader has taken one look more than another: reports say when, and how fast it went.
        close_after_s = Experiment.of(self.config, "cand", evaluator_of(self.config)).close_after_s
        self.shift_s = time.time() - START - 24 * 3600 - close_after_s - VISIBLE_S - 15
        self.processes: list[subprocess.Popen[bytes]] = []

    def store(self, count: int, *, first: int = 0, **fields: Any) -> None:
        store(self.ledger, conversations(count, first=first, **fields), self.config, shift_s=self.shift_s)

    def start(self, port: int) -> subprocess.Popen[bytes]:
        text = (self.folder / "shadow.yaml").read_text()
        file = self.folder / f"gate-{port}.yaml"
        file.write_text(f"{text}metrics: {{gate_port: {port}}}\n")
        with (self.folder / f"gate-{port}.log").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "consumers", "gate", "--config", str(file)],
                stdout=log,
                stderr=log,
                cwd=ROOT,
                env={**os.environ, "SHADOW_LOG_FORMAT": "console"},
            )
        self.processes.append(process)
        return process

    def ask(self, port: int, *, post: bool = False, name: str = "cand") -> tuple[int, dict[str, Any]]:
        request = urllib.request.Request(f"http://127.0.0.1:{port}/gate/{name}", data=b"{}" if post else None)
        try:
            with urllib.request.urlopen(request, timeout=20) as response:  # noqa: S310
                return response.status, json.loads(response.read())
        except urllib.error.HTTPError as error:
            with error:
                return error.code, json.loads(error.read())
        except (OSError, http.client.HTTPException):  # it is not there yet, or the machine stood still
            return 0, {}

    def status(self, port: int, **asked: Any) -> int:
        """With which status a gate that runs answers."""
        found: list[int] = []
        self.until(lambda: found.append(self.ask(port, **asked)[0]) or found[-1])
        return found[-1]

    def await_verdict(self, port: int, verdict: str) -> dict[str, Any]:
        """The first report with that verdict."""
        found: list[tuple[int, dict[str, Any]]] = []

        def there() -> bool:
            found.append(self.ask(port))
            return (found[-1][0], found[-1][1].get("verdict")) == (200, verdict)

        self.until(there)
        return found[-1][1]

    def until(self, true: Callable[[], object], timeout_s: float = 120) -> None:
        until(true, timeout_s=timeout_s, every_s=0.2, why=self.state)

    def state(self) -> str:
        """What the gates say, and the ends of their logs."""
        logs = "\n".join(path.read_text()[-2000:] for path in self.folder.glob("gate-*.log"))
        return f"{[self.ask(port) for port in self.ports]}\n{logs}"

    def decisions(self) -> list[Decision]:
        records = insist(lambda: list(kafka_client.read(self.config.broker.bootstrap, DECISIONS)))
        return [decode(Decision, record.value, record.key) for record in records]

    def close(self) -> None:
        self.ledger.close()
        for process in self.processes:
            process.kill()
            process.wait()


@pytest.fixture
def gates(tmp_path: Path, embedded: str) -> Iterator[Gates]:
    made = Gates(tmp_path, embedded)
    yield made
    made.close()


def expected(gates: Gates) -> tuple[Gatekeeper, list[Decision]]:
    """What a reader of its own comes to, all at once."""
    keeper = Gatekeeper(gates.config, gates.ledger, evaluator_of(gates.config))
    return keeper, [decision(session, change) for session, change in keeper.catch_up(time.time())]


def test_p09_kill_9_of_the_gate_changes_no_decision_and_two_gates_agree(gates: Gates):
    """Half the rows, kill -9, the other half, two gates: the decisions are those of one who reads it all at once."""
    first, second = gates.ports
    gates.store(40)
    process = gates.start(first)
    gates.await_verdict(first, "HOLD")
    gates.until(lambda: bool(gates.decisions()))
    process.send_signal(signal.SIGKILL)
    process.wait()
    gates.store(560, first=40, **EQUAL)
    gates.start(first)
    gates.start(second)
    shown = [gates.await_verdict(port, "PROMOTE") for port in (first, second)]
    keeper, decided = expected(gates)
    assert decided[-1].verdict == "PROMOTE"
    found = {key(each): each.to_json() for each in gates.decisions()}
    assert found == {key(each): each.to_json() for each in decided}
    still = ("looked_at",)
    ours = keeper.report("cand", time.time())
    for each in shown:
        assert canonical({k: v for k, v in each.items() if k not in still}) == canonical(
            {k: v for k, v in ours.items() if k not in still}
        )


def test_p09_the_endpoint_speaks_to_rollout_controllers(gates: Gates):
    """A web metric reads the verdict at 200; a webhook passes on PROMOTE alone; nothing is said of nobody."""
    [port, _] = gates.ports
    gates.store(40)
    gates.start(port)
    gates.await_verdict(port, "HOLD")
    assert gates.status(port) == 200
    assert gates.status(port, post=True) == 409
    assert gates.status(port, name="nobody") == 404
    gates.store(560, first=40, **EQUAL)
    gates.await_verdict(port, "PROMOTE")
    assert gates.status(port, post=True) == 200
    gates.store(600, first=600, failures=every(2))
    assert gates.await_verdict(port, "REJECT")["culprits"] == ["any_failure"]
    assert gates.status(port, post=True) == 409


def test_p09_a_row_that_turns_up_late_makes_the_ledger_be_read_anew(gates: Gates):
    """A recorder whose clock is behind: the verdict is what a fresh reader comes to, not what was believed."""
    gates.store(300, **EQUAL)
    keeper, _ = expected(gates)
    gates.store(5, first=400)
    gates.store(1, first=299, turns=4)
    keeper.catch_up(time.time())
    fresh, _ = expected(gates)
    assert keeper.rebuilt == 1
    assert canonical(keeper.report("cand", 0)) == canonical(fresh.report("cand", 0))


def sealed(config: Config) -> bytes:
    with Ledger(config.ledger.url) as ledger:
        return seal(config, ledger, "cand", evaluator_of(config), time.time()).data


def test_p09_a_bundle_replays_to_the_same_bytes(tmp_path: Path):
    """Sealed twice, the same file; verified with the ledger gone, the same report, byte for byte."""
    config = judged(tmp_path)
    first = sealed(config)
    assert sealed(config) == first
    for file in tmp_path.glob("ledger.db*"):
        file.unlink()
    assert canonical(verify(first).report) == members(first)["report.json"]
    assert verify(first).report["verdict"] == "PROMOTE"


def test_p09_a_byte_that_was_changed_in_any_member_is_named(tmp_path: Path):
    """In the member itself, checksums of the zip mended; and in the file, where they are not."""
    data = sealed(judged(tmp_path, 40))
    for altered in members(data):

        def change(name: str, member: bytes, altered: str = altered) -> bytes:
            middle = len(member) // 2
            flipped = bytes([member[middle] ^ 1])
            return member[:middle] + flipped + member[middle + 1 :] if name == altered else member

        with pytest.raises(BundleError) as mended:
            verify(repacked(data, change))
        assert mended.value.members == (altered,)
        with zipfile.ZipFile(io.BytesIO(data)) as file:
            info = file.getinfo(altered)
        at = info.header_offset + 30 + len(altered) + info.compress_size // 2
        with pytest.raises(BundleError) as torn:
            verify(data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :])
        assert altered in torn.value.members


def test_p09_who_seals_again_after_a_change_is_found_by_the_rows_or_by_the_digest(tmp_path: Path):
    """A report that its rows do not give is found. Rows that were altered with all that follows: by the digest only."""
    data = sealed(judged(tmp_path, failures=every(2), production_failures=every(47)))
    found = members(data)
    del found["manifest.json"]
    report = json.loads(found["report.json"]) | {"verdict": "PROMOTE"}
    with pytest.raises(BundleError, match=r"report\.json: is not what the rows"):
        verify(pack(found | {"report.json": canonical(report)}))
    rows = found | {"comparisons.jsonl": found["comparisons.jsonl"].replace(b'"[\\"refusal\\"]"', b"null")}
    forged = pack(rows | derived(opened(rows), rows))
    assert verify(forged).report["verdict"] == "PROMOTE"
    with pytest.raises(BundleError, match="is another file"):
        verify(forged, expected=digest(data))


def test_p09_a_later_ledger_does_not_change_an_old_bundles_verdict(tmp_path: Path):
    """The candidate turns bad afterwards: what was sealed stays what it was, and a new bundle says REJECT."""
    config = judged(tmp_path)
    old = sealed(config)
    with Ledger(config.ledger.url) as ledger:
        shift_s = time.time() - START - 24 * 3600
        store(ledger, conversations(600, first=600, failures=every(2)), config, shift_s=shift_s)
    assert verify(old).report["verdict"] == "PROMOTE"
    assert verify(sealed(config)).report["verdict"] == "REJECT"
