"""A backtest at work: calls side by side, conversations into the ledger in order, and the verdict at the end.

The order of effects: a reply is kept in the journal as it comes; once a conversation has all its replies, and those
before it are written, its comparisons and outcomes go into the ledger in one transaction; then the gate may look. So a
run that was killed has asked in vain what was under way, and nothing else; the same command goes on.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Any, Final

from shadow.adapters import Adapter
from shadow.backtest.budget import Budget, Spent, Why
from shadow.backtest.cases import Case
from shadow.backtest.clock import Clock
from shadow.backtest.history import History
from shadow.backtest.journal import Journal
from shadow.backtest.lane import Answered, Lane
from shadow.backtest.lines import BacktestError
from shadow.backtest.rows import Judging, judged
from shadow.backtest.work import Setup, recorded_turns
from shadow.gate.session import Change
from shadow.gatekeeper import VISIBLE_S, Gatekeeper
from shadow.ledger import Ledger, comparison_row, outcome_row, unstorable

LOOK_AHEAD: Final = 4
"""Turns that may wait for an earlier one, per call that may be under way."""

SPENT: Final[frozenset[Why | None]] = frozenset({"max_cost", "max_seconds"})
"""Budgets that forbid each further call; the others, only to begin a conversation."""

MOST_ERRORS: Final = 3
"""Of plug-ins, that are shown."""


@dataclass(slots=True)
class Progress:
    """How far it is. ``written`` counts turns in the ledger, those of earlier runs too."""

    conversations: int
    turns: int
    written_conversations: int = 0
    written: int = 0
    failed: int = 0
    spent: Spent = field(default_factory=Spent)
    plugin_errors: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Done:
    """The end of a run: the gate's report, why it stopped before history's end, and when the verdict came about."""

    report: dict[str, Any]
    progress: Progress
    why: Why | None
    asked: dict[str, int]
    kept: dict[str, int]
    decided: tuple[int, int] | None
    """Conversations and turns to the first look from which on the verdict stayed; None: it is HOLD."""


@dataclass(slots=True)
class _Open:
    number: int
    case: Case
    calls: dict[tuple[str, str], asyncio.Task[Answered | None]]

    def turns(self) -> int:
        return len(self.case.asked)


class Backtest:
    """One run. ``adapters`` by arm; ``on_progress`` is called after each transaction."""

    def __init__(
        self,
        setup: Setup,
        history: History,
        journal: Journal,
        ledger: Ledger,
        *,
        adapters: Mapping[str, Adapter],
        budget: Budget,
        until_decided: bool = False,
        on_progress: Callable[[Progress], None] = lambda _: None,
    ) -> None:
        self._setup, self._history, self._ledger = setup, history, ledger
        self._budget, self._until_decided, self._on_progress = budget, until_decided, on_progress
        arms = setup.config.arms
        self._clock = Clock.of(setup.experiment)
        self._judging = Judging(setup.evaluator, setup.evaluator_revision, arms, self._clock)
        sizes = [len(case.asked) for case in history.cases(setup.arm)]
        self._sizes = sizes
        spent = Spent(0.0 if setup.replies else journal.spent_usd)
        self.progress = Progress(len(sizes), sum(sizes), spent=spent)
        self._lanes = [
            Lane(arm, adapters[arm.name], replies=setup.replies.get(arm.name), journal=journal, spent=spent)
            for arm in arms
        ]
        self._ahead = LOOK_AHEAD * max(arm.limits.max_in_flight for arm in arms)
        self._keeper = Gatekeeper(setup.config, ledger, setup.evaluator_revision)
        self._changes: list[Change] = []
        self._why: Why | None = None
        self._began = time.monotonic()

    async def run(self) -> Done:
        """Raises :class:`BacktestError` for an arm that is down, and :class:`~shadow.ledger.LedgerError`."""
        try:
            await self._ask_and_write()
        finally:
            for lane in self._lanes:
                await lane.close()
        if down := next((lane for lane in self._lanes if lane.down), None):
            raise BacktestError(
                f"{down.arm.name!r} has not answered any of the last turns ({down.last_failure:.200}); "
                f"{self.progress.written} of {self.progress.turns} turns are recorded. These failures are not: put it "
                f"right and start the same command again"
            )
        await asyncio.to_thread(self._look, last=True)
        return self._done()

    async def _ask_and_write(self) -> None:
        window: deque[_Open] = deque()
        source = self._still_to_do()
        first = next(source, None)  # counts what the ledger has
        if self._until_decided and self.progress.written_conversations:
            await asyncio.to_thread(self._look)
        source = chain([] if first is None else [first], source)
        while True:
            while self._why is None and self._may_begin(window) and (item := next(source, None)) is not None:
                self._begin(window, *item)
            if not window:
                return
            self._on_progress(self.progress)
            if ready := self._ready(window):
                await asyncio.to_thread(self._write, ready)
                continue
            waiting = [call for each in window for call in each.calls.values() if not call.done()]
            if waiting:
                await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            elif self._cannot_go_on(window[0]):
                return
            else:  # the last turns failed, and nothing more is asked that could tell why
                for lane in self._lanes:
                    lane.settle()

    def _cannot_go_on(self, head: _Open) -> bool:
        """Whether the conversation at the head stays unwritten: not asked to its end, or of an arm that may be down."""
        if any(lane.down or (self._why is not None and lane.left_alone) for lane in self._lanes):
            return True
        return any(call.result() is None for call in head.calls.values())

    def _still_to_do(self) -> Iterator[tuple[int, Case]]:
        """The conversations that the ledger does not have, with their numbers."""
        have = recorded_turns(self._ledger, self._setup)
        for number, case in enumerate(self._history.cases(self._setup.arm)):
            ids = {each.turn.turn_id for each in case.asked}
            if all((turn_id, lane.arm.name) in have for turn_id in ids for lane in self._lanes):
                self.progress.written_conversations += 1
                self.progress.written += len(ids)
            else:
                yield number, case

    def _may_begin(self, window: Sequence[_Open]) -> bool:
        """Whether one more conversation may wait; only those whose failures are not settled are not counted."""
        if any(lane.down for lane in self._lanes):
            return False
        waiting = (each for each in window if not self._done_with(each) or self._whole(each))
        return sum(each.turns() for each in waiting) < self._ahead

    def _begin(self, window: deque[_Open], number: int, case: Case) -> None:
        begun = self.progress.written + sum(each.turns() for each in window)
        self._why = self._budget.refuses_turns(begun, len(case.asked))
        if self._why is None:
            calls = {
                (each.turn.turn_id, lane.arm.name): asyncio.create_task(lane.answer(each.turn, self._stopped))
                for each in case.asked
                for lane in self._lanes
            }
            window.append(_Open(number, case, calls))

    def _stopped(self) -> bool:
        """Whether no further call may be made."""
        if self._why not in SPENT:
            elapsed_s = time.monotonic() - self._began
            self._why = self._budget.refuses_call(self.progress.spent, elapsed_s=elapsed_s) or self._why
        return self._why in SPENT

    @staticmethod
    def _done_with(each: _Open) -> bool:
        return all(call.done() for call in each.calls.values())

    def _ready(self, window: deque[_Open]) -> list[_Open]:
        """The conversations at the head that are whole, and whose failures are settled; taken off."""
        ready: list[_Open] = []
        while window and self._done_with(window[0]) and self._whole(window[0]):
            ready.append(window.popleft())
        return ready

    def _whole(self, each: _Open) -> bool:
        lanes = {lane.arm.name: lane for lane in self._lanes}
        return all(
            (answered := call.result()) is not None and lanes[arm].settled(answered)
            for (_, arm), call in each.calls.items()
        )

    def _write(self, ready: Sequence[_Open]) -> None:
        comparisons, outcomes = [], []
        for each in ready:
            replies = {key: answered.reply for key, call in each.calls.items() if (answered := call.result())}
            found = judged(each.number, each.case, replies, self._judging)
            comparisons += [comparison_row(record, None, found.recorded_at) for record in found.comparisons]
            outcomes += [outcome_row(record, None, found.recorded_at) for record in found.outcomes]
            self.progress.plugin_errors = [*self.progress.plugin_errors, *found.plugin_errors][:MOST_ERRORS]
            self.progress.failed += sum(record.outcome == "candidate_failed" for record in found.comparisons)
        for row in (*comparisons, *outcomes):
            if why := unstorable(row):
                raise BacktestError(f"turn {row['turn_id']!r} cannot be stored: {why}; leave it out of the history")
        self._ledger.write_rows(comparisons, outcomes)
        self.progress.written_conversations += len(ready)
        self.progress.written += sum(each.turns() for each in ready)
        if self._until_decided:
            self._look()

    def _look(self, *, last: bool = False) -> None:
        """Let the gate look at what is written; at the ``last`` time once more, lest a rounded date hides something."""
        count = self.progress.written_conversations
        at = self._clock.looked_at(count if last else count - 1) + VISIBLE_S
        self._changes += [change for _, change in self._keeper.catch_up(at)]
        if self._until_decided and self._changes and self._changes[-1].verdict != "HOLD" and self._why is None:
            self._why = "decided"

    def _done(self) -> Done:
        now = self._clock.looked_at(self.progress.written_conversations) + VISIBLE_S
        report = self._keeper.report(self._setup.experiment.candidate, now)
        decided: tuple[int, int] | None = None
        for change in self._changes:
            if change.verdict != report["verdict"] or report["verdict"] == "HOLD":
                decided = None
            elif decided is None:
                closed = self._clock.closed_by(change.at)
                decided = closed, sum(self._sizes[:closed])
        asked = {lane.arm.name: lane.asked for lane in self._lanes}
        kept = {lane.arm.name: lane.found for lane in self._lanes}
        return Done(report, self.progress, self._why, asked, kept, decided)
