"""docs/metrics.md, from the catalogue."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from shadow.metrics.catalogue import CATALOGUE, EVERY, Family, series_bound
from shadow.metrics.labels import Label
from tests.docs_generate.tables import NOTICE

NAMED: Final = 3
SIZES: Final[tuple[dict[str, int], ...]] = (
    {"candidate": 4, "measure": 7, "partition": 12},
    {"candidate": 17, "measure": 8, "partition": 100},
    {},
)


def metrics() -> str:
    """docs/metrics.md, from the catalogue."""
    lines = [METRICS, "| metric | type | labels | by | meaning |", "|---|---|---|---|---|"]
    lines += [_family(family) for family in CATALOGUE]
    lines += ["\n## Labels\n", "| label | of | values |", "|---|---|---|", *_labels()]
    lines += ["\n## Buckets\n"]
    for buckets in {family.buckets: None for family in CATALOGUE if family.buckets}:
        names = ", ".join(f"`{family.name}`" for family in CATALOGUE if family.buckets == buckets)
        lines.append(f"- {', '.join(f'{bound:g}' for bound in buckets)}: {names}")
    return "\n".join([*lines, *_series_bounds(), ""])


def _labels() -> Iterator[str]:
    """Each label once for each set of values that it has."""
    users: dict[Label, list[str]] = {}
    for family in CATALOGUE:
        for label in family.labels:
            users.setdefault(label, []).append(family.name)
    for label, names in sorted(users.items(), key=lambda item: item[0].name):
        values = ", ".join(f"`{value}`" if value else "none (empty text)" for value in label.values)
        of = ", ".join(f"`{name}`" for name in names) if len(names) <= NAMED else f"{len(names)} families"
        yield f"| `{label.name}` | {of} | {values or f'{label.source}; at most {label.bound}'} |"


def _series_bounds() -> Iterator[str]:
    yield SERIES
    yield "| process | 4 arms, 12 partitions | 17 arms, 100 partitions | every registry full |"
    yield "|---|---|---|---|"
    for process in (*EVERY, "tap"):
        small, large, full = (series_bound(process, bounds) for bounds in SIZES)
        yield f"| {process} | {small:,} | {large:,} | {full:,} |"


def _family(family: Family) -> str:
    name = f"{family.name}_total" if family.kind == "counter" else family.name
    labels = ", ".join(f"`{label}`" for label in family.label_names) or "none"
    cells = [f"`{name}`", family.kind, labels, "all" if family.by == EVERY else ", ".join(family.by)]
    return f"| {' | '.join([*cells, family.help])} |"


METRICS: Final = f"""# Metrics
{NOTICE}
Each process serves `/metrics`, `/healthz` and `/readyz` on its own port. Under `shadow up`, the recorder has
`metrics.port` of the configuration; the comparator, one mirror per arm, the judge and the gate the numbers after it.
`python -m consumers` serves none without `--metrics-port`.
[operations](operations.md#health) says what the two checks say.

Counters are for diagnosis and alerts. They are at least once: a redelivery counts twice, a kill -9 loses what was not
scraped. Verdicts and the audit read the ledger. Counters with closed labels begin at 0, so that the first failure is an
increase. The histograms of an arm's calls carry the turn's trace id as exemplar, where the Tap gave one.

A process exports where it stands in the partitions that it owns; when one is taken away its series go.
The Tap's families stand in production's own registry, if production registers them:
`registry.register(shadow.metrics.tap.TapCollector(tap))`.

## Exported
"""

SERIES: Final = """
## How many series

At most, for one process. Beyond a registry's bound, values fold into `__other__`, and
`shadow_exporter_label_overflows_total` counts each time; an alert watches it. A gate with every registry
full would go over the scrape's `sample_limit` (50,000): name fewer slices in its guardrails, or raise the limit.
"""
