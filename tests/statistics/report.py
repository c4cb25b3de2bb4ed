"""The figures as tables: on a terminal, and between two markers of docs/design/gate.md."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tests.statistics import league
from tests.statistics.figures import Figure
from tests.statistics.scenario import Result

DOCS = Path(__file__).parents[2] / "docs" / "design" / "gate.md"
BEGIN, END = "<!-- simulate: begin -->", "<!-- simulate: end -->"
HEADER = ("goal", "what", "measured ± standard error", "goal", "")


def show(console: Console, results: Mapping[str, Result], figures: Iterable[Figure]) -> None:
    """Both tables, and how many goals are missed."""
    listed = list(figures)
    console.print(_table("Goals", HEADER, [each.row() for each in listed]))
    console.print(_table("Promoted, on the same streams (median turns)", league.HEADER, league.rows(results)))
    missed = [each for each in listed if each.met is False]
    kept = sum(each.met is True for each in listed)
    console.print(f"{kept} goals met, {len(missed)} missed; {replications(results)}.")


def replications(results: Mapping[str, Result]) -> str:
    """How many streams the figures rest on."""
    counts = [len(next(iter(each.values()))) for each in results.values()]
    few, most = min(counts), max(counts)
    return f"{most:,} streams a line" if few == most else f"{most:,} streams a line, {few:,} at least where one is long"


def write(results: Mapping[str, Result], figures: Iterable[Figure], path: Path = DOCS) -> None:
    """Both tables into the page."""
    body = [
        f"{replications(results)[0].upper()}{replications(results)[1:]}; more than one number: ICC 0, 0.1, 0.2, 0.3.",
        "",
        *markdown(HEADER, [each.row() for each in figures]),
        "",
        "Promoted, on the same streams (median turns); ICC 0.2 where none is given; 20,000 turns at most:",
        "",
        *markdown(league.HEADER, league.rows(results)),
    ]
    put(body, "simulate", path)


def put(lines: Iterable[str], name: str, path: Path = DOCS) -> None:
    """``lines`` into the page, in place of what is between the markers of that name."""
    begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
    head, rest = path.read_text().split(begin)
    _, tail = rest.split(end)
    path.write_text(head + begin + "\n\n" + "\n".join(lines) + "\n\n" + end + tail)


def _table(title: str, header: Sequence[str], rows: Iterable[Sequence[str]]) -> Table:
    table = Table(*header, title=title)
    for row in rows:
        table.add_row(*row, style="bold red" if "MISSED" in row else None)
    return table


def markdown(header: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """A table, line by line."""
    lines = [header, ["---"] * len(header), *rows]
    return ["| " + " | ".join(cell.replace("|", r"\|") for cell in line) + " |" for line in lines]
