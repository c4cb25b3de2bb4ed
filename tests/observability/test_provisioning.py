"""What deploy/ gives to Prometheus and Grafana fits what is generated, and what processes serve."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from dashboards.alerts import NAMES
from dashboards.boards import BOARDS
from dashboards.build import DEMO, GENERATED, files
from dashboards.documents import document
from dashboards.limits import GATE_JOB, JOB, SAMPLE_LIMIT, SCRAPE_S
from dashboards.site import Site
from shadow.config import load
from shadow.processes import consumer_parts
from tests.fixtures import prometheus

DEPLOY = Path(__file__).parents[2] / "deploy"
FILE = DEPLOY / "prometheus" / "prometheus.yml"


def read(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def test_prometheus_takes_the_configuration_and_its_rules() -> None:
    said = prometheus.run("promtool", "check", "config", FILE)
    assert "rules.yml" in said


def test_all_rules_are_loaded() -> None:
    named = [line.strip(" #-") for line in FILE.read_text(encoding="utf-8").splitlines() if "generated/" in line]
    assert [(FILE.parent / name).resolve() for name in named] == [GENERATED / "rules.yml", GENERATED / "rules-gate.yml"]


def test_every_process_of_the_demo_is_scraped_with_the_limit_of_the_alert() -> None:
    document, config = read(FILE), load(DEMO, environ={})
    jobs = document["scrape_configs"]
    parts = consumer_parts(
        [arm.name for arm in config.arms], judge=False, config=None, metrics_port=config.metrics.port
    )
    ports = [f"{config.metrics.host}:{config.metrics.port + number}" for number in range(len(parts))]
    assert parts[-1].name == "gate"
    assert [job["job_name"] for job in jobs] == [JOB, GATE_JOB]
    assert {job["sample_limit"] for job in jobs} == {SAMPLE_LIMIT}
    for job, its in zip(jobs, (ports[:-1], ports[-1:]), strict=True):
        assert job["static_configs"] == [{"targets": its, "labels": {"cluster": "local"}}]
    assert document["global"]["scrape_interval"] == f"{SCRAPE_S}s"


def test_grafana_gets_a_data_source_and_dashboards_that_nobody_edits() -> None:
    provisioning = DEPLOY / "grafana" / "provisioning"
    [source] = read(provisioning / "datasources" / "prometheus.yml")["datasources"]
    [provider] = read(provisioning / "dashboards" / "shadow.yml")["providers"]
    assert source["type"] == "prometheus"
    assert source["jsonData"]["timeInterval"] == f"{SCRAPE_S}s"
    assert provider["allowUiUpdates"] is False


def test_an_exemplar_leads_to_its_trace() -> None:
    """By the label that arms' latencies carry; provisioning takes ``$$`` for a dollar."""
    [source] = read(DEPLOY / "grafana" / "provisioning" / "datasources" / "prometheus.yml")["datasources"]
    [trace] = source["jsonData"]["exemplarTraceIdDestinations"]
    assert trace["name"] == "trace_id"
    assert trace["url"].endswith("$${__value.raw}")
    asked = [target for board in BOARDS for panel in document(board)["panels"] for target in panel.get("targets", ())]
    shown = [target["expr"] for target in asked if target["exemplar"]]
    assert shown
    assert all("shadow_candidate_" in each and "_bucket" in each for each in shown)


def test_an_alerts_links_lead_where_the_build_was_told() -> None:
    """In both forms of the rules; what is not about links stays as it is."""
    config, site = (
        load(DEMO, environ={}),
        Site(runbooks="https://git.example/runbooks", grafana="https://grafana.example"),
    )
    plain, told = dict(files(config)), dict(files(config, site))
    assert {name for name in plain if plain[name] != told[name]} == {
        "rules.yml",
        "rules-gate.yml",
        "prometheusrule.yaml",
    }
    groups = yaml.safe_load(told["prometheusrule.yaml"])["spec"]["groups"]
    rules = [rule for group in groups for rule in group["rules"] if "alert" in rule]
    assert {rule["alert"] for rule in rules} == set(NAMES)
    for rule in rules:
        assert rule["annotations"]["runbook_url"] == f"https://git.example/runbooks/{rule['alert']}.md"
        assert rule["annotations"]["dashboard_url"].startswith("https://grafana.example/d/shadow-")


def test_the_operator_gets_the_rules_that_prometheus_gets() -> None:
    """One PrometheusRule holds every group of both files, in their order and word for word."""
    groups = [group for name in ("rules.yml", "rules-gate.yml") for group in read(GENERATED / name)["groups"]]
    assert read(GENERATED / "prometheusrule.yaml")["spec"]["groups"] == groups


def test_the_folder_of_generated_files_is_packed_whole() -> None:
    """Each dashboard is in a ConfigMap that Grafana's sidecar finds, and Alertmanager's file is in a Secret."""
    folder = read(GENERATED / "kustomization.yaml")
    generators = [*folder["configMapGenerator"], *folder["secretGenerator"]]
    packed = {file.rpartition("=")[2] for each in generators for file in each["files"]}
    there = {path.name for path in GENERATED.iterdir()} - {"kustomization.yaml", "rules.yml", "rules-gate.yml"}
    assert packed | set(folder["resources"]) == there
    assert {each["options"]["labels"]["grafana_dashboard"] for each in folder["configMapGenerator"]} == {"1"}
