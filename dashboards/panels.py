"""Panels as this house makes them: a question as description, a unit, thresholds from :mod:`dashboards.limits`.

:mod:`dashboards.documents` makes Grafana's JSON of them.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from dashboards.limits import BURNS, burn_limit
from shadow.addresses import ALL_TRAFFIC
from shadow.metrics.labels import ALL

WIDTH: Final = 24
LEGEND: Final = 6
"""Lines that a person can tell apart; a panel with more shows the worst."""

CLUSTER: Final = 'cluster=~"$cluster"'
ARM: Final = f'{CLUSTER},candidate=~"$candidate"'

CARRIED: Final = {
    "shadow-candidate": ("candidate",),
    "shadow-decisions": ("candidate",),
    "shadow-slices": ("candidate", "guardrail", "slice"),
}
"""What a link to a dashboard says of the series that was clicked: its variables, if the legend names them."""

ASKED: Final = {
    "candidate": "candidate",
    "guardrail": "guardrail",
    "kind": "failure",
    "measure": "measure",
    "slice": "slice",
}
"""The same of a link to the console's list of pairs: labels, and the parameters that take them."""

BLUE, GREEN, ORANGE, RED, CLEAR = "blue", "green", "orange", "red", "transparent"
NEUTRAL: Final = "#8ea3bf"
"""Of numbers that have no limit: left to itself, Grafana paints whatever reaches 80 red."""

STATES: Final = {0: ("collecting", BLUE), 1: ("pass", GREEN), 2: ("FAIL", RED)}
VERDICTS: Final = {0: ("HOLD", BLUE), 1: ("PROMOTE", GREEN), 2: ("REJECT", RED)}
SENTINEL: Final = {0: ("quiet", GREEN), 1: ("CONTROL FAILS MORE", RED), 2: ("CONTROL FAILS LESS", RED)}

VERDICT: Final = (
    'max by (candidate) (shadow_gate_verdict{{verdict="PROMOTE",{arm}}})'
    ' + 2 * max by (candidate) (shadow_gate_verdict{{verdict="REJECT",{arm}}})'
)
"""One number of the one-hot verdict, as :data:`VERDICTS` reads it."""

REJECTED: Final = '(max by (candidate) (shadow_gate_verdict{{verdict="REJECT",{arm}}}) == 1)'
"""Whose way to a promotion is of no interest any more."""

Step = tuple[float | None, str]
_RANKED: Final = re.compile(r"(topk|bottomk)\(([\d -]+), (.+)\)", re.DOTALL)
_SELECTOR: Final = re.compile(r"\{[^{}]*\}(?:\[[^\]]*\])?")


@dataclass(frozen=True)
class Query:
    """One target. ``now``: its value at the end of the time range, not its course.

    In a table, ``column`` is its heading, without which its value is not shown, ``unit`` and ``words`` its own.
    """

    expression: str
    legend: str = ""
    now: bool = False
    exemplars: bool = False
    column: str = ""
    unit: str = ""
    words: dict[int, tuple[str, str]] = field(default_factory=dict)


@dataclass(frozen=True)
class Panel:
    """One panel. ``steps`` begin at None; ``line`` draws them; ``words`` name values; ``link`` is another dashboard.

    ``first``: the column that a table is sorted by, the largest first. ``pairs``: it leads to the console's list of
    the worst pairs of what was clicked.
    """

    kind: str
    title: str
    question: str
    unit: str
    queries: Sequence[Query]
    width: int = 8
    height: int = 8
    steps: Sequence[Step] = ()
    line: bool = False
    words: dict[int, tuple[str, str]] = field(default_factory=dict)
    least: float | None = None
    most: float | None = None
    link: str = ""
    pairs: bool = False
    empty: str = "none"
    first: str = ""


@dataclass(frozen=True)
class Board:
    """One dashboard: the question that it answers, and rows of panels."""

    uid: str
    title: str
    question: str
    rows: Sequence[tuple[str, Sequence[Panel]]]
    per_candidate: bool = True
    variables: Sequence[tuple[str, str, str]] = ()


def stats(title: str, question: str, unit: str, *queries: Query, **more: Any) -> Panel:
    """Numbers of now."""
    return Panel("stat", title, question, unit, queries, **more)


def lines(title: str, question: str, unit: str, *queries: Query, **more: Any) -> Panel:
    """Courses over time; ratios and rates begin at 0 unless ``least`` says otherwise."""
    return Panel("timeseries", title, question, unit, queries, **{"least": 0, **more})


def bars(title: str, question: str, unit: str, *queries: Query, **more: Any) -> Panel:
    """Values of now beside one another, the largest first."""
    return Panel("bargauge", title, question, unit, queries, **more)


def rows(title: str, question: str, unit: str, *queries: Query, **more: Any) -> Panel:
    """Values of now as a table, with all their labels."""
    return Panel("table", title, question, unit, queries, **more)


def states(title: str, question: str, *queries: Query, words: dict[int, tuple[str, str]], **more: Any) -> Panel:
    """Which of a few states held when."""
    return Panel("state-timeline", title, question, "none", queries, words=words, **more)


def now(expression: str, legend: str = "") -> Query:
    """The value at the end of the time range."""
    return Query(expression, legend, now=True)


def column(expression: str, heading: str, unit: str = "none", **more: Any) -> Query:
    """The same as a column of a table."""
    return Query(expression, now=True, column=heading, unit=unit, **more)


def over(expression: str, legend: str = "", *, exemplars: bool = False) -> Query:
    """The course over the time range.

    Of ``topk`` and ``bottomk``, the course of those that are in it at the end: else lines come and go, and the legend
    has all that were in it once.
    """
    if ranked := _RANKED.fullmatch(expression):
        kind, most, inner = ranked.groups()
        at_end = _SELECTOR.sub(r"\g<0> @ end()", inner)
        expression = f"({inner}) and {kind}({most}, {at_end})"
    return Query(expression, legend, exemplars=exemplars)


def limit(value: float, *, bad: str = RED) -> list[Step]:
    """Green up to a limit of :mod:`dashboards.limits`, ``bad`` beyond."""
    return [(None, GREEN), (value, bad)]


def burning(objective: str, *, fine: str = GREEN) -> list[Step]:
    """Where an objective's budget burns so fast that tickets begin, and where pages do."""
    (fastest, *_), *_, (slowest, *_) = BURNS
    return [(None, fine), (burn_limit(objective, slowest), ORANGE), (burn_limit(objective, fastest), RED)]


def named(expression: str) -> str:
    """The same with the slice of all traffic called so."""
    return f'label_replace({expression}, "slice", "{ALL_TRAFFIC}", "slice", "{ALL}")'


def drawn(value: float) -> dict[str, Any]:
    """The same as a line in a course."""
    return {"steps": [(None, CLEAR), (value, RED)], "line": True}
