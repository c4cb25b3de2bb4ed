"""Proves expressions and dashboards against the metric catalogue, without a server: each fault is one line.

An expression parses, names metrics that there are, with labels and values that they can have, and uses counters inside
of rates alone. A panel has a question, a unit, targets, a place of its own; thresholds are numbers of
:mod:`~dashboards.limits`. What only data can show, tests/observability shows with a real Prometheus.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from itertools import product
from typing import Any, Final

import promql_parser as promql

from dashboards.labels import MEASURED, TARGET, VARIABLE, parsed
from shadow.metrics.catalogue import CATALOGUE

FOREIGN: Final[dict[str, frozenset[str]]] = {
    "ALERTS": TARGET | {"alertname", "alertstate", "severity", "team", "candidate"},
    "prometheus_notifications_alertmanagers_discovered": TARGET,
    **dict.fromkeys(
        ("up", "scrape_samples_post_metric_relabeling", "scrape_duration_seconds", "process_resident_memory_bytes",
         "process_cpu_seconds_total", "process_open_fds", "process_max_fds", "process_start_time_seconds"), TARGET,
    ),
}  # fmt: skip
"""What is not ours: of Prometheus itself, and of prometheus-client."""

COUNTERS: Final = frozenset(
    name for family in CATALOGUE if family.kind != "gauge" for name in family.exposed
) | {"process_cpu_seconds_total"}  # fmt: skip

VALUES: Final[dict[tuple[str, str], frozenset[str]]] = {
    (name, label.name): frozenset(label.values)
    for family in CATALOGUE
    for name in family.exposed
    for label in family.labels
    if label.values
}
"""Of a metric's labels with a closed set, the values."""

ANYWHERE: Final[dict[str, frozenset[str]]] = {
    label: frozenset().union(*(values for (_, name), values in VALUES.items() if name == label)) for _, label in VALUES
}
"""The same of a label wherever it stands: recording rules keep labels of several families."""

BUILT_IN: Final = frozenset({"__rate_interval", "__interval", "__range"})
COLUMNS: Final = 24


def expression(text: str, recorded: Mapping[str, frozenset[str]]) -> list[str]:
    """The faults of one expression; ``recorded``: recording rules and the labels that they keep."""
    try:
        tree = parsed(text)
    except ValueError as error:
        return [f"does not parse: {error}"]
    return [fault for selector, inside in _selectors(tree) for fault in _selector(selector, recorded, inside=inside)]


def recorded_labels(groups: list[dict[str, Any]]) -> dict[str, frozenset[str]]:
    """Each recording rule's labels, by the level in its name."""
    names = [rule["record"] for group in groups for rule in group["rules"] if "record" in rule]
    return {name: frozenset(name.partition(":")[0].split("_")) for name in names}


def _selectors(node: Any, *, inside: bool = False) -> Iterator[tuple[Any, bool]]:
    """Every selector, and whether it is a range."""
    if isinstance(node, promql.MatrixSelector):
        yield node.vector_selector, True
    elif isinstance(node, promql.VectorSelector):
        yield node, inside
    elif isinstance(node, promql.SubqueryExpr):
        yield from _selectors(node.expr)
    else:
        children = [getattr(node, name, None) for name in ("expr", "lhs", "rhs", "param")]
        for child in [*children, *(node.args if isinstance(node, promql.Call) else ())]:
            if isinstance(child, promql.Expr):
                yield from _selectors(child)


def _selector(selector: Any, recorded: Mapping[str, frozenset[str]], *, inside: bool) -> Iterator[str]:
    name = selector.name
    labels = recorded.get(name) or MEASURED.get(name) or FOREIGN.get(name)
    if labels is None:
        yield f"there is no metric {name}"
        return
    if name in COUNTERS and not inside:
        yield f"{name} is a counter: it says something as a rate alone"
    for matcher in selector.matchers.matchers:
        if matcher.name not in labels:
            yield f"{name} has no label {matcher.name}"
            continue
        known = VALUES.get((name, matcher.name)) or (ANYWHERE.get(matcher.name) if name in recorded else None)
        if known:
            wanted = set(matcher.value.split("|")) - {"", ".+", ".*"}
            for value in sorted(wanted - known):
                yield f"{matcher.name} of {name} is never {value!r}"


def rules(groups: list[dict[str, Any]], recorded: Mapping[str, frozenset[str]]) -> list[str]:
    """The faults of rule groups."""
    found = []
    for rule in (rule for group in groups for rule in group["rules"]):
        name = rule.get("record") or rule["alert"]
        found += [f"{name}: {fault}" for fault in expression(rule["expr"], recorded)]
        if "alert" in rule:
            found += [f"{name}: no {part}" for part in ("runbook_url", "summary") if not rule["annotations"].get(part)]
            if "team" not in rule["labels"] and "group_left (team)" not in rule["expr"]:
                found.append(f"{name}: nobody owns it")
    return found


def dashboard(document: Mapping[str, Any], recorded: Mapping[str, frozenset[str]], limits: set[float]) -> list[str]:
    """The faults of one dashboard; ``limits`` are the numbers that its thresholds may have."""
    variables = {each["name"] for each in document["templating"]["list"]}
    found = [f"dashboard: {fault}" for fault in _whole(document)]
    for panel in document["panels"]:
        if panel["type"] != "row":
            faults = [*_panel(panel, limits), *_targets(panel, recorded, variables)]
            found += [f"{panel.get('title') or '(no title)'}: {fault}" for fault in faults]
    for each in document["templating"]["list"]:
        query = each.get("query")
        if each["type"] == "query" and isinstance(query, str):
            selector = query.removeprefix("label_values(").rpartition(",")[0]
            found += [f"variable {each['name']}: {fault}" for fault in expression(selector, recorded)]
    for each in document["annotations"]["list"]:
        found += [f"annotation {each['name']}: {fault}" for fault in expression(each["expr"], recorded)]
        if each.get("useValueForTime") and not each["expr"].rstrip().endswith("* 1000"):
            found.append(f"annotation {each['name']}: Grafana wants milliseconds")
    return found


def _whole(document: Mapping[str, Any]) -> Iterator[str]:
    if document.get("editable", True):
        yield "is editable, and what is edited would be lost"
    if not document.get("description"):
        yield "asks no question"
    if not any(each["type"] == "datasource" for each in document["templating"]["list"]):
        yield "has no variable for its data source"
    ids = [panel.get("id") for panel in document["panels"]]
    if None in ids or len(set(ids)) < len(ids):
        yield "panels have no ids, or share one"
    cells: dict[tuple[int, int], str] = {}
    for panel in document["panels"]:
        place, title = panel["gridPos"], panel.get("title") or "(no title)"
        across = range(place.get("x", 0), place.get("x", 0) + place["w"])
        down = range(place.get("y", 0), place.get("y", 0) + place["h"])
        taken = {cells[cell] for cell in product(across, down) if cell in cells}
        cells.update(dict.fromkeys(product(across, down), title))
        if taken:
            yield f"{title} lies over {', '.join(sorted(taken))}"
        if across.stop > COLUMNS:
            yield f"{title} is off the grid"


def _panel(panel: Mapping[str, Any], limits: set[float]) -> Iterator[str]:
    defaults = panel["fieldConfig"]["defaults"]
    if not panel.get("title"):
        yield "has no title"
    if not (panel.get("description") or "").partition("\n")[0].endswith("?"):
        yield "its description is not the question that it answers"
    if not defaults.get("unit"):
        yield "has no unit"
    if not panel.get("targets"):
        yield "has no targets"
    for step in (defaults.get("thresholds") or {}).get("steps", ()):
        if step.get("value") is not None and step["value"] not in limits:
            yield f"its threshold {step['value']:g} is no limit of an alert or a guardrail"


def _targets(panel: Mapping[str, Any], recorded: Mapping[str, frozenset[str]], variables: set[str]) -> Iterator[str]:
    seen = set()
    for target in panel.get("targets") or ():
        ref, text = target.get("refId"), target["expr"]
        if not ref or ref in seen:
            yield f"target {ref!r} has no refId of its own"
        seen.add(ref)
        if (target.get("datasource") or {}).get("uid") != "${datasource}":
            yield f"target {ref} has a data source of its own"
        for name in set(VARIABLE.findall(text)) - variables - BUILT_IN:
            yield f"target {ref}: there is no variable ${name}"
        if re.search(r"\b(rate|irate)\([^()]*\[\d", text):
            yield f"target {ref}: a rate over a fixed time, which is wrong at another zoom"
        for fault in expression(text, recorded):
            yield f"target {ref}: {fault}"
