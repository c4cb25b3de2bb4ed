"""How much of the traffic the evidence rests on: what came, what enters, which slices are under-represented."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Final

from shadow.gate.assemble import Conversation, TurnRows
from shadow.gate.turn_values import complete, left_out, names

UNDER: Final = 0.8
"""A slice is under-represented if less than this part of the usual share of its turns enters."""


@dataclass(slots=True)
class Traffic:
    """The turns of closed conversations: all that were sampled for the arm, complete or not."""

    turns: int = 0
    complete: int = 0
    used: int = 0
    conversations: int = 0
    """Those with a turn that enters."""
    another_visit: int = 0
    cost_usd: float = 0.0
    priced: int = 0
    by_prefix: Counter[str] = field(default_factory=Counter)
    incomplete: Counter[str] = field(default_factory=Counter)
    """Outcome and reason of the pairs that are not there."""
    _sliced: Counter[str | None] = field(default_factory=Counter)
    _sliced_out: Counter[str | None] = field(default_factory=Counter)

    def count(self, conversation: Conversation, used: list[TurnRows]) -> None:
        """One more closed conversation, and the turns of it whose prefix is fit."""
        turns = conversation.turns
        self.another_visit += conversation.another_visit
        self.turns += len(turns)
        for turn in turns:
            row = turn.row
            if complete(row):
                self.complete += 1
            else:
                self.incomplete[f"{row.outcome} {row.reason}"] += 1
            if row.candidate_cost_usd is not None:
                self.cost_usd += row.candidate_cost_usd
                self.priced += 1
            self.by_prefix[turn.prefix] += 1
        self._sliced.update([turn.row.slices for turn in turns])
        entering = sum(not left_out(turn.row) for turn in used)
        if entering < len(turns):
            inside = {turn.row.turn_id for turn in used if not left_out(turn.row)}
            self._sliced_out.update([turn.row.slices for turn in turns if turn.row.turn_id not in inside])
        self.used += entering
        self.conversations += bool(entering)

    def slices(self) -> dict[str, tuple[int, int]]:
        """Slice to its turns, and how many of them enter."""
        found: dict[str, tuple[int, int]] = {}
        for text, count in self._sliced.items():
            for name in names(text):
                turns, entering = found.get(name, (0, 0))
                found[name] = (turns + count, entering + count - self._sliced_out[text])
        return dict(sorted(found.items()))

    def under_represented(self) -> list[str]:
        """Slices of which markedly fewer turns enter than of all traffic."""
        if not self.turns:
            return []
        usual = self.used / self.turns
        return [name for name, (turns, entering) in self.slices().items() if entering / turns < UNDER * usual]
