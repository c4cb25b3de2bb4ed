"""What one installation sets: a rehearsal changes times and nothing else, and a webhook gets what its receivers got."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from dashboards import alerts, rules
from dashboards.build import DEMO, files
from dashboards.routes import configuration
from dashboards.site import Site, quicker, shortened
from shadow.config import load
from tests.fixtures import prometheus

CONFIG = load(DEMO, environ={})
DURATION = re.compile(r"\b\d+(ms|[smhd])\b")
GROUPS = {"groups": [*rules.groups(), *alerts.groups(), *alerts.gate_groups()]}


def timeless(document: Any) -> str:
    """The text with every duration alike; names of windows in names of series stay."""
    return DURATION.sub("DURATION", yaml.safe_dump(document, width=10_000))


@pytest.mark.parametrize(
    ("duration", "faster", "expected"),
    [("10m", 60, "10000ms"), ("30s", 7, "4286ms"), ("1d", 1, "86400000ms"), ("5s", 1e6, "1ms")],
)
def test_a_duration_is_so_many_times_shorter(duration: str, faster: float, expected: str) -> None:
    assert shortened(duration, faster) == expected


@pytest.mark.parametrize("duration", ["", "5", "five", "5 m", "-5m"])
def test_what_is_no_duration_is_refused(duration: str) -> None:
    with pytest.raises(ValueError, match="is no duration"):
        shortened(duration, 2)


def test_a_rehearsal_has_the_same_rules_but_for_their_times() -> None:
    """To the letter: expressions, limits, labels and words; and every window in it is shorter."""
    found = quicker(GROUPS, 60)
    assert timeless(found) == timeless(GROUPS)
    assert quicker(GROUPS, 1) is GROUPS
    windows = re.findall(r"\[(\w+)\]", yaml.safe_dump(found))
    assert windows
    assert all(window.endswith("ms") for window in windows)


def test_prometheus_takes_the_rules_of_a_rehearsal(tmp_path: Path) -> None:
    written = dict(files(CONFIG, Site(faster=60)))
    for name in ("rules.yml", "rules-gate.yml"):
        (tmp_path / name).write_text(written[name])
    prometheus.run("promtool", "check", "rules", tmp_path / "rules.yml", tmp_path / "rules-gate.yml")


def test_a_webhook_gets_each_receivers_alerts_under_its_name(tmp_path: Path) -> None:
    """Routes stay as they are; only where a receiver's alerts go is another."""
    usual, posting = configuration(CONFIG), configuration(CONFIG, "http://127.0.0.1:9/{receiver}")
    assert posting["route"] == usual["route"]
    assert posting["inhibit_rules"] == usual["inhibit_rules"]
    assert [each["name"] for each in posting["receivers"]] == [each["name"] for each in usual["receivers"]]
    for each in posting["receivers"]:
        [hook] = each["webhook_configs"]
        assert hook["url"] == f"http://127.0.0.1:9/{each['name']}"
    file = tmp_path / "alertmanager.yml"
    file.write_text(yaml.safe_dump(quicker(posting, 60)))
    prometheus.run("amtool", "check-config", file)


def test_links_begin_where_grafana_and_the_runbooks_are() -> None:
    site = Site(grafana="https://grafana.example", runbooks="https://docs.example/runbooks")
    for group in [*alerts.groups(site), *alerts.gate_groups(site)]:
        for rule in group["rules"]:
            words = rule["annotations"]
            assert words["runbook_url"] == f"https://docs.example/runbooks/{rule['alert']}.md"
            assert words["panel_url"].startswith("https://grafana.example/d/shadow-")
            assert words["dashboard_url"].startswith("https://grafana.example/d/shadow-")
