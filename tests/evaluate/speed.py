"""What each plug-in costs: the benchmark of ``tests/benchmarks/plugins.py``, in CPU time on this machine."""

from __future__ import annotations

from collections.abc import Iterator

from tests.benchmarks.figure import Scale
from tests.benchmarks.plugins import figures
from tests.evaluate.table import table


def tables() -> Iterator[str]:
    """One table."""
    lines = [(figure.what, figure.measured, figure.yardstick, figure.result) for figure in figures(Scale())]
    yield table("Cost of each plug-in on a support pair", ("plug-in", "CPU", "goal", ""), lines)


if __name__ == "__main__":
    for text in tables():
        print(text)
