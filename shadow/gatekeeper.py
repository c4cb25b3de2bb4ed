"""Follows the ledger and keeps each candidate's experiment up to date: for the gate's process and the commands."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from shadow.config import Config
from shadow.gate.doubts import of_the_future
from shadow.gate.experiment import Experiment
from shadow.gate.report import report
from shadow.gate.rows import LedgerRow, OutcomeRow
from shadow.gate.rules import Ruling
from shadow.gate.session import Change, DisorderError, Session
from shadow.ledger import Cursor, Finding, Ledger

VISIBLE_S: Final = 10.0
"""A row is readable so long after the time it is dated, at the latest; what is later makes the ledger be read anew."""


class Gatekeeper:
    """The verdicts of ``candidates`` (by default all of the configuration), from ``ledger``."""

    def __init__(
        self, config: Config, ledger: Ledger, evaluator_revision: str, *, candidates: tuple[str, ...] = ()
    ) -> None:
        """Raises :class:`~shadow.config.ConfigError` for an arm that is not there."""
        names = candidates or tuple(arm.name for arm in config.candidates)
        self.experiments = tuple(Experiment.of(config, name, evaluator_revision) for name in names)
        self._ledger = ledger
        self.rebuilt = 0
        self._begin()

    def _begin(self) -> None:
        self.sessions = {each.candidate: Session(each) for each in self.experiments}
        self._cursor = Cursor()
        self._newest = float("-inf")

    def catch_up(self, now: float) -> list[tuple[Session, Change]]:
        """Read what is new, and take the looks that are due at ``now``; the changes, in order.

        Raises :class:`~shadow.ledger.LedgerError`. If rows turn up that an earlier look should have seen, all is read
        again from the beginning: the verdict is then what a fresh reader comes to.
        """
        with _without_collector():
            try:
                return self._read_on(now)
            except DisorderError:
                self.rebuilt += 1
                self._begin()
                return self._read_on(now)

    def causes(self, now: float) -> tuple[str, ...]:
        """What only this reader's clock can tell."""
        cause = of_the_future(self._newest, now)
        return (cause,) if cause else ()

    def ruling(self, candidate: str, now: float) -> Ruling:
        """The verdict as of the last look."""
        return self.sessions[candidate].ruling(*self.causes(now))

    def report(self, candidate: str, now: float) -> dict[str, Any]:
        """The same with all that is shown of it."""
        return report(self.sessions[candidate], self.ruling(candidate, now))

    def findings(self) -> list[Finding]:
        """What people have found wrong with candidates, open and closed."""
        return self._ledger.book.findings()

    def _read_on(self, now: float) -> list[tuple[Session, Change]]:
        sessions = list(self.sessions.values())
        for batch in self._ledger.read_on(self._cursor, LedgerRow._fields, OutcomeRow._fields):
            rows = list(map(LedgerRow._make, batch.comparisons))
            outcomes = list(map(OutcomeRow._make, batch.outcomes))
            self._newest = max(
                [self._newest, *(row.recorded_at for row in rows), *(row.recorded_at for row in outcomes)]
            )
            for session in sessions:
                wanted = {session.experiment.candidate, *(("control",) if session.experiment.control else ())}
                session.feed([row for row in rows if row.arm in wanted])
                session.feed(outcomes)
            self._cursor = batch.cursor
        changes = [(session, change) for session in sessions for change in session.advance(now - VISIBLE_S)]
        changes.sort(key=lambda each: (each[1].at, each[0].experiment.candidate))
        return changes


@contextmanager
def _without_collector() -> Iterator[None]:
    """Rows are tuples without cycles; going through all that wait costs a tenth of a cold start, and finds nothing."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
