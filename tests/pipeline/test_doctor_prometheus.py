"""``shadow doctor --prometheus`` beside a real server: rules that are missing or changed, a target that is down."""

from __future__ import annotations

import json
import urllib.request
from pathlib import Path
from typing import Any

import pytest
import yaml

from dashboards.build import DEMO, files
from shadow.config import load
from tests.fixtures import prometheus
from tests.fixtures.doctor import config_file, examined
from tests.fixtures.waiting import until


def scraped(address: str) -> list[Any]:
    """What Prometheus knows of whether its target is up: nothing before it has scraped once."""
    with urllib.request.urlopen(f"http://{address}/api/v1/query?query=up", timeout=60) as response:
        found: list[Any] = json.load(response)["data"]["result"]
    return found


@pytest.mark.slow
def test_prometheus_without_a_rule_with_another_and_with_a_dead_target(
    embedded: str, nowhere: str, tmp_path: Path
) -> None:
    """Beside a real server: as generated; then one rule is taken out, one changed; a target is down."""
    rules = tmp_path / "rules"
    rules.mkdir()
    for name, text in files(load(DEMO, environ={})):
        if name.startswith("rules"):
            (rules / name).write_text(text)
    served = tmp_path / "served"
    served.mkdir()
    for file in rules.iterdir():
        (served / file.name).write_text(file.read_text())
    scrape = {"job_name": "shadow", "static_configs": [{"targets": [nowhere], "labels": {"cluster": "ci"}}]}
    document = {
        "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
        "rule_files": [f"{served}/*.yml"],
        "scrape_configs": [scrape],
    }
    config = tmp_path / "prometheus.yml"
    config.write_text(yaml.safe_dump(document))
    arguments = (f"--config.file={config}", f"--storage.tsdb.path={tmp_path / 'data'}", "--web.enable-lifecycle")
    line = config_file(tmp_path, embedded)
    with prometheus.server("prometheus", tmp_path, *arguments) as address:
        more = ("--prometheus", f"http://{address}", "--rules", str(rules))
        until(lambda: scraped(address))
        report = examined(line, *more)
        report.says("prometheus", "ok", "answered", "")
        report.says("prometheus rules", "ok", "as generated", "")
        report.says("prometheus targets", "fail", f"shadow {nowhere} is down", "way from Prometheus")

        changed = yaml.safe_load((served / "rules.yml").read_text())
        alerts = [rule for group in changed["groups"] for rule in group["rules"] if "alert" in rule]
        failing = next(rule for rule in alerts if rule["alert"] == "ShadowCandidateFailing")
        failing["expr"] = failing["expr"].replace("0.05", "0.5")
        for group in changed["groups"]:
            group["rules"] = [rule for rule in group["rules"] if rule.get("alert") != "ShadowTapDropping"]
        (served / "rules.yml").write_text(yaml.safe_dump(changed))
        urllib.request.urlopen(urllib.request.Request(f"http://{address}/-/reload", method="POST"), timeout=60).close()
        said = " ".join(each["says"] for each in examined(line, *more).findings if each["check"] == "prometheus rules")
        assert "1 are not loaded: ShadowTapDropping" in said
        assert "1 are not as generated: ShadowCandidateFailing" in said
    report = examined(line, *more)
    report.says("prometheus", "fail", "does not answer as Prometheus does", "--prometheus")
