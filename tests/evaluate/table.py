"""Tables as Markdown, so that the terminal and the documentation show the same."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass


def table(title: str, head: Sequence[str], body: Iterable[Sequence[object]], note: str = "") -> str:
    """A titled table with aligned columns; ``note`` stands below it."""
    cells = [list(head), *([_cell(each) for each in row] for row in body)]
    widths = [max(len(row[at]) for row in cells) for at in range(len(head))]
    lines = [
        "| " + " | ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)) + " |" for row in cells
    ]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join([f"**{title}**", "", *lines, *(["", note] if note else []), ""])


def _cell(value: object) -> str:
    if value is None:
        return "-"
    return f"{value:.3f}" if isinstance(value, float) else str(value)


@dataclass(slots=True)
class Tally:
    """How often something was said and true."""

    hits: int = 0
    false_alarms: int = 0
    misses: int = 0
    rest: int = 0

    def add(self, *, said: bool, true: bool) -> None:
        """One case."""
        if said:
            self.hits += true
            self.false_alarms += not true
        else:
            self.misses += true
            self.rest += not true

    @property
    def precision(self) -> float | None:
        """Of what was said, the share that is true; None where nothing was said."""
        said = self.hits + self.false_alarms
        return self.hits / said if said else None

    @property
    def recall(self) -> float | None:
        """Of what is true, the share that was said; None where nothing is true."""
        true = self.hits + self.misses
        return self.hits / true if true else None

    @property
    def alarm_rate(self) -> float | None:
        """Of what is not true, the share that was said all the same."""
        false = self.false_alarms + self.rest
        return self.false_alarms / false if false else None
