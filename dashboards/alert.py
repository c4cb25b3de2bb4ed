"""What an alert is, and how it becomes a rule: owner, runbook, dashboard and panel are added here and nowhere else."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any, Final, Literal

from dashboards.boards import BOARDS
from dashboards.documents import document
from dashboards.limits import SRE
from dashboards.panels import ASKED
from dashboards.site import Site
from shadow.addresses import PAIRS

Severity = Literal["page", "ticket", "none"]

OWNER: Final = "max by (cluster, candidate, team) (shadow_candidate_info)"


@dataclass(frozen=True, slots=True)
class Alert:
    """One alert; ``panel`` is the title of the one on ``dashboard`` that shows what it is about.

    ``owned``: its expression has ``cluster`` and ``candidate``, and it goes to the candidate's owner. ``pairs``: labels
    that choose the pairs to look at first, in the console.
    """

    name: str
    expression: str
    severity: Severity
    summary: str
    description: str
    dashboard: str
    panel: str
    wait: str = ""
    keep: str = ""
    owned: bool = False
    labels: tuple[tuple[str, str], ...] = ()
    pairs: tuple[str, ...] = ()


def finished(alert: Alert, site: Site) -> dict[str, Any]:
    """The rule as Prometheus reads it; ``team`` of a candidate's alert is from ``shadow_candidate_info``."""
    labels = {"severity": alert.severity, **dict(alert.labels)}
    expression = alert.expression
    about = []
    if alert.owned:
        expression = f"(\n{expression}\n)\n* on (cluster, candidate) group_left (team)\n{OWNER}"
        about = ["var-candidate={{ $labels.candidate }}"]
    else:
        labels["team"] = SRE
    rule: dict[str, Any] = {"alert": alert.name, "expr": expression}
    if alert.wait:
        rule["for"] = alert.wait
    if alert.keep:
        rule["keep_firing_for"] = alert.keep
    board = f"{site.grafana}/d/{alert.dashboard}"
    annotations = {
        "summary": alert.summary,
        "description": alert.description,
        "runbook_url": f"{site.runbooks}/{alert.name}.md",
        "dashboard_url": "?".join([board, *about]),
        "panel_url": f"{board}?{'&'.join([f'viewPanel={_panels()[alert.dashboard, alert.panel]}', *about])}",
    }
    if alert.pairs:
        chosen = "&".join(f"{ASKED[name]}={{{{ $labels.{name} }}}}" for name in alert.pairs)
        annotations["pairs_url"] = f"{site.console}{PAIRS}?{chosen}"
    return {**rule, "labels": labels, "annotations": annotations}


@cache
def _panels() -> dict[tuple[str, str], int]:
    """The id of every panel, by its dashboard and its title."""
    return {
        (board.uid, panel["title"]): panel["id"]
        for board in BOARDS
        for panel in document(board)["panels"]
        if panel["type"] != "row"
    }
