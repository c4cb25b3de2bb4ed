"""What a benchmark yields, and how much it does."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self


@dataclass(frozen=True, slots=True)
class Scale:
    """How many turns, and how often yardstick and subject take turns."""

    turns: int = 12_000
    rounds: int = 2
    waiting: int = 100_000
    seconds: float = 15.0
    calls: int = 6_000

    @classmethod
    def quick(cls) -> Self:
        """Enough to see that it works."""
        return cls(turns=4_000, rounds=1, waiting=20_000, seconds=6.0, calls=1_500)


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of the table."""

    what: str
    measured: str
    yardstick: str
    result: str

    def row(self) -> tuple[str, str, str, str]:
        """The line's cells."""
        return self.what, self.measured, self.yardstick, self.result

    def __str__(self) -> str:
        return f"{self.what}: {self.measured} | {self.yardstick} | {self.result}"
