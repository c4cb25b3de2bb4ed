"""What must hold for the pods of deploy/kubernetes beyond their schemas; each line says what does not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from consumers.mirror import GRACE_S
from shadow.config import Config, parse
from shadow.processes import STOP_S
from tests.deploy.processes import Process, environment, faults
from tests.fixtures.manifests import Document, of

NAMESPACE = "shadow"
KAFKA = "shadow-kafka"
"""The Secret of the login to Kafka; where it is missing, Kafka wants none."""

PROBES = {"startupProbe": "/healthz", "livenessProbe": "/healthz", "readinessProbe": "/readyz"}
PLAIN_PROBES = dict.fromkeys(PROBES, "/healthz")
"""Of the console, which is ready as soon as it answers."""
POD = {"runAsNonRoot": True, "runAsUser": 10001, "runAsGroup": 10001, "seccompProfile": {"type": "RuntimeDefault"}}
CONTAINER = {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]}}


def configuration(documents: list[Document]) -> Config:
    """What the processes get to read."""
    [found] = [each for each in of(documents, "ConfigMap") if "shadow.yaml" in each["data"]]
    return parse(found["data"]["shadow.yaml"], "shadow-config")


def workloads(documents: list[Document]) -> list[Document]:
    """Everything that runs pods of ours."""
    return [*of(documents, "Deployment"), *of(documents, "StatefulSet"), *of(documents, "Job")]


def pod(workload: Document) -> Document:
    """A workload's pod."""
    template: Document = workload["spec"]["template"]
    return template


def labels(workload: Document) -> dict[str, str]:
    """Labels of a workload's pods."""
    return dict(pod(workload)["metadata"]["labels"])


def processes(documents: list[Document]) -> list[Process]:
    """Every container, also those that begin before others."""
    return [
        _process(workload, container, number)
        for workload in workloads(documents)
        for number, container in enumerate(
            [*pod(workload)["spec"].get("initContainers", ()), *pod(workload)["spec"]["containers"]]
        )
    ]


def _process(workload: Document, container: Document, number: int) -> Process:
    plain = {each["name"]: each["value"] for each in container.get("env", ()) if "value" in each}
    words = [*container["command"], *container["args"]]
    for name, value in plain.items():
        words = [word.replace(f"$({name})", value) for word in words]
    named = {each["name"]: each["containerPort"] for each in container.get("ports", ())}
    asked = [container[kind]["httpGet"] for kind in PROBES if kind in container]
    sources = [each.get("valueFrom", {}).get("secretKeyRef", {}) for each in container.get("env", ())]
    secrets = {"ledger" for each in sources if each == {"name": "shadow-ledger", "key": "password"}}
    keys = {each["secretRef"]["name"] for each in container.get("envFrom", ())} - {KAFKA}
    secrets |= {f"key:{name.removeprefix('shadow-key-')}" for name in keys}
    return Process(
        name=f"{workload['metadata']['name']}/{number}",
        argv=tuple(words),
        image=container["image"],
        probes=tuple((each["path"], named.get(each["port"], each["port"])) for each in asked),
        ports=tuple(named.values()),
        secrets=frozenset(secrets),
    )


def problems(documents: list[Document]) -> list[str]:
    """All that is wrong."""
    config = configuration(documents)
    return [
        *faults(processes(documents), config),
        *_pods(documents),
        *_replicas(documents, config),
        *_disruptions(documents),
    ]


def matches(selector: Mapping[str, Any], given: Mapping[str, str]) -> bool:
    """Whether a label selector takes something with these labels."""
    if any(given.get(key) != value for key, value in selector.get("matchLabels", {}).items()):
        return False
    for each in selector.get("matchExpressions", ()):
        has = given.get(each["key"]) in each["values"]
        if has != (each["operator"] == "In"):
            return False
    return True


def _pods(documents: list[Document]) -> Iterator[str]:
    [account] = of(documents, "ServiceAccount")
    maps = {each["metadata"]["name"] for each in of(documents, "ConfigMap") if "shadow.yaml" in each["data"]}
    for workload in workloads(documents):
        name, spec = workload["metadata"]["name"], pod(workload)["spec"]
        if workload["metadata"].get("namespace") != NAMESPACE:
            yield f"{name}: is in another namespace"
        if (
            spec.get("automountServiceAccountToken") is not False
            or account["automountServiceAccountToken"] is not False
        ):
            yield f"{name}: holds a token for the Kubernetes API"
        if spec.get("serviceAccountName") != account["metadata"]["name"] or spec.get("enableServiceLinks") is not False:
            yield f"{name}: another account, or variables of other services"
        if spec.get("securityContext") != POD:
            yield f"{name}: its pod may do more than it must"
        if {each.get("configMap", {}).get("name") for each in spec["volumes"]} - {None} != maps:
            yield f"{name}: has no configuration"
        if workload["kind"] == "Deployment" and spec.get("terminationGracePeriodSeconds", 30) < max(
            STOP_S, 2 * GRACE_S
        ):
            yield f"{name}: is killed before it has let go of its partitions"
        login = {"secretRef": {"name": KAFKA, "optional": True}}
        if any(login not in container.get("envFrom", ()) for container in spec["containers"]):
            yield f"{name}: has no login to Kafka"
        for container in [*spec.get("initContainers", ()), *spec["containers"]]:
            yield from (
                f"{name}: {each}"
                for each in _container(
                    container, probed=container in spec["containers"] and workload["kind"] == "Deployment"
                )
            )


def _container(container: Document, *, probed: bool) -> Iterator[str]:
    if container.get("securityContext") != CONTAINER:
        yield "may do more than it must"
    resources = container.get("resources", {})
    if set(resources.get("requests", ())) != {"cpu", "memory"} or resources["requests"]["memory"] != resources.get(
        "limits", {}
    ).get("memory"):
        yield "its memory is not promised and bounded by one number"
    mounts = {each["mountPath"]: each.get("readOnly", False) for each in container["volumeMounts"]}
    if mounts != {"/config": True, "/tmp": False}:  # noqa: S108 (in a container)
        yield f"its files are {sorted(mounts)}"
    paths = {kind: container.get(kind, {}).get("httpGet", {}).get("path") for kind in PROBES}
    if probed and paths != (PLAIN_PROBES if container["args"][:1] == ["console"] else PROBES):
        yield f"is asked {paths}"
    yield from environment({each["name"]: each.get("value") for each in container.get("env", ())})


def _replicas(documents: list[Document], config: Config) -> Iterator[str]:
    for workload in of(documents, "Deployment"):
        name, spec = workload["metadata"]["name"], workload["spec"]
        kind = next((each.consumer[0] for each in processes([workload]) if each.consumer), "")
        if spec["replicas"] > config.broker.partitions:
            yield f"{name}: {spec['replicas']} replicas for {config.broker.partitions} partitions"
        if kind == "gate" and (spec["replicas"], spec["strategy"]["type"]) != (1, "Recreate"):
            yield f"{name}: two may run, and each publishes"
        if kind in {"mirror", "comparator"} and spec["strategy"].get("rollingUpdate", {}).get("maxSurge") != 0:
            yield f"{name}: more than its replicas may run"
        if not matches(spec["selector"], labels(workload)):
            yield f"{name}: does not select its own pods"
        others = [
            each for each in workloads(documents) if each is not workload and matches(spec["selector"], labels(each))
        ]
        if others:
            yield f"{name}: selects the pods of {others[0]['metadata']['name']}"


def _disruptions(documents: list[Document]) -> Iterator[str]:
    budgets = of(documents, "PodDisruptionBudget")
    for workload in of(documents, "Deployment"):
        over = [each for each in budgets if matches(each["spec"]["selector"], labels(workload))]
        if workload["spec"]["replicas"] > 1 and [each["spec"].get("maxUnavailable") for each in over] != [1]:
            yield f"{workload['metadata']['name']}: a drained node takes all of it"
        if workload["spec"]["replicas"] == 1 and any("minAvailable" in each["spec"] for each in over):
            yield f"{workload['metadata']['name']}: its node can never be drained"
