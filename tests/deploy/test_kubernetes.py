"""deploy/kubernetes is what Kubernetes takes, and runs every process as the code wants it."""

from __future__ import annotations

import base64
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml

from dashboards.boards import BOARDS
from dashboards.build import GENERATED
from shadow.topology import TOPOLOGY
from tests.deploy import peers, pods, schemas
from tests.fixtures.manifests import DEPLOY, OVERLAY, built, of, read, run, tool

ARGO = DEPLOY / "argo-rollouts" / "analysis-template.yaml"
FLAGGER = DEPLOY / "flagger" / "canary.yaml"


def test_every_resource_keeps_its_schema() -> None:
    assert [line for document in built() for line in schemas.problems(document)] == []


def test_every_folder_is_built_by_itself() -> None:
    """Base, mirror, judge, console and monitoring: who copies one of them gets what the example gets."""
    for folder in ("base", "mirror", "judge", "console", "monitoring"):
        done = run(tool("kustomize"), "build", DEPLOY / "kubernetes" / folder)
        assert done.returncode == 0, done.stderr
        assert [line for document in yaml.safe_load_all(done.stdout) for line in schemas.problems(document)] == []


def test_nothing_is_wrong_with_the_pods() -> None:
    assert pods.problems(built()) == []


def test_each_reaches_whom_it_must_and_nobody_else() -> None:
    assert peers.problems(built()) == []


def test_who_works_with_kafka_is_who_stands_in_the_topology() -> None:
    documents = built()
    named = {name for topic in TOPOLOGY for name in (*topic.written_by.split(", "), *topic.read_by)} - {"tap", "cli"}
    using = set()
    for workload in pods.workloads(documents):
        if ("kafka", 9092) in peers.allowed(documents, pods.labels(workload), "egress"):
            using |= {each.consumer[0] for each in pods.processes([workload]) if each.consumer}
    assert using == named


@pytest.mark.parametrize("file", [ARGO, FLAGGER], ids=lambda file: file.parent.name)
def test_who_rolls_out_asks_the_gate_that_is_there(file: Any) -> None:
    document = read(file)
    assert schemas.problems(document) == []
    [service] = of(built(), "Service", "shadow-gate")
    name = f"{service['metadata']['name']}.{service['metadata']['namespace']}.svc"
    urls = [value for value in _texts(document) if value.startswith("http")]
    assert urls
    for url in map(urlsplit, urls):
        assert (url.hostname, url.port) == (name, service["spec"]["ports"][0]["port"])
        assert url.path.startswith("/gate/")


def _texts(value: Any) -> list[str]:
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        return [text for each in value for text in _texts(each)]
    return [value] if isinstance(value, str) else []


def test_the_rules_and_dashboards_are_the_generated_ones() -> None:
    documents = built()
    assert of(documents, "PrometheusRule", "shadow")[0]["spec"] == read(GENERATED / "prometheusrule.yaml")["spec"]
    for board in BOARDS:
        [found] = of(documents, "ConfigMap", board.uid)
        assert found["data"] == {f"{board.uid}.json": (GENERATED / f"{board.uid}.json").read_text(encoding="utf-8")}
        assert found["metadata"]["labels"]["grafana_dashboard"] == "1"
    [secret] = of(documents, "Secret", "shadow-alertmanager")
    text = base64.b64decode(secret["data"]["alertmanager.yaml"]).decode()
    assert text == (GENERATED / "alertmanager.yml").read_text(encoding="utf-8")


def test_no_secret_is_in_the_manifests() -> None:
    """But Alertmanager's file, which names files of secrets and holds none."""
    assert [each["metadata"]["name"] for each in of(built(), "Secret")] == ["shadow-alertmanager"]


def test_a_changed_configuration_starts_every_process_anew() -> None:
    """The ConfigMap's name ends in a hash of its content, and every pod names it."""
    [name] = {volume["configMap"]["name"] for workload in pods.workloads(built())
              for volume in pods.pod(workload)["spec"]["volumes"] if "configMap" in volume}  # fmt: skip
    assert name.startswith("shadow-config-")
    assert (
        pods.configuration(built()).model_dump()
        == pods.parse((OVERLAY / "shadow.yaml").read_text(encoding="utf-8"), "shadow.yaml").model_dump()
    )
