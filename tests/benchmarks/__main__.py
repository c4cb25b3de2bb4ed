"""``make bench``: every performance goal in one run, on both brokers, each beside its yardstick.

Ratios are of CPU seconds where one core's work is meant ("per core"), of the clock otherwise; the machine is noisy, so
yardstick and subject take turns, and the median of the rounds is printed. ``ARGS="--quick"`` for a short run,
``--broker embedded|kafka``, ``--only NAME``, ``--profile`` for where the comparator's time goes.
"""

from __future__ import annotations

import argparse
import logging
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.table import Table

from tests.benchmarks import comparator, exporter, gate, latency, memory, mirror, plugins, production, tap
from tests.benchmarks import console as pages
from tests.benchmarks.figure import Figure, Scale
from tests.fixtures import brokers

Benchmark = Callable[[str, Path, Scale], Iterator[Figure]]

BENCHMARKS: Final[dict[str, Benchmark]] = {
    "comparator": comparator.one_worker,
    "two-workers": comparator.two_workers,
    "memory": memory.waiting_turns,
    "latency": latency.reply_to_row,
    "mirror": mirror.calls,
    "tap": tap.figures,
    "production": production.figures,
    "gate": gate.figures,
}

WITHOUT_BROKER: Final[dict[str, Callable[[Scale], Iterator[Figure]]]] = {
    "plugins": plugins.figures,
    "exporter": exporter.figures,
    "console": pages.figures,
}


@contextmanager
def a_broker(kind: str, folder: Path) -> Iterator[str]:
    """A fresh broker of that kind."""
    if kind == "embedded":
        with brokers.embedded_broker(folder) as bootstrap:
            yield bootstrap
    else:
        with brokers.kafka(folder, nodes=1) as cluster:
            yield cluster.bootstrap[0]


def main() -> None:
    """Run, and print each figure as soon as it is known, then the table."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--profile", action="store_true")
    parser.add_argument("--broker", choices=("embedded", "kafka"))
    parser.add_argument("--only", choices=sorted([*BENCHMARKS, *WITHOUT_BROKER]))
    given = parser.parse_args()
    logging.basicConfig(level=logging.WARNING)  # before wordllama does, for everybody and at INFO
    scale, console = Scale.quick() if given.quick else Scale(), Console(width=110)
    if given.profile:
        console.print(comparator.profile(scale))
        return
    table = Table("broker", "what", "measured", "yardstick", "ratio or goal", title="Benchmarks")
    for name, alone in WITHOUT_BROKER.items():
        for figure in alone(scale) if given.only in (None, name) else ():
            console.print(f"no broker: {figure}")
            table.add_row("none", *figure.row())
    for kind in [] if given.only in WITHOUT_BROKER else [given.broker] if given.broker else ["embedded", "kafka"]:
        for name, benchmark in BENCHMARKS.items():
            if given.only not in (None, name):
                continue
            with tempfile.TemporaryDirectory() as folder, a_broker(kind, Path(folder)) as bootstrap:
                for figure in benchmark(bootstrap, Path(folder), scale):
                    console.print(f"{kind}: {figure}")
                    table.add_row(kind, *figure.row())
    console.print(table)


if __name__ == "__main__":
    main()
