"""``make simulate``: the simulations that hold the gate to its goals, on all cores.

Fixed seeds; finished blocks are kept in .shadow/simulate, so a run that was ended goes on where it was.
``ARGS="--short"`` (``make simulate-short``) for a few hundred streams a scenario, ``--kept`` for what earlier runs left
without running anything, ``--write`` to put the tables into docs/design/gate.md. Ends with 1 if a goal is missed.
"""

from __future__ import annotations

import argparse
import sys
from itertools import chain

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from tests.statistics import exact, goals, report, runner


def main() -> int:
    """Run what is missing, then print every goal."""
    parser = argparse.ArgumentParser(prog="python -m tests.statistics", description=__doc__)
    parser.add_argument("--short", action="store_true")
    parser.add_argument("--kept", action="store_true")
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--replications", type=int, default=None)
    parser.add_argument("--workers", type=int, default=None)
    given = parser.parse_args()
    replications = given.replications or (runner.SHORT if given.short else runner.FULL)
    console = Console(width=None if sys.stdout.isatty() else 160)
    results = runner.collect(replications) if given.kept else _run(console, replications, given.workers)
    figures = list(chain(goals.figures(results), exact.figures()))
    report.show(console, results, figures)
    if given.write:
        report.write(results, figures)
    return int(any(each.met is False for each in figures))


def _run(console: Console, replications: int, workers: int | None) -> dict[str, runner.Result]:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console) as progress:
        task = progress.add_task(f"{replications:,} streams a scenario", total=None)

        def tell(name: str, done: int, total: int) -> None:
            progress.update(task, description=name, completed=done, total=total)

        return runner.run(replications, workers=workers, tell=tell)


if __name__ == "__main__":
    sys.exit(main())
