"""The checks can fail: each fault that is put into the manifests on purpose is noticed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.deploy import peers, pods, schemas
from tests.fixtures.manifests import Document, built, of

Change = Callable[[Any], object]


def within(kind: str, name: str, *path: str | int, **values: Any) -> Change:
    """Other values at a place of a resource; None takes one out."""

    def change(documents: list[Document]) -> None:
        [place] = of(documents, kind, name)
        for step in path:
            place = place[step]
        for key, value in values.items():
            place.pop(key, None)
            if value is not None:
                place[key] = value

    return change


def first(documents: list[Document], kind: str, name: str) -> Any:
    """What a resource is to be."""
    return of(documents, kind, name)[0]["spec"]


def relabelings(documents: list[Document], monitor: str) -> Any:
    return first(documents, "PodMonitor", monitor)["podMetricsEndpoints"][0]["relabelings"]


POD = ("spec", "template", "spec")
CONTAINER = (*POD, "containers", 0)
PROBE = {"httpGet": {"path": "/health", "port": "metrics"}}


def without(kind: str, name: str) -> Change:
    return lambda documents: documents.remove(of(documents, kind, name)[0])


def replaced(kind: str, name: str, *path: str | int, value: Any) -> Change:
    def change(documents: list[Document]) -> None:
        [place] = of(documents, kind, name)
        for step in path[:-1]:
            place = place[step]
        assert place[path[-1]] != value
        place[path[-1]] = value

    return change


MANIFEST_FAULTS: dict[str, Change] = {
    "a misspelt field": within("Deployment", "comparator", *POD, terminationGracePeriodSecond=30),
    "a text for a number": within("Deployment", "comparator", "spec", replicas="2"),
    "an operator's field that there is not": within("PodMonitor", "shadow", "spec", sampleLimits=1),
    "a rule without an expression": lambda documents: first(documents, "PrometheusRule", "shadow")["groups"][0][
        "rules"
    ][0].pop("expr"),
    "a kind of an older Kubernetes": replaced(
        "PodDisruptionBudget", "comparator", "apiVersion", value="policy/v1beta1"
    ),
    "an arm without a mirror": without("Deployment", "mirror-support-2"),
    "a mirror of nobody": replaced("Deployment", "mirror-control", *CONTAINER, "env", 0, "value", value="none"),
    "no gate": without("Deployment", "shadow-gate"),
    "an option that there is not": replaced("Deployment", "recorder", *CONTAINER, "args", 1, value="--port"),
    "a command that there is not": replaced("Job", "topics", *CONTAINER, "args", 0, value="topic"),
    "another port": replaced("Deployment", "recorder", *CONTAINER, "ports", 0, "containerPort", value=29101),
    "a probe of a path that there is not": within("Deployment", "recorder", *CONTAINER, readinessProbe=PROBE),
    "alive only if it is ready": replaced(
        "Deployment", "recorder", *CONTAINER, "livenessProbe", "httpGet", "path", value="/readyz"
    ),
    "no probe": within("Deployment", "recorder", *CONTAINER, livenessProbe=None),
    "the latest": replaced("Deployment", "recorder", *CONTAINER, "image", value="shadow-evaluator:latest"),
    "root": within("Deployment", "recorder", *POD, "securityContext", runAsNonRoot=False),
    "a file system that can be written": within(
        "Deployment", "recorder", *CONTAINER, "securityContext", readOnlyRootFilesystem=False
    ),
    "capabilities of what begins first": within(
        "Deployment", "recorder", *POD, "initContainers", 0, "securityContext", capabilities=None
    ),
    "a token": within("Deployment", "recorder", *POD, automountServiceAccountToken=None),
    "no bound of memory": within("Deployment", "recorder", *CONTAINER, "resources", limits=None),
    "killed at once": within("Deployment", "comparator", *POD, terminationGracePeriodSeconds=5),
    "more than there are partitions": within("Deployment", "comparator", "spec", replicas=25),
    "two gates": within("Deployment", "shadow-gate", "spec", replicas=2),
    "two gates for a while": within("Deployment", "shadow-gate", "spec", strategy={"type": "RollingUpdate"}),
    "a mirror more for a while": within(
        "Deployment", "mirror-control", "spec", "strategy", "rollingUpdate", maxSurge=1
    ),
    "arms that take each other's pods": lambda documents: first(documents, "Deployment", "mirror-control")["selector"][
        "matchLabels"
    ].pop("shadow/arm"),
    "no budget of disruptions": without("PodDisruptionBudget", "mirror-support-2"),
    "a node that cannot be drained": lambda documents: documents.append(
        {
            "kind": "PodDisruptionBudget",
            "apiVersion": "policy/v1",
            "metadata": {"name": "gate"},
            "spec": {"minAvailable": 1, "selector": {"matchLabels": {"app.kubernetes.io/name": "shadow-gate"}}},
        }
    ),
    "a Service of nobody": within("Service", "shadow-gate", "spec", selector={"app.kubernetes.io/name": "gate"}),
    "a Service's other port": replaced("Service", "shadow-gate", "spec", "ports", 0, "port", value=80),
    "no console": without("Deployment", "shadow-console"),
    "a console that everybody reaches": within(
        "NetworkPolicy", "pages", "spec", ingress=[{"ports": [{"port": 29098}]}]
    ),
    "a console that whoever reads verdicts reaches": within(
        "Deployment",
        "shadow-console",
        "spec",
        "template",
        "metadata",
        "labels",
        **{"app.kubernetes.io/name": "shadow-gate"},
    ),
    "a console that asks models": within(
        "Deployment", "shadow-console", "spec", "template", "metadata", "labels", **{"shadow/asks-models": "true"}
    ),
    "a console that is scraped": replaced(
        "PodMonitor", "shadow", "spec", "selector", "matchExpressions", 0, "values", value=["shadow-gate", "topics"]
    ),
    "a console's probe with words": within(
        "Deployment", "shadow-console", *CONTAINER, readinessProbe={"httpGet": {"path": "/", "port": "pages"}}
    ),
    "a console open to the world": within("Service", "shadow-console", "spec", type="LoadBalancer"),
    "a way in from outside": lambda documents: documents.append(
        {
            "kind": "Ingress",
            "apiVersion": "networking.k8s.io/v1",
            "metadata": {"name": "console"},
            "spec": {"defaultBackend": {"service": {"name": "shadow-console", "port": {"number": 29098}}}},
        }
    ),
    "a console without the ledger's password": within("Deployment", "shadow-console", *CONTAINER, env=None),
    "a console that may write files": within(
        "Deployment", "shadow-console", *CONTAINER, "securityContext", readOnlyRootFilesystem=False
    ),
    "the key of another arm": replaced(
        "Deployment", "mirror-control", *CONTAINER, "envFrom", 1, "secretRef", "name", value="shadow-key-support-2"
    ),
    "no login to Kafka": within("Deployment", "comparator", *CONTAINER, envFrom=None),
    "no password": within("Deployment", "shadow-gate", *CONTAINER, env=None),
    "everything may be reached": without("NetworkPolicy", "nothing-else"),
    "models may be in the private network": replaced(
        "NetworkPolicy", "models", "spec", "egress", 0, "to", 0, "ipBlock", "except", value=["10.0.0.0/8"]
    ),
    "a recorder that asks models": within(
        "Deployment", "recorder", "spec", "template", "metadata", "labels", **{"shadow/asks-models": "true"}
    ),
    "a mirror that customers reach": lambda documents: first(documents, "NetworkPolicy", "verdicts")[
        "podSelector"
    ].update(matchLabels={}),
    "a mirror that everybody reaches": within(
        "NetworkPolicy", "metrics", "spec", ingress=[{"ports": [{"port": 29100}]}]
    ),
    "a mirror without Kafka": within(
        "Deployment", "mirror-control", "spec", "template", "metadata", "labels", **{"shadow/uses-kafka": None}
    ),
    "a ledger for all": within("NetworkPolicy", "ledger", "spec", podSelector={}),
    "the gate scraped as a consumer too": replaced(
        "PodMonitor", "shadow", "spec", "selector", "matchExpressions", 0, "values", value=["topics"]
    ),
    "a monitor of another job": lambda documents: relabelings(documents, "shadow-gate")[0].update(replacement="gate"),
    "a monitor without a cluster": lambda documents: relabelings(documents, "shadow").pop(),
    "a monitor of another namespace": replaced(
        "PodMonitor", "shadow", "spec", "namespaceSelector", "matchNames", value=["default"]
    ),
    "Alertmanager without its file": within("Alertmanager", "shadow", "spec", configSecret="alertmanager"),
    "a team without its secret": replaced("Alertmanager", "shadow", "spec", "secrets", value=["shadow-sre"]),
    "a dashboard that is too large": lambda documents: of(documents, "ConfigMap", "shadow-fleet")[0]["data"].update(
        more="x" * 300_000
    ),
}


@pytest.mark.parametrize("fault", MANIFEST_FAULTS)
def test_a_fault_in_the_manifests_is_noticed(fault: str) -> None:
    documents, before = built(), built()
    MANIFEST_FAULTS[fault](documents)
    changed = [each for each in documents if each not in before]
    assert (
        [line for each in changed for line in schemas.problems(each)]
        or pods.problems(documents)
        or peers.problems(documents)
    )
