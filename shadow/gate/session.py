"""An experiment's course: rows go in, looks are taken at instants that the rows themselves fix.

The first look comes when a conversation that began with the first row could have closed, the next ones every
``look_s`` after it; a cycle of traffic ends at every so many looks. What a look sees is what was recorded up to it, so
all looks, and what they latch, are a function of the rows and the configuration: whoever reads the same ledger,
whenever and in whatever pieces, takes the same looks. Nothing needs to be stored, and a restart forgets nothing.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final

from shadow.events import CONTROL, Verdict
from shadow.gate.assemble import Assembler, Conversation
from shadow.gate.doubts import NEVER, SKEW_S, Seen, causes
from shadow.gate.evidence import Evidence
from shadow.gate.experiment import Experiment
from shadow.gate.plan import conversations_needed, plan_bets
from shadow.gate.rows import LedgerRow, OutcomeRow, Recorded
from shadow.gate.rules import Glance, Latch, Rule, Ruling, Situation
from shadow.gate.settings import ExcessGuardrail
from shadow.gate.tally import History, Plan, Reader, Tally, plan
from shadow.gate.traffic import Traffic
from shadow.gate.turn_values import left_out, names
from shadow.gate.verdict import decide, glance
from shadow.gate.watch import Watch

MOST_PLANNED: Final = 20_000
"""Control's conversations that a plan rests on; more say nothing new."""


class DisorderError(Exception):
    """A row is dated before a look that was taken without it: read the ledger again, from the beginning."""


@dataclass(frozen=True, slots=True)
class Change:
    """A look at which the verdict, or what stands in its way, became another."""

    at: float
    verdict: Verdict
    whys: tuple[str, ...]
    ruling: Ruling


class Session:
    """One experiment, fed in pieces. :meth:`feed` takes rows in any order, :meth:`advance` takes the looks due."""

    def __init__(self, experiment: Experiment) -> None:
        gate = experiment.gate
        self.experiment = experiment
        self.seen = Seen()
        self.traffic = Traffic()
        self.rows = 0
        self.plan: Plan | None = None
        self.looked_at: float | None = None
        self.latch = Latch()
        self._reader = Reader(experiment)
        self._assembler = Assembler(gate.conversation_idle_s, experiment.close_after_s)
        self._control = Assembler(gate.conversation_idle_s, experiment.close_after_s)
        self._measures = [each.measure for each in gate.guardrails if isinstance(each, ExcessGuardrail)]
        self.watch = Watch(gate) if experiment.control else None
        """The sentinel on the control arm; None where there is none."""
        self._past = History([[] for _ in experiment.cells])
        self._tally: Tally | None = None
        self._rule: Rule = experiment.rule(None)
        self._pending: list[Recorded] = []
        self._until = NEVER
        self._looks = 0
        self._next_look = math.inf
        self._last: Change | None = None
        self._settled: tuple[object, ...] | None = None

    @property
    def rule(self) -> Rule:
        """The decision's settings, once it is planned."""
        return self._rule

    @property
    def open(self) -> int:
        """Conversations that have not closed."""
        return self._assembler.open

    @property
    def least(self) -> int:
        """How many must be closed before anything counts as shown."""
        return self._rule.least(self.open)

    @property
    def late(self) -> int:
        """Turns that were recorded after their conversation had closed."""
        return self._assembler.late

    def feed(self, rows: Iterable[Recorded]) -> None:
        """Rows of the candidate, of the control arm, and outcomes; others are passed over.

        Raises :class:`DisorderError` for a row that an earlier look should have seen.
        """
        for row in rows:
            if row.recorded_at <= self._until:
                raise DisorderError(f"a row of {row.arm!r} is dated {row.recorded_at}, looked at until {self._until}")
            self._pending.append(row)

    def advance(self, until: float) -> list[Change]:
        """Take every look up to ``until``; the changes of the verdict, in order."""
        if until <= self._until:
            return []
        self._pending.sort(key=lambda row: row.order)
        changes: list[Change] = []
        taken = 0
        for row in self._pending:
            recorded_at = row.recorded_at
            if recorded_at > until:
                break
            while self._next_look < recorded_at:
                changes += self._look(self._next_look)
            self._take(row)
            taken += 1
        del self._pending[:taken]
        while self._next_look <= until:
            changes += self._look(self._next_look)
        if self.seen.first is None:
            self._close_control(until)
        self._until = until
        return changes

    def ruling(self, *more_causes: str) -> Ruling:
        """The verdict as of the last look, whole; ``more_causes`` are those that only the reader's clock can tell."""
        if self.looked_at is None or self._tally is None:
            return self._before_any_look(more_causes)
        situation = self._situation(self.looked_at)
        situation = replace(situation, causes=(*more_causes, *situation.causes))
        return decide(self._tally.evidence(), rule=self._rule, situation=situation, latch=self.latch)

    def evidence(self) -> list[Evidence]:
        """The cells' evidence as of the last look; empty before the candidate has begun."""
        return self._tally.evidence() if self._tally is not None else []

    def history(self) -> History:
        """What control's conversations from before the candidate say."""
        return self._past

    def forecast(self, cell: int) -> float | None:
        """Conversations that the cell would take for a candidate like control; None: nothing is known, or never."""
        values = self._past.values[cell]
        if not values:
            return None
        margin, alpha = self.experiment.cells[cell].margin, self.experiment.gate.alpha
        return conversations_needed(plan_bets(margin, sorted(values)), values, alpha=alpha, side="promote")

    def coverage(self) -> float | None:
        """Share of the sampled turns that enter the evidence; None without turns."""
        turns = self.traffic.turns + self.late
        return self.traffic.used / turns if turns else None

    def _before_any_look(self, more_causes: tuple[str, ...]) -> Ruling:
        cells = self.experiment.cells
        planned = self.plan or plan(cells, [[] for _ in cells], alpha=self.experiment.gate.alpha)
        evidence = Tally.none_yet(cells, planned, alpha=self.experiment.gate.alpha).evidence()
        seen, causes_now = self.seen, list(more_causes)
        if seen.first is None and seen.other_revision > NEVER:
            causes_now.append(f"candidate changed: the ledger knows other revisions than {self.experiment.revision}")
        if seen.first is None and seen.other_evaluator > NEVER:
            causes_now.append(
                f"evaluator changed: no comparison was made by {self.experiment.evaluator_revision}, others were"
            )
        situation = Situation(0, 0, 0, at_cycle_end=False, causes=tuple(causes_now))
        return decide(evidence, rule=self._rule, situation=situation, latch=self.latch)

    def _look_due(self, first: float) -> float:
        return first + self.experiment.close_after_s + self._looks * self.experiment.look_s

    def _take(self, row: Recorded) -> None:
        experiment, seen = self.experiment, self.seen
        if isinstance(row, OutcomeRow):
            seen.outcomes[row.name] = row.recorded_at
            self._assembler.take_outcome(row)
            return
        if row.turn_arrived_at > row.recorded_at + SKEW_S:
            seen.skewed = row.recorded_at
        if row.arm == experiment.candidate:
            self._take_candidate(row)
        elif row.arm == CONTROL and experiment.control:
            self._take_control(row)

    def _take_candidate(self, row: LedgerRow) -> None:
        experiment, seen = self.experiment, self.seen
        since = experiment.gate.sentinel_since
        if since is not None and row.turn_arrived_at < since:
            return  # held against instruments that are known to have been broken
        if row.arm_revision != experiment.revision:
            seen.other_revision = row.recorded_at
        elif (row.evaluator_revision or "") != experiment.evaluator_revision:
            seen.other_evaluator = row.recorded_at
        else:
            if seen.first is None:
                self._begin(row.recorded_at)
            self.rows += 1
            seen.candidate = row.recorded_at
            for measure in self._measures:
                if measure in names(row.measures):
                    seen.measures[measure] = row.recorded_at
            self._assembler.take(row)

    def _take_control(self, row: LedgerRow) -> None:
        experiment, seen = self.experiment, self.seen
        if row.arm_revision != experiment.control:
            seen.other_control = row.recorded_at
            return
        if not left_out(row) and row.outcome != "expired":
            seen.control = row.recorded_at
        if (row.evaluator_revision or "") != experiment.evaluator_revision:
            return
        self._assembler.take_control(row)
        if seen.first is None:
            self._close_control(row.recorded_at)
        self._control.take(row)

    def _close_control(self, until: float) -> None:
        """Control's conversations: the sentinel watches all; from those before the candidate the bets are planned."""
        for conversation in self._control.close(until):
            turns = self._reader.counted(conversation)
            if self.watch is not None:
                self.watch.count(conversation.closed_at, turns)
            if self.seen.first is None and self._past.conversations < MOST_PLANNED:
                self._past.count(turns, self._reader)

    def _begin(self, at: float) -> None:
        """Fix the bets: from here on, the candidate's conversations count."""
        experiment = self.experiment
        self._close_control(at)
        self.seen.first = at
        self._next_look = self._look_due(at)
        self.plan = plan(experiment.cells, self._past.values, alpha=experiment.gate.alpha)
        self._rule = experiment.rule(max((each for each in self.plan.needed if each is not None), default=None))
        self._tally = Tally.none_yet(experiment.cells, self.plan, alpha=experiment.gate.alpha)

    def _look(self, at: float) -> list[Change]:
        """The look number ``_looks``. Between two that would see the same nothing can change, and it is passed over."""
        self._looks += 1
        self.looked_at = at
        if self.seen.first is not None:
            self._next_look = self._look_due(self.seen.first)
        self._close_control(at)
        for conversation in self._assembler.close(at):
            self._count(conversation)
        situation = self._situation(at)
        state = (self.traffic.turns, situation)
        if state == self._settled or self._tally is None:
            return []
        self._settled = state
        evidence = self._tally.evidence()
        now = glance(evidence, rule=self._rule, situation=situation, latch=self.latch)
        before, self.latch = self.latch, now.latch
        whys = _whys(now, self.latch, few=situation.conversations < self._rule.least(situation.open))
        if self._last is not None and (self._last.verdict, self._last.whys) == (now.verdict, whys):
            return []
        ruling = decide(evidence, rule=self._rule, situation=situation, latch=before)
        self._last = Change(at, now.verdict, whys, ruling)
        return [self._last]

    def _count(self, conversation: Conversation) -> None:
        used = self._reader.counted(conversation)
        self.traffic.count(conversation, used)
        if self._tally is not None and used:
            self._tally.say(self._reader.read(used))

    def _situation(self, at: float) -> Situation:
        traffic, expected = self.traffic, self.traffic.turns + self._assembler.late
        coverage = self.coverage()
        cycle = self.experiment.looks_a_cycle
        looks = self._looks - 1
        return Situation(
            conversations=traffic.conversations,
            pairs_expected=expected,
            pairs_complete=traffic.complete,
            at_cycle_end=looks % cycle == 0 and (looks > 0 or not self.experiment.gate.cycle_s),
            causes=causes(
                self.experiment, self.seen, at, coverage=coverage, alarm=self.watch.alarm if self.watch else None
            ),
            open=self.open,
        )


def _whys(now: Glance, latch: Latch, *, few: bool) -> tuple[str, ...]:
    """What stands in the way, or decided, without figures: a change of these is a change of the decision.

    Not the end of a cycle: it comes and goes with the clock.
    """
    doubts = [reason.detail if reason.why == "cause" else reason.why for reason in now.doubts]
    decided = [why for why, names in (("harm", latch.harm), ("over_budget", latch.over_budget)) if names is not None]
    if decided or doubts:
        return (*decided, *doubts)
    if latch.promoted:
        return ("shown",)
    flags = (("expired", latch.expired), ("few_conversations", few), ("evidence", now.waiting))
    return tuple(why for why, holds in flags if holds) or ("cycle",)
