"""What the gate exports: what is not known any more has no series."""

from __future__ import annotations

from consumers.gate import Gate
from consumers.health import Health
from shadow.metrics.exporter import Metrics
from tests.fixtures.brokers import config_for


def test_a_bound_that_is_not_known_any_more_is_exported_no_more() -> None:
    """An old one would be taken for true: no data is not the last data."""
    metrics = Metrics("gate")
    gate, cell = Gate(config_for("127.0.0.1:1"), metrics, Health()), ("c", "facts", "__all__")
    labels = dict(zip(("candidate", "guardrail", "slice"), cell, strict=True))

    def shown() -> float | None:
        return metrics.registry.get_sample_value("shadow_gate_upper_bound_ratio", labels)

    gate._show("shadow_gate_upper_bound_ratio", None, *cell)
    assert shown() is None
    gate._show("shadow_gate_upper_bound_ratio", 0.0, *cell)
    assert shown() == 0.0
    gate._show("shadow_gate_upper_bound_ratio", None, *cell)
    assert shown() is None
    assert b"\nshadow_gate_upper_bound_ratio{" not in metrics.page(modern=True)
