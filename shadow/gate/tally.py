"""Closed conversations, counted cell by cell.

What a conversation says of a cell is ``(turns, harm)`` for counts, whether it happened for budgets, else a mean in
-1..1. Many conversations say the same, so they are counted first, and the evidence is reckoned once per look: the
sums are integers, so that gives the same bits as one after the other.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Final

from shadow.gate.assemble import Conversation, TurnRows
from shadow.gate.betting import Bets, spread5
from shadow.gate.budget import EventCounts
from shadow.gate.conversations import Closed, close_values
from shadow.gate.evidence import Absolute, Evidence, Paired, Tuning
from shadow.gate.experiment import Experiment
from shadow.gate.guardrails import OVERALL, Cell
from shadow.gate.plan import conversations_needed, plan_bets
from shadow.gate.settings import ExcessGuardrail, FailureGuardrail, SlowGuardrail, ZeroTolerance
from shadow.gate.turn_values import REMEMBERED, Count, Event, Value, calm, counter, event, names, value
from shadow.gate.turn_weighted import LONGEST_TURNS

Said = tuple[int, int] | bool | float
"""Of a count (turns, harm); of a budget whether it happened; else the mean pair value."""

PLANNED_WITHOUT_HISTORY: Final = 1_000
"""Conversations that intervals are tuned for where nothing is planned; wrong by a factor of five, it costs little."""


Word = tuple[int, Said]
"""A cell's index, and what a conversation says of it."""


@dataclass(frozen=True, slots=True)
class _Metric:
    """A guardrail's reader, its overall cell, and its slices' cells."""

    read: Count | Value
    cell: int
    slices: dict[str, int]
    paired: bool = False
    """Whether the control must have a fit prefix too."""
    failures: bool = False
    """Whether nothing but failures counts: a conversation without any is known without reading its turns."""
    _cells: dict[str | None, tuple[int, ...]] = field(default_factory=dict)

    def cells(self, slices: str | None) -> tuple[int, ...]:
        """The cells of a turn in these slices (as the ledger has them): the overall one first."""
        found = self._cells.get(slices)
        if found is None:
            found = (self.cell, *(self.slices[name] for name in names(slices) if name in self.slices))
            if len(self._cells) < REMEMBERED:
                self._cells[slices] = found
        return found


class Reader:
    """What a conversation says of each of the experiment's cells."""

    def __init__(self, experiment: Experiment) -> None:
        self._prefixes = frozenset(experiment.gate.prefixes)
        self._counts: list[_Metric] = []
        self._events: list[tuple[Event, int]] = []
        self._values: list[_Metric] = []
        where = {(cell.guardrail, cell.slice): index for index, cell in enumerate(experiment.cells)}
        for each in experiment.gate.guardrails:
            cell = where[each.name, OVERALL]
            if isinstance(each, ZeroTolerance):
                self._events.append((event(each), cell))
                continue
            slices = {name: where[each.name, name] for name in each.slices}
            if isinstance(each, FailureGuardrail | SlowGuardrail):
                failures = isinstance(each, FailureGuardrail)
                self._counts.append(_Metric(counter(each), cell, slices, failures=failures))
            else:
                read = value(each, experiment.candidate)
                self._values.append(_Metric(read, cell, slices, isinstance(each, ExcessGuardrail)))

    def counted(self, conversation: Conversation) -> list[TurnRows]:
        """The turns that enter, by their prefix: the first ``LONGEST_TURNS`` of them."""
        prefixes = self._prefixes
        return [turn for turn in conversation.turns if turn.prefix in prefixes][:LONGEST_TURNS]

    def read(self, turns: list[TurnRows]) -> list[Word]:
        """What these turns of one conversation say; nothing of cells that they have no value for."""
        said: list[Word] = []
        quiet = bool(turns) and calm(turns)
        for metric in self._counts:
            said += _unharmed(metric, turns) if quiet and metric.failures else _counts(metric, turns)
        for happened, cell in self._events:
            if quiet:
                said.append((cell, False))
                continue
            seen = [found for turn in turns if (found := happened(turn)) is not None]
            if seen:
                said.append((cell, any(seen)))
        for metric in self._values:
            said += self._means(metric, turns)
        return said

    def _means(self, metric: _Metric, turns: list[TurnRows]) -> list[Word]:
        if not metric.slices and not metric.paired:
            alone = close_values(map(metric.read, turns))
            return [] if alone is None else [(metric.cell, alone)]
        found: dict[int, list[float]] = {}
        for turn in turns:
            if metric.paired and turn.paired_prefix not in self._prefixes:
                continue
            x = metric.read(turn)
            if x is not None:
                for cell in metric.cells(turn.row.slices):
                    found.setdefault(cell, []).append(x)
        return [(cell, mean) for cell, values in found.items() if (mean := close_values(values)) is not None]


def _counts(metric: _Metric, turns: list[TurnRows]) -> list[Word]:
    """Turns are counted per cell by ``Counter`` in C; harm, which is rare, one by one."""
    if not metric.slices:
        seen = [d for turn in turns if (d := metric.read(turn)) is not None]
        return [(metric.cell, (len(seen), int(sum(seen))))] if seen else []
    cells: list[int] = []
    harms: dict[int, int] = {}
    for turn in turns:
        d = metric.read(turn)
        if d is None:
            continue
        within = metric.cells(turn.row.slices)
        cells += within
        if d:
            for cell in within:
                harms[cell] = harms.get(cell, 0) + int(d)
    return [(cell, (total, harms.get(cell, 0))) for cell, total in Counter(cells).items()]


def _unharmed(metric: _Metric, turns: list[TurnRows]) -> list[Word]:
    """The same of turns on which nobody failed."""
    if not metric.slices:
        return [(metric.cell, (len(turns), 0))]
    cells: list[int] = []
    for turn in turns:
        cells += metric.cells(turn.row.slices)
    return [(cell, (total, 0)) for cell, total in Counter(cells).items()]


def pair_value(said: Said) -> float:
    """The pair value of a conversation: what bets are planned from."""
    return said[1] / said[0] if isinstance(said, tuple) else float(said)


@dataclass(slots=True)
class History:
    """Control's conversations from before the candidate began."""

    values: list[list[float]]
    """Per cell, the pair values."""
    conversations: int = 0
    turns: int = 0
    cost_sum_usd: float = 0.0
    priced: int = 0

    def count(self, turns: list[TurnRows], reader: Reader) -> None:
        """One more of them, by its turns that enter."""
        self.conversations += bool(turns)
        self.turns += len(turns)
        for turn in turns:
            if turn.row.candidate_cost_usd is not None:
                self.cost_sum_usd += turn.row.candidate_cost_usd
                self.priced += 1
        for cell, said in reader.read(turns):
            self.values[cell].append(pair_value(said))

    def share(self, cell: int) -> float:
        """Share of the conversations that say something of the cell; 1 where nothing is known."""
        return len(self.values[cell]) / self.conversations if self.conversations else 1.0

    @property
    def turns_each(self) -> float | None:
        """Turns of a conversation; None without any."""
        return self.turns / self.conversations if self.conversations else None

    @property
    def cost_usd(self) -> float | None:
        """What a turn cost; None: not known."""
        return self.cost_sum_usd / self.priced if self.priced else None


@dataclass(frozen=True, slots=True)
class Plan:
    """Bets and tunings, fixed before the candidate's first conversation; ``needed`` per cell, None: never at 0."""

    bets: tuple[Bets | None, ...]
    needed: tuple[float | None, ...]
    values: tuple[tuple[float, ...], ...]
    """Per cell, the pair values of control's conversations that it rests on; empty without a control."""


def plan(cells: tuple[Cell, ...], values: list[list[float]], *, alpha: float) -> Plan:
    """From control's pair values per cell, in any order."""
    bets: list[Bets | None] = []
    needed: list[float | None] = []
    for cell, have in zip(cells, values, strict=True):
        if cell.kind == "zero_tolerance":
            bets.append(None)
            needed.append(None)
            continue
        chosen = plan_bets(cell.margin, sorted(have)) if have else spread5(cell.margin)
        bets.append(chosen)
        needed.append(conversations_needed(chosen, have, alpha=alpha, side="promote") if have else None)
    return Plan(tuple(bets), tuple(needed), tuple(tuple(sorted(have)) for have in values))


@dataclass(slots=True)
class Tally:
    """The evidence of all cells, and what has been said since it was last reckoned."""

    _evidence: list[Evidence]
    _new: Counter[Word] = field(default_factory=Counter)

    @classmethod
    def none_yet(cls, cells: tuple[Cell, ...], planned: Plan, *, alpha: float) -> Tally:
        """Before the first conversation."""
        made: list[Evidence] = []
        for cell, bets, needed in zip(cells, planned.bets, planned.needed, strict=True):
            if bets is None:
                made.append(Absolute(cell))
            else:
                made.append(Paired.none_yet(cell, bets, Tuning.at(needed or PLANNED_WITHOUT_HISTORY, alpha=alpha)))
        return cls(made)

    def say(self, words: list[Word]) -> None:
        """One more conversation's words."""
        self._new.update(words)

    def evidence(self) -> list[Evidence]:
        """All that was said so far."""
        by_cell: dict[int, dict[Said, int]] = {}
        for (cell, said), times in self._new.items():
            by_cell.setdefault(cell, {})[said] = times
        for cell, counted in by_cell.items():
            self._evidence[cell] = _more(self._evidence[cell], counted)
        self._new.clear()
        return self._evidence


def _more(evidence: Evidence, counted: dict[Said, int]) -> Evidence:
    if isinstance(evidence, Absolute):
        happened = sum(times for said, times in counted.items() if said)
        return replace(evidence, counts=evidence.counts.merge(EventCounts(sum(counted.values()), happened)))
    return evidence.add_counted(
        {_closed(*said) if isinstance(said, tuple) else float(said): times for said, times in counted.items()}
    )


@lru_cache(maxsize=1_024)
def _closed(turns: int, harm: int) -> Closed:
    return Closed(harm / turns, turns, harm, discordant=harm != 0)
