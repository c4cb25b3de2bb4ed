"""Which labels the series of an expression have: what a legend may name, and a link may carry along."""

from __future__ import annotations

import re
from typing import Any, Final

import promql_parser as promql

from shadow.metrics.catalogue import CATALOGUE

TARGET: Final = frozenset({"cluster", "job", "instance"})
"""Labels that Prometheus adds to what it scrapes."""

MEASURED: Final[dict[str, frozenset[str]]] = {
    name: TARGET | {*family.label_names} | ({"le"} if name.endswith("_bucket") else set())
    for family in CATALOGUE
    for name in family.exposed
}
VARIABLE: Final = re.compile(r"\$\{?(\w+)(?::\w+)?\}?")
STAND_IN: Final = {"__rate_interval": "5m", "__interval": "1m", "__range": "1h"}
RANKING: Final = frozenset({"topk", "bottomk", "sort_desc"})


def parsed(text: str) -> Any:
    """The tree of an expression, its variables filled in. Raises :class:`ValueError` if it does not parse."""
    return promql.parse(VARIABLE.sub(lambda found: STAND_IN.get(found[1], ".+"), text))


def kept(text: str) -> frozenset[str]:
    """The labels that every series of the expression has, as far as its form says so."""
    return _kept(parsed(text))


def _kept(node: Any) -> frozenset[str]:
    found: frozenset[str] = frozenset()
    if isinstance(node, promql.VectorSelector):
        level, colon, _ = (node.name or "").partition(":")
        found = frozenset(level.split("_")) if colon else MEASURED.get(node.name or "", found)
    elif isinstance(node, promql.MatrixSelector):
        found = _kept(node.vector_selector)
    elif isinstance(node, promql.AggregateExpr):
        found = _aggregated(node)
    elif isinstance(node, promql.BinaryExpr):
        found = _kept(node.lhs) or _kept(node.rhs)  # a number has no labels
    elif isinstance(node, promql.Call):
        found = _called(node)
    elif getattr(node, "expr", None) is not None:
        found = _kept(node.expr)
    return found


def _called(node: Any) -> frozenset[str]:
    found = next((labels for each in node.args if (labels := _kept(each))), frozenset[str]())
    if node.func.name == "label_replace":
        return found | {node.args[1].val}
    return found - {"le"} if node.func.name == "histogram_quantile" else found


def _aggregated(node: Any) -> frozenset[str]:
    inner = _kept(node.expr)
    if str(node.op) in RANKING:
        return inner
    if node.modifier is None:
        return frozenset()
    named = frozenset(node.modifier.labels)
    return inner - named if "Exclude" in str(node.modifier.type) else named
