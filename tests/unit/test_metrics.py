"""The catalogue is kept: closed sets, bounds, series that go; the Tap's figures in production's registry."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.openmetrics.exposition import generate_latest as openmetrics_page
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics_parse
from prometheus_client.parser import text_string_to_metric_families as text_parse

from shadow.metrics import labels
from shadow.metrics.catalogue import BY_NAME, CATALOGUE, RUNTIME_SERIES, Process, series_bound
from shadow.metrics.exporter import Metrics, observe_all
from shadow.metrics.labels import CANDIDATES, OTHER
from shadow.metrics.tap import TapCollector
from shadow.tap import Tap


def names(metrics: Metrics) -> set[str]:
    return {sample.name for family in metrics.registry.collect() for sample in family.samples}


def own_series(metrics: Metrics) -> int:
    """How many of the catalogue's series are exported, by looking at the export."""
    families = [family for family in metrics.registry.collect() if family.name in BY_NAME]
    return sum(len(family.samples) for family in families)


@pytest.mark.parametrize("family", CATALOGUE, ids=lambda family: family.name)
def test_a_family_is_named_as_prometheus_wants_it(family) -> None:
    assert family.name.startswith("shadow_")
    assert not family.name.endswith("_total")
    assert (family.kind == "histogram") == bool(family.buckets)
    assert len(family.buckets) <= 11  # observe() scans them
    assert set(family.by) <= set(get_args(Process))
    assert len(set(family.label_names)) == len(family.label_names)
    assert all(bool(label.values) != bool(label.bound) for label in family.labels)
    assert all(label.source for label in family.labels if label.bound)
    if set(family.buckets) and "seconds" not in family.name:
        assert family.name.endswith("_ratio")


def test_each_name_is_there_once() -> None:
    exposed = [name for family in CATALOGUE for name in family.exposed]
    assert len(set(exposed)) == len(exposed)


def test_a_child_is_bound_once() -> None:
    metrics = Metrics("test")
    assert metrics.counter("shadow_failures", "a", "timeout") is metrics.counter("shadow_failures", "a", "timeout")


def test_a_value_outside_of_a_closed_set_is_refused() -> None:
    with pytest.raises(ValueError, match="kind='bad luck'"):
        Metrics("test").counter("shadow_failures", "a", "bad luck")


def test_the_wrong_number_of_labels_or_kind_is_refused() -> None:
    metrics = Metrics("test")
    with pytest.raises(ValueError, match="has the labels"):
        metrics.counter("shadow_failures", "a")
    with pytest.raises(TypeError, match="is not a gauge"):
        metrics.gauge("shadow_failures", "a", "timeout")


def test_values_beyond_the_bound_fold_into_other_and_each_is_counted() -> None:
    """The 18th arm and all after it share one series; what was known before is not touched."""
    metrics = Metrics("test")
    for number in range(CANDIDATES + 3):
        metrics.gauge("shadow_candidate_paused", f"arm-{number}").set(1)
    metrics.gauge("shadow_candidate_paused", f"arm-{CANDIDATES + 1}").set(1)
    value = metrics.registry.get_sample_value
    assert value("shadow_candidate_paused", {"candidate": OTHER}) == 1
    assert value("shadow_candidate_paused", {"candidate": f"arm-{CANDIDATES - 1}"}) == 1
    assert value("shadow_candidate_paused", {"candidate": f"arm-{CANDIDATES}"}) is None
    overflows = {"metric": "shadow_candidate_paused", "label": "candidate"}
    assert value("shadow_exporter_label_overflows_total", overflows) == 4


def test_a_bounded_registry_does_not_grow_with_what_comes() -> None:
    """Ten thousand made-up tool names: as many series as the bound says, and nothing kept of the rest."""
    metrics = Metrics("test")
    for number in range(10_000):
        metrics.counter("shadow_tool_calls_recorded", "a", f"tool-{number}").inc()
    children = [key for key in metrics._children if key[0] == "shadow_tool_calls_recorded"]
    assert len(children) == labels.TOOL.bound + 1


def test_the_first_overflow_is_an_increase() -> None:
    metrics = Metrics("test")
    metrics.gauge("shadow_candidate_paused", "a")
    overflows = {"metric": "shadow_candidate_paused", "label": "candidate"}
    assert metrics.registry.get_sample_value("shadow_exporter_label_overflows_total", overflows) == 0


def test_prepared_children_begin_at_zero() -> None:
    metrics = Metrics("test")
    metrics.prepare("shadow_failures", "a")
    for kind in labels.KIND.values:
        assert metrics.registry.get_sample_value("shadow_failures_total", {"candidate": "a", "kind": kind}) == 0


def test_what_is_forgotten_is_exported_no_more_and_can_come_back() -> None:
    """A partition that was taken away, an arm that was retired: their series go, the others stay."""
    metrics = Metrics("test")
    for arm in ("a", "b"):
        metrics.prepare("shadow_failures", arm)
        metrics.gauge("shadow_candidate_paused", arm).set(1)
    held = metrics.gauge("shadow_candidate_paused", "a")
    metrics.forget(candidate="a")
    held.set(1)
    text = generate_latest(metrics.registry).decode()
    assert 'candidate="a"' not in text
    assert 'shadow_candidate_paused{candidate="b"} 1.0' in text
    metrics.gauge("shadow_candidate_paused", "a").set(0)
    assert metrics.registry.get_sample_value("shadow_candidate_paused", {"candidate": "a"}) == 0


def test_arms_that_come_and_go_do_not_use_up_the_bound() -> None:
    metrics = Metrics("test")
    for number in range(3 * CANDIDATES):
        metrics.gauge("shadow_candidate_paused", f"arm-{number}").set(1)
        metrics.forget(candidate=f"arm-{number}")
    metrics.gauge("shadow_candidate_paused", "last").set(1)
    assert metrics.registry.get_sample_value("shadow_candidate_paused", {"candidate": "last"}) == 1


def test_forgetting_needs_a_label() -> None:
    with pytest.raises(ValueError, match="forget everything"):
        Metrics("test").forget()


def test_the_number_of_series_is_what_is_exported() -> None:
    metrics = Metrics("test")
    metrics.prepare("shadow_failures", "a")
    metrics.histogram("shadow_divergence_ratio", "a", "semantic").observe(0.1)
    metrics.forget(candidate="a")
    metrics.histogram("shadow_divergence_ratio", "b", "semantic").observe(0.1)
    assert metrics.registry.get_sample_value("shadow_exporter_series") == own_series(metrics) + RUNTIME_SERIES


def test_the_bound_of_series_holds_for_full_registries() -> None:
    """A comparator with as many arms and measures as fit, and one more of each: not one series over the bound."""
    metrics, bounds = Metrics("test"), {"partition": 24}
    for family in CATALOGUE:
        if "comparator" in family.by and family.labels:
            fill(metrics, family)
    assert own_series(metrics) + RUNTIME_SERIES <= series_bound("comparator", bounds)
    assert own_series(metrics) > 0.8 * series_bound("comparator", bounds)


def fill(metrics: Metrics, family) -> None:
    if family.name == "shadow_outcomes":
        combos = [(f"candidate-{arm}", *ending) for arm in range(18) for ending in labels.ENDINGS]
    elif "partition" in family.label_names:
        topics = ("support.turns", "support.replies", "shadow.replies")
        combos = [("g", topic, str(number)) for topic in topics for number in range(24)]
    elif family.name == "shadow_candidate_info":
        combos = [(f"candidate-{n}", f"team-{n}", "candidate", f"r{n}", "p", "m") for n in range(18)]
    elif family.name in {"shadow_build_info", "shadow_exporter_label_overflows"}:
        return
    else:
        combos = [()]
        for label in family.labels:
            values = label.values or [f"{label.name}-{number}" for number in range(label.bound + 1)]
            combos = [(*combo, value) for combo in combos for value in values]
    for combo in combos:
        getattr(metrics, family.kind)(family.name, *combo)


def test_the_taps_figures_stand_in_productions_own_registry() -> None:
    tap, registry = Tap("127.0.0.1:1"), CollectorRegistry()
    registry.register(TapCollector(tap))
    tap.turn(conversation_id="not an id", messages=[{"role": "user", "content": "x"}])
    assert registry.get_sample_value("shadow_tap_dropped_total", {"reason": "invalid"}) == 1
    assert registry.get_sample_value("shadow_tap_dropped_total", {"reason": "queue_full"}) == 0
    assert registry.get_sample_value("shadow_tap_records_total") == 0
    found = {family.name for family in registry.collect()}
    assert found == {family.name for family in CATALOGUE if family.by == ("tap",)}
    tap.close(0)


def parsed(text: str, parse: Any) -> set[tuple[Any, ...]]:
    """Every sample: name, labels, value, exemplar; and every family with its kind and help."""
    found: set[tuple[Any, ...]] = set()
    for family in parse(text):
        if family.name.startswith("process_") or not family.samples:  # of this very instant; of nothing
            continue
        found.add((family.name, family.type, family.documentation))
        for sample in family.samples:
            exemplar = sample.exemplar and (tuple(sample.exemplar.labels.items()), sample.exemplar.value)
            found.add((sample.name, tuple(sorted(sample.labels.items())), sample.value, exemplar))
    return found


PAGES = {
    "openmetrics": (True, openmetrics_page, openmetrics_parse),
    "text": (False, generate_latest, text_parse),
}


@pytest.mark.parametrize("form", PAGES)
def test_a_page_says_what_prometheus_clients_own_says(form: str) -> None:
    """Of every kind, with labels to be escaped, an exemplar, a function's value, infinity, and what was removed."""
    modern, generate, parse = PAGES[form]
    metrics = Metrics('odd"name\\with\nall')
    metrics.prepare("shadow_failures", "a")
    metrics.counter("shadow_failures", "a", "timeout").inc(3)
    metrics.histogram("shadow_candidate_request_duration_seconds", "a").observe(0.7, {"trace_id": "4bf9"})
    metrics.histogram("shadow_candidate_request_duration_seconds", 'b"').observe(99)
    metrics.histogram("shadow_event_loop_lag_seconds").observe(0.002)
    metrics.gauge("shadow_candidate_budget_usd", "a").set(float("inf"))
    metrics.gauge("shadow_ready").set_function(lambda: 1)
    metrics.gauge("shadow_candidate_paused", "gone").set(1)
    for _ in range(2):  # the second time from remembered texts
        page = metrics.page(modern=modern).decode()
        assert parsed(page, parse) == parsed(generate(metrics.registry).decode(), parse)
        assert page.endswith("# EOF\n") == modern
        assert "process_resident_memory_bytes" in page
        metrics.forget(candidate="gone")
        metrics.counter("shadow_failures", "a", "timeout").inc()


@given(batches=st.lists(st.lists(st.sampled_from([0.0, 0.05, 0.1, 0.1000001, 0.5, 1.0, 7.0, float("inf")]))))
def test_many_observations_at_once_count_as_one_after_another(batches: list[list[float]]) -> None:
    """In the same buckets, also on a bound and above the last one, and with the same sum."""
    metrics = Metrics("test")
    once = metrics.histogram("shadow_divergence_ratio", "once", "semantic")
    each = metrics.histogram("shadow_divergence_ratio", "each", "semantic")
    for batch in batches:
        observe_all(once, batch)
        for one in batch:
            each.observe(one)

    def values(child: Any) -> dict[tuple[str, str | None], float]:
        return {(sample.name, sample.labels.get("le")): sample.value for sample in child._child_samples()}

    assert values(once) == pytest.approx(values(each))


def test_a_page_is_made_while_others_count_and_come_and_go() -> None:
    """From a thread of its own, with children that are bound and removed meanwhile: no error, no half line."""
    metrics, stop = Metrics("test"), threading.Event()

    def count() -> None:
        while not stop.is_set():
            for number in range(CANDIDATES):
                metrics.prepare("shadow_failures", f"arm-{number}")
                metrics.counter("shadow_failures", f"arm-{number}", "timeout").inc()
                metrics.forget(candidate=f"arm-{number}")

    with ThreadPoolExecutor(1) as pool:
        counting = pool.submit(count)
        try:
            for _ in range(50):
                list(openmetrics_parse(metrics.page(modern=True).decode()))
        finally:
            stop.set()
        counting.result(120)
