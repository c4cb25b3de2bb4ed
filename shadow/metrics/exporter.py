"""Registers the catalogue's families on demand, caches their children, serves ``/metrics`` on an explicit address."""

from __future__ import annotations

from functools import cache
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics, start_http_server

from shadow import __version__
from shadow.metrics.catalogue import CATALOGUE, Family

_BY_NAME: Final[dict[str, Family]] = {family.name: family for family in CATALOGUE}


class Metrics:
    """One process's metrics. ``counter``, ``gauge``, ``histogram`` give a cached child: its labels are bound once."""

    def __init__(self, process: str) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self.registry = CollectorRegistry()
        self._family = cache(self._register)
        self.counter = cache(self._counter)
        self.gauge = cache(self._gauge)
        self.histogram = cache(self._histogram)
        self.gauge("shadow_build_info", __version__, process).set(1)

    def serve(self, host: str, port: int) -> None:
        """Serve ``/metrics`` from a thread. Raises :class:`OSError` if the port is taken."""
        start_http_server(port, addr=host, registry=self.registry)

    def _register(self, name: str) -> Counter | Gauge | Histogram:
        family = _BY_NAME[name]
        if family.kind == "histogram":
            return Histogram(name, family.help, family.labels, registry=self.registry, buckets=family.buckets)
        kind = Counter if family.kind == "counter" else Gauge
        return kind(name, family.help, family.labels, registry=self.registry)

    def _child(self, name: str, labels: tuple[str, ...]) -> Counter | Gauge | Histogram:
        family = self._family(name)
        return family.labels(*labels) if labels else family

    def _counter(self, name: str, *labels: str) -> Counter:
        child = self._child(name, labels)
        if not isinstance(child, Counter):
            raise TypeError(f"{name} is not a counter")
        return child

    def _gauge(self, name: str, *labels: str) -> Gauge:
        child = self._child(name, labels)
        if not isinstance(child, Gauge):
            raise TypeError(f"{name} is not a gauge")
        return child

    def _histogram(self, name: str, *labels: str) -> Histogram:
        child = self._child(name, labels)
        if not isinstance(child, Histogram):
            raise TypeError(f"{name} is not a histogram")
        return child
