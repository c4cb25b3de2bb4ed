"""A dashboard as Grafana's JSON.

Every option that Grafana would fill in by itself (ids, refIds, places, thresholds) is set, so that the committed JSON
says it all.
"""

from __future__ import annotations

import json
import string
import warnings
from collections.abc import Iterable, Iterator
from typing import Any, Final

from dashboards.labels import kept
from dashboards.panels import (
    ARM,
    ASKED,
    BLUE,
    CARRIED,
    CLEAR,
    CLUSTER,
    NEUTRAL,
    ORANGE,
    WIDTH,
    Board,
    Panel,
    Query,
    Step,
)
from dashboards.site import HERE, Site
from shadow.addresses import PAIRS

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


def _laid_out(made: Any, panel: Panel, site: Site) -> Any:
    """What Grafana would choose by itself, chosen."""
    kind = panel.kind
    if kind in {"stat", "bargauge"}:
        last = shared.ReduceDataOptions().calcs(["lastNotNull"]).values(False).fields("")
        made = made.reduce_options(last)
    if kind == "stat":
        judged = panel.steps or panel.words
        color = options.BigValueColorMode.BACKGROUND if judged else options.BigValueColorMode.VALUE
        if any("{{" in query.legend for query in panel.queries):  # one value alone would else have no name
            made = made.text_mode(options.BigValueTextMode.VALUE_AND_NAME)
        return made.graph_mode(options.BigValueGraphMode.NONE).color_mode(color)
    if kind == "bargauge":
        made = made.orientation(options.VizOrientation.HORIZONTAL).display_mode(options.BarGaugeDisplayMode.BASIC)
        made = made.sizing(options.BarGaugeSizing.MANUAL).min_viz_height(16).max_viz_height(28)
        return made.name_placement(options.BarGaugeNamePlacement.LEFT)
    if kind == "timeseries":
        legend = shared.VizLegendOptions().show_legend(True).display_mode(options.LegendDisplayMode.LIST)
        tooltip = shared.VizTooltipOptions().mode(options.TooltipDisplayMode.MULTI).sort(options.SortOrder.DESCENDING)
        made = made.legend(legend.placement(options.LegendPlacement.BOTTOM)).tooltip(tooltip)
        made = made.axis_soft_max(_soft_most(panel)) if _soft_most(panel) else made
        return made.line_width(1).fill_opacity(0).span_nulls(False).show_points(options.VisibilityMode.NEVER)
    return _tabled(made, panel, site) if kind == "table" else made


def _soft_most(panel: Panel) -> float | None:
    """How far the axis goes at least: over the highest limit; of shares and rates that are all 0, not to 100."""
    highest = max((value or 0 for value, _ in panel.steps), default=0)
    return round(1.2 * highest, 6) or {"percentunit": 0.01, "reqps": 1.0}.get(panel.unit)


def _tabled(made: Any, panel: Panel, site: Site) -> Any:
    """One table of all targets: a row for each set of labels, a column for each target."""
    values = [f"Value #{ref}" if len(panel.queries) > 1 else "Value" for ref, _ in _targets(panel)]
    hidden = {"Time": True} | {
        value: True for value, query in zip(values, panel.queries, strict=True) if not query.column
    }
    headings = {value: query.column for value, query in zip(values, panel.queries, strict=True) if query.column}
    arranged = {"excludeByName": hidden, "indexByName": {}, "renameByName": headings}
    made = made.min_width(70).with_transformation(models.DataTransformerConfig("merge", options={}))
    made = made.with_transformation(models.DataTransformerConfig("organize", options=arranged))
    for query in panel.queries:
        if query.column:
            made = made.override_by_name(query.column, _column(query))
    if links := _links(panel, site):  # where a click on the candidate is expected
        built = [each.build() for each in links]
        made = made.override_by_name("candidate", [models.DynamicConfigValue("links", built)])
    if panel.first:
        made = made.sort_by([shared.TableSortByFieldState().display_name(panel.first).desc(True)])
    return made


def _column(query: Query) -> list[Any]:
    found = [models.DynamicConfigValue("unit", query.unit)]
    if query.words:
        found.append(models.DynamicConfigValue("mappings", _mappings(query.words)))
        found.append(models.DynamicConfigValue("custom.cellOptions", {"type": "color-text"}))
    return found


def _targets(panel: Panel) -> Iterator[tuple[str, Query]]:
    return zip(string.ascii_uppercase, panel.queries, strict=False)


def _links(panel: Panel, site: Site) -> list[Any]:
    """To another dashboard, and to the pairs behind what is shown: about what was clicked."""
    links = []
    if panel.link:
        about = "".join(f"&var-{name}={value}" for name, value in _told(panel, CARRIED.get(panel.link, ())))
        url = f"/d/{panel.link}?${{cluster:queryparam}}{about}&${{__url_time_range}}"
        links.append(grafana.DashboardLink(f"Open {panel.link}").url(url))
    if panel.pairs:
        asked = "&".join(f"{ASKED[name]}={value}" for name, value in _told(panel, ASKED))
        links.append(grafana.DashboardLink("Worst pairs").url(f"{site.console}{PAIRS}?{asked}").target_blank(True))
    return links


def _told(panel: Panel, names: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Of the labels, those that the panel's rows have or its legends name, and how a link reads them of a click."""
    by_row = panel.kind == "table"
    place = "__data.fields" if by_row else "__field.labels"
    for name in names:
        if all(
            name in kept(query.expression) if by_row else f"{{{{{name}}}}}" in query.legend for query in panel.queries
        ):
            yield name, f"${{{place}.{name}}}"


def _steps(panel: Panel) -> list[Step]:
    """The panel's; those of its words; else none, which has to be said."""
    steps = list(panel.steps) or [(value or None, color) for value, (_, color) in panel.words.items()]
    return steps or [(None, NEUTRAL if panel.kind in {"stat", "bargauge"} else CLEAR)]


def _built(panel: Panel, number: int, x: int, y: int, site: Site) -> Any:
    made = _BUILDERS[panel.kind]().id(number).title(panel.title).description(panel.question).unit(panel.unit)
    made = made.datasource(DATASOURCE).no_value(panel.empty)
    made = made.grid_pos(models.GridPos(h=panel.height, w=panel.width, x=x, y=y))
    for ref, query in _targets(panel):
        made = made.with_target(_target(query, ref, panel.kind))
    thresholds = grafana.ThresholdsConfig().mode(models.ThresholdsMode.ABSOLUTE)
    steps = [models.Threshold(value=value, color=color) for value, color in _steps(panel)]
    made = made.thresholds(thresholds.steps(steps))
    if panel.kind not in {"timeseries", "table"}:
        made = made.color_scheme(grafana.FieldColor().mode(models.FieldColorModeId.THRESHOLDS))
    if panel.line:
        style = shared.GraphThresholdsStyleConfig().mode(options.GraphThresholdsStyleMode.LINE)
        made = made.thresholds_style(style)
    made = _laid_out(made, panel, site)
    if panel.words:
        made = made.mappings(_mappings(panel.words))
    if panel.least is not None:
        made = made.min(panel.least)
    if panel.most is not None:
        made = made.max(panel.most)
    links = _links(panel, site)
    return made.data_links(links) if links and panel.kind != "table" else made


def _variable(name: str, label: str, query: str) -> Any:
    made = grafana.QueryVariable(name).label(label).datasource(DATASOURCE).query(query)
    made = made.refresh(models.VariableRefresh.ON_TIME_RANGE_CHANGED).sort(models.VariableSort.ALPHABETICAL_ASC)
    return made.multi(True).include_all(True)  # no value for All: it is what the variables before it leave


def _annotations(made: Any, arm: str) -> Any:
    """Decisions, new revisions of arms, and new builds: what changed when a line bends."""
    decisions = f"max by (candidate, decision) (shadow_decision_timestamp_seconds{{{arm}}}) * 1000"
    builds = f"max by (version) (shadow_build_info{{{CLUSTER}}} unless shadow_build_info{{{CLUSTER}}} offset 5m)"
    decided = grafana.AnnotationQuery().name("Decisions").datasource(DATASOURCE).enable(True).icon_color("purple")
    decided = decided.expr(decisions).use_value_for_time(True).title_format("{{decision}}: {{candidate}}").step("10s")
    revisions = " unless ".join(
        f"max by (candidate, revision) (shadow_candidate_info{{{arm}}}{before})" for before in ("", " offset 5m")
    )
    revised = grafana.AnnotationQuery().name("New revisions").datasource(DATASOURCE).enable(True).icon_color(ORANGE)
    revised = revised.expr(revisions).title_format("{{candidate}} is now {{revision}}").step("60s")
    built = grafana.AnnotationQuery().name("New builds").datasource(DATASOURCE).enable(True).icon_color(BLUE)
    made = made.annotation(decided).annotation(revised)
    return made.annotation(built.expr(builds).title_format("build {{version}}").step("60s"))


def document(board: Board, site: Site = HERE) -> dict[str, Any]:
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
            made = made.with_panel(_built(panel, number, x, y, site))
            x, tallest = x + panel.width, max(tallest, panel.height)
        y += tallest
    plain: dict[str, Any] = json.loads(json.dumps(made.build(), cls=JSONEncoder))
    return plain


def to_json(board: Board, site: Site = HERE) -> str:
    """As it is committed: the same bytes for the same code."""
    return json.dumps(document(board, site), indent=1, sort_keys=True, ensure_ascii=False) + "\n"
