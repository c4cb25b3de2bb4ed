"""What the default plug-ins cost together: ``python -m tests.benchmarks.plugins``. No broker, no process.

``shadow plugins bench`` prints the same figures of each, an outsider's too. On typical support pairs in batches, no
pair twice: nothing is remembered but what two plug-ins read of one text, the system prompt and common words.
"""

from __future__ import annotations

from collections.abc import Iterator

from shadow import plugins
from shadow.config import Comparator, Slices
from shadow.conformance import costs
from tests.benchmarks.figure import Figure, Scale

GOAL_US = 250.0
SLICERS_GOAL_US = 30.0


def figures(scale: Scale) -> Iterator[Figure]:
    """One line for each plug-in in use by default, then the slicers, then all of them together."""
    used = {
        "shadow.slices": plugins.slicers(Slices().use, {}),
        "shadow.failures": plugins.detectors(),
        "shadow.measures": plugins.measures(Comparator().measures),
    }
    found = costs(used, 5 * scale.rounds)
    for cost in found:
        per = "a turn" if cost.family == "shadow.slices" else "a pair"
        yield Figure(f"{cost.family.removeprefix('shadow.')} {cost.name}", f"{cost.us:.1f} us", "", per)
    slicers = sum(cost.us for cost in found if cost.family == "shadow.slices")
    yield Figure("default slicers", f"{slicers:.0f} us", f"{SLICERS_GOAL_US:.0f} us", "a turn; goal")
    total = sum(cost.us for cost in found)
    yield Figure("default measures, detectors and slicers", f"{total:.0f} us", f"{GOAL_US:.0f} us", "a pair; goal")


if __name__ == "__main__":
    for figure in figures(Scale()):
        print(figure)
