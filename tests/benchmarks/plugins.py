"""What the default plug-ins cost together: ``python -m tests.benchmarks.plugins``. No broker, no process.

``shadow plugins bench`` prints the same figures of each, an outsider's too.
"""

from __future__ import annotations

from collections.abc import Iterator

from shadow import plugins
from shadow.config import Comparator, Slices
from shadow.conformance import costs
from tests.benchmarks.figure import Figure, Scale

GOAL_US = 250.0


def figures(scale: Scale) -> Iterator[Figure]:
    """One line for each plug-in in use by default, then all of them together."""
    used = {
        "shadow.measures": plugins.measures(Comparator().measures),
        "shadow.failures": plugins.detectors(),
        "shadow.slices": plugins.slicers(Slices().use, {}),
    }
    found = costs(used, 5 * scale.rounds)
    for cost in found:
        yield Figure(f"{cost.family.removeprefix('shadow.')} {cost.name}", f"{cost.us:.1f} us", "", "a pair")
    total = sum(cost.us for cost in found)
    yield Figure("default measures and slicers, all detectors", f"{total:.0f} us", f"{GOAL_US:.0f} us", "a pair; goal")


if __name__ == "__main__":
    for figure in figures(Scale()):
        print(figure)
