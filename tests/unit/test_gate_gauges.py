"""What the gate exports is what its reports and the book say: looked up by name and label, value by value."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from consumers.gate import Gate
from consumers.health import Health
from shadow.gatekeeper import Gatekeeper
from shadow.ledger import Ledger
from shadow.metrics.exporter import Metrics
from tests.fixtures.gate_ledger import configured, evaluator_of, store
from tests.fixtures.gate_rows import START, conversations, every
from tests.fixtures.system import arm

LIMITS = {"timeout_s": 2, "deadline_s": 4, "max_age_s": 6}
COUNT = 200


class Exported:
    """A gate's exporter over a ledger of its own, with a control arm and two candidates of two owners."""

    def __init__(self, folder: Path) -> None:
        control = {name: value for name, value in arm("control", limits=LIMITS).items() if name != "name"}
        other = {**arm("other", limits=LIMITS), "owner": "others"}
        candidates = [arm("cand", limits=LIMITS), other]
        self.config = configured(folder, "127.0.0.1:1", candidates=candidates, control=control)
        self.metrics = Metrics("gate")
        self.gate = Gate(self.config, self.metrics, Health())
        self.ledger = Ledger(self.config.ledger.url)
        self.now = time.time()

    def findings(self) -> None:
        self.gate._export_findings(self.ledger.book.findings())

    def report(self) -> dict[str, Any]:
        keeper = Gatekeeper(self.config, self.ledger, evaluator_of(self.config))
        keeper.catch_up(self.now)
        found = keeper.report("cand", self.now)
        self.gate._export(keeper.sessions["cand"], found)
        return found

    def value(self, name: str, **labels: str) -> float | None:
        return self.metrics.registry.get_sample_value(name, labels)

    def open_findings(self, candidate: str, team: str) -> list[float | None]:
        return [
            self.value("shadow_findings_open", candidate=candidate, team=team, severity=severity)
            for severity in ("critical", "major", "minor")
        ]


@pytest.fixture
def exported(tmp_path: Path) -> Iterator[Exported]:
    made = Exported(tmp_path)
    yield made
    made.ledger.close()


def test_open_findings_are_counted_by_candidate_owner_and_severity(exported: Exported) -> None:
    """None is 0 and not missing; what is closed counts no more, and falls back to 0."""
    exported.findings()
    assert exported.open_findings("cand", "tests") == exported.open_findings("other", "others") == [0, 0, 0]
    book = exported.ledger.book
    for severity in ("critical", "critical", "minor"):
        book.open_finding("cand", "tests", severity, said="wrong", person="ann", at=1.0)
    book.open_finding("other", "others", "major", said="odd", person="ann", at=2.0)
    exported.findings()
    assert exported.open_findings("cand", "tests") == [2, 0, 1]
    assert exported.open_findings("other", "others") == [0, 1, 0]
    book.close_finding(1, "bob", "mended", 3.0)
    book.close_finding(4, "bob", "mended", 3.0)
    exported.findings()
    assert exported.open_findings("cand", "tests") == [1, 0, 1]
    assert exported.open_findings("other", "others") == [0, 0, 0]


@pytest.mark.parametrize(
    ("side", "state"), [(None, 0), ("failures", 1), ("production_failures", 2)], ids=["quiet", "worse", "better"]
)
def test_the_sentinel_is_exported_as_it_is_reported(exported: Exported, side: str | None, state: int) -> None:
    spoiled = {side: every(3)} if side else {}
    revision, rows = exported.config.arm("control").revision, list(conversations(COUNT))
    rows += conversations(COUNT, arm="control", arm_revision=revision, **spoiled)
    store(exported.ledger, rows, exported.config, shift_s=exported.now - START - 6 * 3_600)
    found = exported.report()
    assert found["sentinel"]["conversations"] == COUNT
    assert exported.value("shadow_gate_sentinel_state", candidate="cand") == state
    assert exported.value("shadow_gate_sentinel_progress_ratio", candidate="cand") == bool(state)
    hold = exported.value("shadow_gate_verdict", candidate="cand", verdict="HOLD")
    assert hold == (found["verdict"] == "HOLD")
    assert exported.value("shadow_gate_sentinel_state", candidate="other") is None


def test_a_candidate_is_judged_by_its_own_rows_though_others_share_the_conversations(exported: Exported) -> None:
    """Experiments that overlap: another candidate, and another revision of the same one that ended before."""
    shift_s = exported.now - START - 12 * 3_600
    old = conversations(50, arm_revision="old", failures=every(2))
    store(exported.ledger, old, exported.config, shift_s=shift_s - 6 * 3_600)
    mine = list(conversations(300, failures=every(50), production_failures=every(47)))
    store(exported.ledger, mine, exported.config, shift_s=shift_s)
    alone = exported.report()
    other = exported.config.arm("other").revision
    store(
        exported.ledger,
        conversations(300, arm="other", arm_revision=other, failures=every(2)),
        exported.config,
        shift_s=shift_s,
    )
    both = exported.report()
    assert both == alone
    assert both["cells"][0]["conversations"] == 300
