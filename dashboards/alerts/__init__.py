"""Alerts: about a candidate, to the team that owns it; about the shadow's objectives and about the shadow, to its SREs.

Ratios have a guard: below some traffic a share says nothing. Owner and links: :mod:`dashboards.alert`.
"""

from __future__ import annotations

from typing import Any, Final

from dashboards.alert import Alert, finished
from dashboards.alerts.candidates import CANDIDATES
from dashboards.alerts.gate import GATE
from dashboards.alerts.meta import META
from dashboards.alerts.objectives import OBJECTIVE
from dashboards.site import HERE, Site

__all__ = ["ALERTS", "CANDIDATES", "DOWN", "GATE", "META", "NAMES", "OBJECTIVE", "gate_groups", "groups"]

DOWN: Final[tuple[str, ...]] = ("ShadowWorkersAbsent", "ShadowMirrorStopped")
"""While one of these fires, the shadow measures nothing: alerts about candidates say nothing."""

ALERTS: Final[tuple[Alert, ...]] = (*OBJECTIVE, *CANDIDATES, *META, *GATE)
NAMES: Final[tuple[str, ...]] = tuple(dict.fromkeys(alert.name for alert in ALERTS))


def groups(site: Site = HERE) -> list[dict[str, Any]]:
    """The groups of alerts that stand on what processes export today."""
    named = {"shadow-objectives.alerts": OBJECTIVE, "shadow-candidates.alerts": CANDIDATES, "shadow.alerts": META}
    return [{"name": name, "rules": [finished(alert, site) for alert in alerts]} for name, alerts in named.items()]


def gate_groups(site: Site = HERE) -> list[dict[str, Any]]:
    """The groups that need the gate's exporter: in a file of their own, to be loaded once it runs."""
    return [{"name": "shadow-gate.alerts", "rules": [finished(alert, site) for alert in GATE]}]
