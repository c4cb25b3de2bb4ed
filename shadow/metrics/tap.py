"""The Tap's figures for production's own registry: ``registry.register(TapCollector(tap))``.

The Tap itself knows nothing of Prometheus: it is a guest, and importing it costs nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from shadow.metrics.catalogue import BY_NAME
from shadow.metrics.labels import DROP


class _Stats(Protocol):
    @property
    def queued(self) -> int: ...
    @property
    def queued_bytes(self) -> int: ...
    @property
    def sent(self) -> int: ...
    @property
    def dropped(self) -> dict[str, int]: ...


class _Tap(Protocol):
    def stats(self) -> _Stats:
        """What became of the records given until now."""
        ...


class TapCollector(Collector):
    """Reads ``tap.stats()`` at each scrape: no cost on a request's path."""

    def __init__(self, tap: _Tap) -> None:
        self._tap = tap

    def collect(self) -> Iterator[Metric]:
        """Records sent, dropped by reason (each from 0), and what waits."""
        stats = self._tap.stats()
        yield CounterMetricFamily("shadow_tap_records", BY_NAME["shadow_tap_records"].help, value=stats.sent)
        dropped = CounterMetricFamily("shadow_tap_dropped", BY_NAME["shadow_tap_dropped"].help, labels=[DROP.name])
        for reason in DROP.values:
            dropped.add_metric([reason], stats.dropped.get(reason, 0))
        yield dropped
        for name, value in (("shadow_tap_queue_records", stats.queued), ("shadow_tap_queue_bytes", stats.queued_bytes)):
            yield GaugeMetricFamily(name, BY_NAME[name].help, value=value)
