"""What a backtest may cost, and why it stops. Pure.

Turns and dollars count over all runs of one backtest, so that starting it again does not spend them twice; seconds
count per run. Turns are counted by whole conversations, and never exceeded. What calls under way will cost is reckoned
as the dearest so far; beyond that, dollars can be exceeded by as much as calls under way are dearer.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Why = Literal["max_turns", "max_cost", "max_seconds", "decided"]


@dataclass(frozen=True, slots=True)
class Budget:
    """Limits; None: no limit. ``usd`` in US dollars, as the configuration's prices are."""

    turns: int | None = None
    usd: float | None = None
    seconds: float | None = None

    def refuses_turns(self, begun: int, more: int) -> Why | None:
        """Whether a conversation of ``more`` turns must not begin, after ``begun`` turns."""
        return "max_turns" if self.turns is not None and begun + more > self.turns else None

    def refuses_call(self, spent: Spent, *, elapsed_s: float) -> Why | None:
        """Whether a call must not be made now."""
        if self.usd is not None and spent.expected_usd >= self.usd:
            return "max_cost"
        return "max_seconds" if self.seconds is not None and elapsed_s >= self.seconds else None


@dataclass(slots=True)
class Spent:
    """What the calls cost until now, and how many are under way."""

    usd: float = 0.0
    under_way: int = 0
    dearest_usd: float = 0.0

    @property
    def expected_usd(self) -> float:
        """What it will be once the calls under way are back."""
        return self.usd + self.under_way * self.dearest_usd

    def paid(self, usd: float) -> None:
        """A call has cost so much."""
        self.usd += usd
        self.dearest_usd = max(self.dearest_usd, usd)
