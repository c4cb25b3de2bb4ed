"""Panels as this house makes them: a question as description, a unit, thresholds from :mod:`dashboards.limits`.

Every option that Grafana would fill in by itself (ids, refIds, places) is set, so that the committed JSON says it all.
"""

from __future__ import annotations

import json
import string
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

with warnings.catch_warnings():
    # its newer model is for a Grafana that few have; importing the one that all have warns
    warnings.filterwarnings("ignore", "Prefer using dashboardv2", DeprecationWarning)
    from grafana_foundation_sdk.builders import bargauge, stat, statetimeline, table, timeseries
    from grafana_foundation_sdk.builders import common as shared
    from grafana_foundation_sdk.builders import dashboard as grafana
    from grafana_foundation_sdk.builders import prometheus as source
    from grafana_foundation_sdk.cog.encoder import JSONEncoder
    from grafana_foundation_sdk.models import common as options
    from grafana_foundation_sdk.models import dashboard as models
    from grafana_foundation_sdk.models.prometheus import PromQueryFormat

DATASOURCE: Final = models.DataSourceRef(type_val="prometheus", uid="${datasource}")
WIDTH: Final = 24
LEGEND: Final = 6
"""Lines that a person can tell apart; a panel with more shows the worst."""

CLUSTER: Final = 'cluster=~"$cluster"'
ARM: Final = f'{CLUSTER},candidate=~"$candidate"'

BLUE, GREEN, ORANGE, RED, CLEAR = "blue", "green", "orange", "red", "transparent"
STATES: Final = {0: ("collecting", BLUE), 1: ("pass", GREEN), 2: ("FAIL", RED)}
VERDICTS: Final = {0: ("HOLD", BLUE), 1: ("PROMOTE", GREEN), 2: ("REJECT", RED)}
SENTINEL: Final = {0: ("quiet", GREEN), 1: ("CONTROL FAILS MORE", RED), 2: ("CONTROL FAILS LESS", RED)}
ON_OFF: Final = {0: ("no", RED), 1: ("yes", GREEN)}

VERDICT: Final = (
    'max by (candidate) (shadow_gate_verdict{{verdict="PROMOTE",{arm}}})'
    ' + 2 * max by (candidate) (shadow_gate_verdict{{verdict="REJECT",{arm}}})'
)
"""One number of the one-hot verdict, as :data:`VERDICTS` reads it."""

Step = tuple[float | None, str]


@dataclass(frozen=True)
class Query:
    """One target. ``now``: its value at the end of the time range, not its course."""

    expression: str
    legend: str = ""
    now: bool = False
    exemplars: bool = False


@dataclass(frozen=True)
class Panel:
    """One panel. ``steps`` begin at None; ``line`` draws them; ``words`` name values; ``link`` is another dashboard."""

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
    empty: str = "none"


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


def over(expression: str, legend: str = "", *, exemplars: bool = False) -> Query:
    """The course over the time range."""
    return Query(expression, legend, exemplars=exemplars)


def limit(value: float, *, bad: str = RED) -> list[Step]:
    """Green up to a limit of :mod:`dashboards.limits`, ``bad`` beyond."""
    return [(None, GREEN), (value, bad)]


def drawn(value: float) -> dict[str, Any]:
    """The same as a line in a course."""
    return {"steps": [(None, CLEAR), (value, RED)], "line": True}


_BUILDERS: Final[dict[str, Any]] = {
    "stat": stat.Panel,
    "timeseries": timeseries.Panel,
    "bargauge": bargauge.Panel,
    "table": table.Panel,
    "state-timeline": statetimeline.Panel,
}


def _target(query: Query, ref: str, kind: str) -> Any:
    made = source.Dataquery().expr(query.expression).legend_format(query.legend or "__auto").ref_id(ref)
    made = made.datasource(DATASOURCE)
    made = made.instant() if query.now else made.range()
    if kind == "table":
        made = made.format(PromQueryFormat.TABLE)
    return made.exemplar(query.exemplars)


def _mappings(words: dict[int, tuple[str, str]]) -> list[Any]:
    named = {
        str(value): models.ValueMappingResult(text=text, color=color, index=index)
        for index, (value, (text, color)) in enumerate(words.items())
    }
    return [models.ValueMap(options=named)]


def _laid_out(made: Any, kind: str) -> Any:
    """What Grafana would choose by itself, chosen."""
    if kind in {"stat", "bargauge"}:
        last = shared.ReduceDataOptions().calcs(["lastNotNull"]).values(False).fields("")
        made = made.reduce_options(last)
    if kind == "stat":
        return made.graph_mode(options.BigValueGraphMode.NONE).color_mode(options.BigValueColorMode.BACKGROUND)
    if kind == "bargauge":
        return made.orientation(options.VizOrientation.HORIZONTAL).display_mode(options.BarGaugeDisplayMode.BASIC)
    if kind == "timeseries":
        legend = shared.VizLegendOptions().show_legend(True).display_mode(options.LegendDisplayMode.LIST)
        tooltip = shared.VizTooltipOptions().mode(options.TooltipDisplayMode.MULTI).sort(options.SortOrder.DESCENDING)
        made = made.legend(legend.placement(options.LegendPlacement.BOTTOM)).tooltip(tooltip)
        return made.line_width(1).fill_opacity(0).span_nulls(False).show_points(options.VisibilityMode.NEVER)
    return made


def _built(panel: Panel, number: int, x: int, y: int) -> Any:
    made = _BUILDERS[panel.kind]().id(number).title(panel.title).description(panel.question).unit(panel.unit)
    made = made.datasource(DATASOURCE).no_value(panel.empty)
    made = made.grid_pos(models.GridPos(h=panel.height, w=panel.width, x=x, y=y))
    for ref, query in zip(string.ascii_uppercase, panel.queries, strict=False):
        made = made.with_target(_target(query, ref, panel.kind))
    steps = list(panel.steps) or [(value or None, color) for value, (_, color) in panel.words.items()]
    if steps:
        thresholds = grafana.ThresholdsConfig().mode(models.ThresholdsMode.ABSOLUTE)
        made = made.thresholds(thresholds.steps([models.Threshold(value=value, color=color) for value, color in steps]))
        if not panel.line:
            made = made.color_scheme(grafana.FieldColor().mode(models.FieldColorModeId.THRESHOLDS))
    if panel.line:
        style = shared.GraphThresholdsStyleConfig().mode(options.GraphThresholdsStyleMode.LINE)
        made = made.thresholds_style(style)
    made = _laid_out(made, panel.kind)
    if panel.words:
        made = made.mappings(_mappings(panel.words))
    if panel.least is not None:
        made = made.min(panel.least)
    if panel.most is not None:
        made = made.max(panel.most)
    if panel.link:
        one = any("{{candidate}}" in query.legend for query in panel.queries)
        about = "&var-candidate=${__field.labels.candidate}" if one else ""
        url = f"/d/{panel.link}?${{cluster:queryparam}}{about}&${{__url_time_range}}"
        made = made.data_links([grafana.DashboardLink(f"Open {panel.link}").url(url)])
    return made


def _variable(name: str, label: str, query: str) -> Any:
    made = grafana.QueryVariable(name).label(label).datasource(DATASOURCE).query(query)
    made = made.refresh(models.VariableRefresh.ON_TIME_RANGE_CHANGED).sort(models.VariableSort.ALPHABETICAL_ASC)
    return made.multi(True).include_all(True)  # no value for All: it is what the variables before it leave


def _annotations(made: Any, arm: str) -> Any:
    """Decisions and new builds: what changed when a line bends."""
    decisions = f"max by (candidate, decision) (shadow_decision_timestamp_seconds{{{arm}}}) * 1000"
    builds = f"max by (version) (shadow_build_info{{{CLUSTER}}} unless shadow_build_info{{{CLUSTER}}} offset 5m)"
    decided = grafana.AnnotationQuery().name("Decisions").datasource(DATASOURCE).enable(True).icon_color("purple")
    decided = decided.expr(decisions).use_value_for_time(True).title_format("{{decision}}: {{candidate}}").step("10s")
    built = grafana.AnnotationQuery().name("New builds").datasource(DATASOURCE).enable(True).icon_color(BLUE)
    return made.annotation(decided).annotation(built.expr(builds).title_format("build {{version}}").step("60s"))


def document(board: Board) -> dict[str, Any]:
    """The dashboard's JSON."""
    made = grafana.Dashboard(board.title).uid(board.uid).description(board.question).tags(["shadow"]).readonly()
    made = made.refresh("30s").time("now-6h", "now").timezone("utc").tooltip(models.DashboardCursorSync.CROSSHAIR)
    made = made.with_variable(grafana.DatasourceVariable("datasource").label("Data source").type("prometheus"))
    made = made.with_variable(_variable("cluster", "Cluster", "label_values(shadow_build_info, cluster)"))
    if board.per_candidate:
        info = f"shadow_candidate_info{{{CLUSTER}}}"
        made = made.with_variable(_variable("team", "Owner", f"label_values({info}, team)"))
        of_team = f'shadow_candidate_info{{{CLUSTER},team=~"$team"}}'
        made = made.with_variable(_variable("candidate", "Candidate", f"label_values({of_team}, candidate)"))
    for variable in board.variables:
        made = made.with_variable(_variable(*variable))
    made = _annotations(made, ARM if board.per_candidate else CLUSTER)
    links = grafana.DashboardLink("Shadow").type(models.DashboardLinkType.DASHBOARDS).tags(["shadow"])
    made = made.link(links.include_vars(True).keep_time(True).as_dropdown(True))
    number, y = 0, 0
    for title, panels in board.rows:
        number += 1
        made = made.with_row(grafana.Row(title).id(number).grid_pos(models.GridPos(h=1, w=WIDTH, x=0, y=y)))
        x, y, tallest = 0, y + 1, 0
        for panel in panels:
            if x + panel.width > WIDTH:
                x, y, tallest = 0, y + tallest, 0
            number += 1
            made = made.with_panel(_built(panel, number, x, y))
            x, tallest = x + panel.width, max(tallest, panel.height)
        y += tallest
    plain: dict[str, Any] = json.loads(json.dumps(made.build(), cls=JSONEncoder))
    return plain


def to_json(board: Board) -> str:
    """As it is committed: the same bytes for the same code."""
    return json.dumps(document(board), indent=1, sort_keys=True, ensure_ascii=False) + "\n"
