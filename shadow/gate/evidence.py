"""What the conversations so far say of one cell: integers that are added in any order, and the e-values read from them.

A *leg* is one thing that must be shown for PROMOTE. Cells of counts have two: per conversation and per turn.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Final

from shadow.gate import budget, turn_weighted
from shadow.gate.arguments import checked_positive
from shadow.gate.betting import Bets, Wealth
from shadow.gate.budget import EventCounts
from shadow.gate.conversations import Closed
from shadow.gate.guardrails import COUNTS, Cell
from shadow.gate.robbins import interval, one_sided_boundary, tightest_rho, two_sided_boundary
from shadow.gate.turn_weighted import LEAST_CONVERSATIONS, TurnSums

PER_CONVERSATION: Final = "per_conversation"
PER_TURN: Final = "per_turn"
BUDGET: Final = "budget"


_tightest_rho = lru_cache(maxsize=64)(tightest_rho)
"""Cells without a plan of their own are all tuned alike."""


@dataclass(frozen=True, slots=True)
class Tuning:
    """Precisions of the asymptotic mixtures: of the per-turn leg, and of the intervals that are shown."""

    one_sided_rho: float
    two_sided_rho: float

    def __post_init__(self) -> None:
        """Refuse what is no precision."""
        checked_positive(self.one_sided_rho, "one_sided_rho")
        checked_positive(self.two_sided_rho, "two_sided_rho")

    @classmethod
    def at(cls, conversations: float, *, alpha: float) -> Tuning:
        """Tightest at so many conversations: the planned number. Wrong by a factor of five, it costs little."""
        return cls(
            _tightest_rho(one_sided_boundary, conversations, alpha),
            _tightest_rho(two_sided_boundary, conversations, alpha),
        )


@dataclass(frozen=True, slots=True)
class Paired:
    """Evidence of a cell whose metric compares the candidate with production."""

    cell: Cell
    tuning: Tuning
    wealth: Wealth
    sums: TurnSums | None

    @classmethod
    def none_yet(cls, cell: Cell, bets: Bets, tuning: Tuning) -> Paired:
        """Before the first conversation."""
        if cell.kind == "zero_tolerance":
            raise ValueError(f"kind of {cell.name!r} is {cell.kind!r}: it has a budget and no pairs; use Absolute")
        if bets.margin != cell.margin:
            raise ValueError(
                f"margin of the bets is {bets.margin!r}, of {cell.name!r} {cell.margin!r}: plan them alike"
            )
        return cls(cell, tuning, Wealth.none_yet(bets), TurnSums() if cell.kind in COUNTS else None)

    def add(self, closed: Closed | float, *, times: int = 1) -> Paired:
        """One more closed conversation: a :class:`Closed` for counts, else its mean pair value; or ``times`` alike."""
        if isinstance(closed, Closed):
            if self.sums is not None:
                sums = self.sums.add(closed.turns, closed.harm, times=times)
                return Paired(self.cell, self.tuning, self.wealth.add(closed.x, times=times), sums)
        elif self.sums is None:
            return Paired(self.cell, self.tuning, self.wealth.add(closed, times=times), None)
        raise self._other_form(closed)

    def add_all(self, closed: Iterable[Closed | float]) -> Paired:
        """Many closed conversations: the same bits as one after the other, several times faster where values repeat."""
        return self.add_counted(Counter(closed))

    def add_counted(self, counted: Mapping[Closed | float, int]) -> Paired:
        """So many of each: the same bits again."""
        if not counted:
            return self
        values: dict[float, int] = {}
        turns: dict[tuple[int, int], int] = {}
        for each, times in counted.items():
            if isinstance(each, Closed) == (self.sums is None):
                raise self._other_form(each)
            if isinstance(each, Closed):
                turns[each.turns, each.harm] = turns.get((each.turns, each.harm), 0) + times
                values[each.x] = values.get(each.x, 0) + times
            else:
                values[each] = values.get(each, 0) + times
        sums = None if self.sums is None else self.sums.add_all(turns)
        return Paired(self.cell, self.tuning, self.wealth.add_all(values), sums)

    def _other_form(self, closed: Closed | float) -> ValueError:
        return ValueError(f"conversation is {closed!r}: a {self.cell.kind!r} cell takes the other form, see close()")

    def merge(self, other: Paired) -> Paired:
        """Both together: of disjoint sets of conversations."""
        if (self.cell, self.tuning) != (other.cell, other.tuning):
            raise ValueError(f"cell is {self.cell!r} and {other.cell!r}: merge evidence of the same cell and tuning")
        sums = None if self.sums is None or other.sums is None else self.sums.merge(other.sums)
        return replace(self, wealth=self.wealth.merge(other.wealth), sums=sums)

    @property
    def conversations(self) -> int:
        """Closed conversations that had a value for this cell."""
        return self.wealth.conversations

    @property
    def leg_names(self) -> tuple[str, ...]:
        """What :meth:`legs` holds."""
        return (PER_CONVERSATION,) if self.sums is None else (PER_CONVERSATION, PER_TURN)

    def legs(self) -> Mapping[str, float | None]:
        """Log e-value of each leg that PROMOTE needs; None: not admissible yet."""
        per_conversation = {PER_CONVERSATION: self.wealth.log_e("promote")}
        if self.sums is None:
            return per_conversation
        per_turn = turn_weighted.log_e(self.sums, self.cell.margin, rho=self.tuning.one_sided_rho)
        if per_turn is None:
            per_turn = turn_weighted.log_e_rare(self.sums, self.cell.margin)
        if self.sums.alike and not self.sums.admissible and self.conversations >= LEAST_CONVERSATIONS:
            per_turn = per_conversation[PER_CONVERSATION]  # all of one length: it is the same question
        return {**per_conversation, PER_TURN: per_turn}

    def log_reject(self) -> float:
        """Log e-value of the harm being more than the margin."""
        return self.wealth.log_e("reject")

    def estimate(self) -> float | None:
        """Mean pair value of the conversations; None without any."""
        return self.wealth.mean()

    def bounds(self, alpha: float) -> tuple[float, float] | None:
        """Confidence sequence of the estimate, for display; None before 100 conversations."""
        mean, variance = self.wealth.mean(), self.wealth.variance()
        if mean is None or variance is None or self.conversations < LEAST_CONVERSATIONS:
            return None
        return interval(self.conversations, mean, variance, alpha=alpha, rho=self.tuning.two_sided_rho)

    @property
    def discordant(self) -> int | None:
        """Conversations in which the sides differ; None where the metric is no count."""
        return None if self.sums is None else self.sums.discordant


@dataclass(frozen=True, slots=True)
class Absolute:
    """Evidence of a cell with an absolute budget."""

    cell: Cell
    counts: EventCounts = field(default_factory=EventCounts)

    def __post_init__(self) -> None:
        """Refuse a cell that compares."""
        if self.cell.kind != "zero_tolerance":
            raise ValueError(f"kind of {self.cell.name!r} is {self.cell.kind!r}: it compares pairs; use Paired")

    def add(self, *, event: bool) -> Absolute:
        """One more closed conversation."""
        return replace(self, counts=self.counts.add(event=event))

    def merge(self, other: Absolute) -> Absolute:
        """Both together: of disjoint sets of conversations."""
        if self.cell != other.cell:
            raise ValueError(f"cell is {self.cell!r} and {other.cell!r}: merge evidence of the same cell")
        return replace(self, counts=self.counts.merge(other.counts))

    @property
    def conversations(self) -> int:
        """Closed conversations."""
        return self.counts.conversations

    @property
    def leg_names(self) -> tuple[str, ...]:
        """What :meth:`legs` holds."""
        return (BUDGET,)

    def legs(self) -> Mapping[str, float | None]:
        """Log e-value of the rate being under the budget."""
        return {BUDGET: budget.log_e(self.counts, self.cell.margin, "promote")}

    def log_reject(self) -> float:
        """Log e-value of the rate being over the budget."""
        return budget.log_e(self.counts, self.cell.margin, "reject")

    def estimate(self) -> float | None:
        """Share of conversations with an event; None without conversations."""
        return self.counts.mean()

    def bounds(self, alpha: float) -> tuple[float, float] | None:
        """Rates that are still possible, exact at any time; None without conversations."""
        return budget.rate_interval(self.counts, alpha=alpha) if self.conversations else None

    @property
    def discordant(self) -> int | None:
        """No sides, so nothing differs."""
        return None


Evidence = Paired | Absolute


def log_mean_e(logs: list[float]) -> float:
    """Logarithm of the arithmetic mean of e-values: an e-value too, however they depend on each other."""
    most = max(logs)
    if most == -math.inf:
        return most
    return most + math.log(math.fsum(math.exp(each - most) for each in logs) / len(logs))
