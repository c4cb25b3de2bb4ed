"""Alertmanager's configuration from the owners in ``shadow.yaml``: each team gets what it owns, and nothing else.

Secrets stand in files that deploy/compose.yaml and deploy/kubernetes/monitoring mount; addresses end in ``.invalid``
until somebody sets them.
"""

from __future__ import annotations

import hashlib
import json
import re
from typing import Any, Final

from dashboards.alerts import CANDIDATES, DOWN, GATE, NAMES
from dashboards.limits import SRE
from shadow.config import Config

SECRETS: Final = "/etc/alertmanager/secrets"
DEADMAN: Final = "deadman"
GROUP_BY: Final = ["alertname", "cluster", "candidate"]


def slug(team: str) -> str:
    """A team's name as part of receiver and file names. Two teams never share one."""
    plain = re.sub(r"[^a-z0-9-]+", "-", team.lower()).strip("-")
    if plain == team:
        return plain
    return f"{plain or 'team'}-{hashlib.sha256(team.encode()).hexdigest()[:6]}"


def teams(config: Config) -> list[str]:
    """Who may get an alert: the shadow's own SREs, and every owner of an arm and of production."""
    owners = {config.production.owner, *(arm.owner for arm in config.arms)}
    return [SRE, *sorted(owners - {SRE})]


def _equals(label: str, *values: str) -> str:
    """A matcher; values are quoted as Alertmanager reads them, and never a regular expression of somebody's name."""
    if len(values) == 1:
        return f"{label}={json.dumps(values[0], ensure_ascii=False)}"
    return f"{label}=~{json.dumps('|'.join(map(re.escape, values)))}"


def _receivers(team: str, webhook: str) -> list[dict[str, Any]]:
    """A team's two receivers: what wakes somebody, and what waits for the morning."""
    name = slug(team)
    if webhook:
        return [_posting(f"{name}-page", webhook), _posting(f"{name}-ticket", webhook)]
    slack = {"api_url_file": f"{SECRETS}/{name}/slack-url", "channel": f"#{name}", "send_resolved": True}
    pagerduty = {"routing_key_file": f"{SECRETS}/{name}/pagerduty-key", "send_resolved": True}
    return [
        {"name": f"{name}-page", "pagerduty_configs": [pagerduty], "slack_configs": [slack]},
        {"name": f"{name}-ticket", "slack_configs": [slack], "email_configs": [{"to": f"{name}@mail.invalid"}]},
    ]


def _posting(name: str, webhook: str) -> dict[str, Any]:
    url = webhook.replace("{receiver}", name)
    return {"name": name, "webhook_configs": [{"url": url, "send_resolved": True}]}


def _route(team: str) -> dict[str, Any]:
    name = slug(team)
    pages = {"matchers": [_equals("severity", "page")], "receiver": f"{name}-page", "repeat_interval": "1h"}
    return {"matchers": [_equals("team", team)], "receiver": f"{name}-ticket", "routes": [pages]}


def _inhibitions() -> list[dict[str, Any]]:
    """No word about candidates while the pipeline is down, and no ticket beside the page of the same alert."""
    about = _equals("alertname", *(alert.name for alert in (*CANDIDATES, *GATE) if alert.owned))
    absent, stopped = DOWN
    return [
        {"source_matchers": [_equals("alertname", absent)], "target_matchers": [about]},
        {"source_matchers": [_equals("alertname", stopped)], "target_matchers": [about], "equal": ["cluster"]},
        {
            "source_matchers": [_equals("severity", "page")],
            "target_matchers": [_equals("severity", "ticket")],
            "equal": ["alertname", "cluster", "candidate"],
        },
    ]


def configuration(config: Config, webhook: str = "") -> dict[str, Any]:
    """The whole file; ``webhook`` as in :class:`~dashboards.site.Site`."""
    assert set(DOWN) <= set(NAMES)  # noqa: S101 (an inhibition by an alert that does not exist would hold nothing)
    watchdog = {
        "matchers": [_equals("alertname", "ShadowWatchdog")],
        "receiver": DEADMAN,
        "group_wait": "0s",
        "group_interval": "1m",
        "repeat_interval": "5m",
    }
    everyone = teams(config)
    outside = webhook.replace("{receiver}", DEADMAN) or "https://deadman.invalid/shadow"
    deadman = {"name": DEADMAN, "webhook_configs": [{"url": outside, "send_resolved": False}]}
    return {
        "global": {"smtp_smarthost": "smtp.invalid:587", "smtp_from": "shadow@mail.invalid"},
        "route": {
            "receiver": f"{slug(SRE)}-ticket",
            "group_by": GROUP_BY,
            "group_wait": "30s",
            "group_interval": "5m",
            "repeat_interval": "12h",
            "routes": [watchdog, *map(_route, everyone)],
        },
        "inhibit_rules": _inhibitions(),
        "receivers": [deadman, *(receiver for team in everyone for receiver in _receivers(team, webhook))],
    }
