"""The ledger beside a plain dict, step by step."""

from __future__ import annotations

import shutil
import sqlite3
import tempfile
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from shadow.events import OUTCOME_KINDS, Comparison, RecordRef
from shadow.ledger import Ledger, LedgerUnavailableError
from tests.fixtures.comparisons import comparison, outcome

BATCHES = st.lists(
    st.builds(
        comparison,
        st.integers(0, 8),
        st.sampled_from(["control", "a"]),
        arm_revision=st.sampled_from(["", "r1", "r'2"]),
        outcome=st.sampled_from(OUTCOME_KINDS),
    ),
    max_size=12,
)


class LedgerMachine(RuleBasedStateMachine):
    """Writes with duplicates, opens again, fails in the middle; the model is what a dict would hold."""

    def __init__(self) -> None:
        super().__init__()
        self.home = Path(tempfile.mkdtemp(prefix="shadow-ledger-"))
        self.model: dict[tuple[str, str, str], str] = {}
        self.outcomes: set[str] = set()
        self.ledger = self.opened()

    def opened(self) -> Ledger:
        return Ledger(f"sqlite:///{self.home}/ledger.db", busy_timeout_s=0)

    @rule(batch=BATCHES, later=st.lists(st.integers(0, 5), max_size=4))
    def write(self, batch: list[Comparison], later: list[int]) -> None:
        written = self.ledger.write(batch, [outcome(i) for i in later], recorded_at=1.0)
        before, outcomes_before = len(self.model), len(self.outcomes)
        for record in batch:
            self.model.setdefault(record.key, record.outcome)
        self.outcomes.update(f"o{i}" for i in later)
        stored, outcomes_stored = len(self.model) - before, len(self.outcomes) - outcomes_before
        assert written == (stored, len(batch) - stored, outcomes_stored, len(later) - outcomes_stored)

    @rule(batch=BATCHES)
    def fail_in_the_middle(self, batch: list[Comparison]) -> None:
        """A batch whose last row cannot be stored leaves nothing behind."""
        broken = comparison(99).model_copy(update={"turn_ref": RecordRef.trusted(partition=0, offset=2**70)})
        with pytest.raises(OverflowError):
            self.ledger.write([*batch, broken], recorded_at=1.0)

    @precondition(lambda self: self.model)
    @rule(batch=BATCHES.filter(bool))
    def write_while_locked(self, batch: list[Comparison]) -> None:
        holder = sqlite3.connect(self.home / "ledger.db", isolation_level=None)
        holder.execute("BEGIN IMMEDIATE")
        with pytest.raises(LedgerUnavailableError):
            self.ledger.write(batch, recorded_at=1.0)
        holder.close()

    @rule()
    def open_again(self) -> None:
        self.ledger.close()
        self.ledger = self.opened()

    @rule()
    def leave_open_and_open_again(self) -> None:
        """A second process beside one that never closed."""
        other, self.ledger = self.ledger, self.opened()
        other.close()

    @invariant()
    def agrees(self) -> None:
        rows = list(self.ledger.keys())
        assert {(row.turn_id, row.arm, row.arm_revision): row.outcome for row in rows} == self.model
        assert len(rows) == len(self.model)
        stats = self.ledger.stats()
        assert sum(arm["comparisons"] for arm in stats["arms"].values()) == len(self.model)
        assert sum(sum(arm["outcomes"].values()) for arm in stats["arms"].values()) == len(self.model)
        assert stats["outcomes"] == len(self.outcomes)

    def teardown(self) -> None:
        self.ledger.close()
        shutil.rmtree(self.home)


LedgerMachine.TestCase.settings = settings(max_examples=25, stateful_step_count=20, deadline=None)
TestLedger = LedgerMachine.TestCase
