"""Registers the catalogue's families on demand and caches their children.

Cached children matter: ``labels(...).inc()`` costs 1.3 to 1.9 us, a child's ``inc`` 0.5 (prometheus-client 0.26).
One exporter per process, never multiprocess mode: that has one global lock and no exemplars.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter as Tally
from collections import defaultdict
from collections.abc import Sequence
from itertools import product
from typing import Final, TypeVar

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
)

from shadow import __version__
from shadow.metrics.catalogue import BY_NAME, RUNTIME_SERIES, Family
from shadow.metrics.exposition import Lines, page
from shadow.metrics.labels import OTHER

Child = Counter | Gauge | Histogram
K = TypeVar("K", Counter, Gauge, Histogram)

OVERFLOWS: Final = "shadow_exporter_label_overflows"

_KINDS: Final[dict[str, type[Child]]] = {"counter": Counter, "gauge": Gauge, "histogram": Histogram}


def observe_all(histogram: Histogram, values: Sequence[float]) -> None:
    """Observe each of ``values``: as ``observe`` does, without its two locks and its search for each of them.

    A batch of a thousand costs a tenth. No NaN, and no exemplars.
    """
    if not values:
        return
    histogram._sum.inc(sum(values))  # noqa: SLF001 (the library has no way to observe more than one at a time)
    bounds, buckets = histogram._upper_bounds, histogram._buckets  # noqa: SLF001
    for bucket, count in Tally(bisect_left(bounds, value) for value in values).items():
        buckets[bucket].inc(count)


class Metrics:
    """One process's metrics. ``counter``, ``gauge``, ``histogram`` give a cached child: its labels are bound once.

    A value outside of a label's closed set is a :class:`ValueError`. Of a bounded label the first values are taken;
    further ones fold into ``__other__``, and each time that is asked for counts as an overflow.
    """

    def __init__(self, process: str) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self.registry = CollectorRegistry()
        self._runtime = CollectorRegistry()
        self.registry.register(ProcessCollector(registry=self._runtime))
        self._lines: defaultdict[str, dict[tuple[str, ...], Lines]] = defaultdict(dict)
        self._families: dict[str, Child] = {}
        self._children: dict[tuple[str, tuple[str, ...]], Child] = {}
        self._seen: defaultdict[str, set[str]] = defaultdict(set)
        self._size = RUNTIME_SERIES
        self._series = self.gauge("shadow_exporter_series")
        self.gauge("shadow_build_info", __version__, process).set(1)

    def counter(self, name: str, *labels: str) -> Counter:
        """The counter of these label values."""
        return self._child(Counter, name, labels)

    def gauge(self, name: str, *labels: str) -> Gauge:
        """The gauge of these label values."""
        return self._child(Gauge, name, labels)

    def histogram(self, name: str, *labels: str) -> Histogram:
        """The histogram of these label values."""
        return self._child(Histogram, name, labels)

    def page(self, *, modern: bool) -> bytes:
        """What a scrape gets, as OpenMetrics (``modern``, with exemplars) or in the older text format.

        May be called from another thread than the one that counts.
        """
        families = [(BY_NAME[name], list(lines.values())) for name, lines in list(self._lines.items()) if lines]
        return page(families, self._runtime, modern=modern)

    def prepare(self, name: str, *given: str) -> None:
        """Begin at 0 every child of a family whose first labels are ``given`` and whose others have closed sets.

        Prometheus sees no increase in a series that is born at 1, so the first failure would alert nobody.
        """
        family = BY_NAME[name]
        for rest in product(*(label.values for label in family.labels[len(given) :])):
            self._bind(name, (*given, *rest))

    def remove(self, name: str, *labels: str) -> None:
        """Export this child no more; nothing if it is not there. Its values stay known: the bound counts them."""
        if self._children.pop((name, labels), None) is not None:
            self._families[name].remove(*labels)
            del self._lines[name][labels]
            self._count(-BY_NAME[name].samples)

    def forget(self, **labels: str) -> None:
        """Export nothing any more that has all these labels, of a retired arm for example, and forget their values.

        Whoever holds such a child can go on using it, to no effect. Raises :class:`ValueError` without labels.
        """
        if not labels:
            raise ValueError("forget() needs a label: without one it would forget everything")
        for name, values in list(self._children):
            family = BY_NAME[name]
            bound = dict(zip(family.label_names, values, strict=True))
            if all(bound.get(label) == value for label, value in labels.items()):
                self.remove(name, *values)
        for label, value in labels.items():
            if not any(value in values for name, values in self._children if label in BY_NAME[name].label_names):
                self._seen[label].discard(value)

    def _child(self, kind: type[K], name: str, labels: tuple[str, ...]) -> K:
        child = self._children.get((name, labels))
        if child is None:
            child = self._bind(name, labels)
        if not isinstance(child, kind):
            raise TypeError(f"{name} is not a {kind.__name__.lower()}")
        return child

    def _bind(self, name: str, labels: tuple[str, ...]) -> Child:
        family = BY_NAME[name]
        folded = self._fold(family, labels)
        child = self._children.get((name, folded))
        if child is None:
            metric = self._families.get(name) or self._register(family)
            child = metric.labels(*folded) if folded else metric
            self._children[name, folded] = child
            self._lines[name][folded] = Lines(name, zip(family.label_names, folded, strict=True), child)
            self._count(family.samples)
        return child

    def _fold(self, family: Family, labels: tuple[str, ...]) -> tuple[str, ...]:
        if len(labels) != len(family.labels):
            raise ValueError(f"{family.name} has the labels {family.label_names}, not {len(labels)} values")
        folded = []
        for label, value in zip(family.labels, labels, strict=True):
            if label.values:
                if value not in label.values:
                    raise ValueError(f"{family.name}: {label.name}={value!r} is not one of {label.values}")
            elif value != OTHER and value not in self._seen[label.name]:
                if len(self._seen[label.name]) >= label.bound:
                    self.counter(OVERFLOWS, family.name, label.name).inc()
                    folded.append(OTHER)
                    continue
                self._seen[label.name].add(value)
            folded.append(value)
        return tuple(folded)

    def _register(self, family: Family) -> Child:
        settings: dict[str, tuple[float, ...]] = {"buckets": family.buckets} if family.buckets else {}
        made = _KINDS[family.kind](family.name, family.help, family.label_names, registry=self.registry, **settings)  # type: ignore[arg-type]
        self._families[family.name] = made
        if family.name != OVERFLOWS:
            for label in family.labels:
                if not label.values:
                    self.counter(OVERFLOWS, family.name, label.name)  # from 0: the first one must show
        return made

    def _count(self, samples: int) -> None:
        self._size += samples
        if ("shadow_exporter_series", ()) in self._children:
            self._children["shadow_exporter_series", ()].set(self._size)  # type: ignore[union-attr]
