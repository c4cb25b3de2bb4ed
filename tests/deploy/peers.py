"""Who reaches whom in deploy/kubernetes: Services, network policies, monitors, and what they carry."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from dashboards.limits import GATE_JOB, JOB, SAMPLE_LIMIT, SCRAPE_S
from dashboards.routes import SECRETS, slug, teams
from shadow.config import Config
from tests.deploy.pods import configuration, labels, matches, pod, processes, workloads
from tests.deploy.processes import Process
from tests.fixtures.manifests import Document, of

LARGEST_CONFIG_MAP = 262_144
"""Bytes: what `kubectl apply` can note beside a resource, and less than Kubernetes takes."""


def problems(documents: list[Document]) -> list[str]:
    """All that is wrong."""
    config = configuration(documents)
    return [
        *_services(documents, config),
        *_network(documents, config),
        *_scraped(documents, config),
        *_packed(documents, config),
    ]


def _services(documents: list[Document], config: Config) -> Iterator[str]:
    """One to the gate's verdicts and one to the console's pages, and no way in from outside the cluster."""
    outside = [each["kind"] for each in documents if each["kind"] in {"Ingress", "HTTPRoute", "Gateway"}]
    yield from (f"a way in from outside: {kind}" for kind in outside)
    expected = {"gate": config.metrics.gate_port, "console": config.console.port}
    found = [_service(documents, service) for service in of(documents, "Service")]
    for kind, port in expected.items():
        if found.count((kind, port, port)) != 1:
            yield f"no Service leads to {kind} on {port}, or several do"
    if len(found) > len(expected):
        yield f"Services beyond those: {found}"


def _service(documents: list[Document], service: Document) -> tuple[str, int, int] | None:
    """Who is behind it, its port, and the port there; None: nobody, several, or it is open to the world."""
    spec = service["spec"]
    behind = [each for each in workloads(documents) if matches({"matchLabels": spec["selector"]}, labels(each))]
    if len(behind) != 1 or spec.get("type", "ClusterIP") != "ClusterIP":
        return None
    [container], [port] = pod(behind[0])["spec"]["containers"], spec["ports"]
    named = {each["name"]: each["containerPort"] for each in container["ports"]}
    return _kind(processes(behind)), port["port"], named.get(port["targetPort"], 0)


def _kind(found: list[Process]) -> str:
    """Which process a workload runs: a consumer's name, or a command."""
    return next((each.consumer[0] for each in found if each.consumer), found[-1].argv[1])


def allowed(documents: list[Document], given: Mapping[str, str], direction: str) -> set[tuple[str, int]]:
    """With whom pods of these labels may talk (``ingress`` or ``egress``), by the policies that select them."""
    policies = [each["spec"] for each in of(documents, "NetworkPolicy") if matches(each["spec"]["podSelector"], given)]
    held = [each for each in policies if direction.capitalize() in each["policyTypes"]]
    if not held:
        return {("everybody", 0)}
    side = "from" if direction == "ingress" else "to"
    return {
        (_peer(peer), int(port["port"]))
        for policy in held
        for rule in policy.get(direction, ())
        for peer in rule.get(side) or [{}]
        for port in rule.get("ports") or [{"port": 0}]
    }


def _peer(peer: Mapping[str, Any]) -> str:
    if "ipBlock" in peer:
        private = {"10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16", "fc00::/7", "fe80::/10"}
        version = ":" in peer["ipBlock"]["cidr"]
        kept = {each for each in private if (":" in each) == version} <= set(peer["ipBlock"].get("except", ()))
        return "internet" if kept else "internet and private networks"
    named = peer.get("namespaceSelector", {}).get("matchLabels", {})
    return str(
        next(iter(named.values()), None) if "kubernetes.io/metadata.name" in named else next(iter(named), "everybody")
    )


def _network(documents: list[Document], config: Config) -> Iterator[str]:
    """Who may talk to whom is what each process needs and nothing else. A candidate's reply reaches no customer."""
    [kafka] = {int(each.rpartition(":")[2]) for each in config.broker.bootstrap}
    names = {("kube-system", 53)}
    for direction in ("egress", "ingress"):
        if may := allowed(documents, {}, direction):
            yield f"a pod that is not Shadow's: {direction} {sorted(may)}"
    for workload in workloads(documents):
        kind = _kind(processes([workload]))
        egress = names | {("kafka", kafka)}
        egress |= {("postgres", 5432)} if kind in {"recorder", "gate", "console"} else set()
        egress |= {("internet", 443)} if kind in {"mirror", "judge"} else set()
        ingress = {("monitoring", config.metrics.port)}
        ingress |= {("shadow/reads-verdicts", config.metrics.gate_port)} if kind == "gate" else set()
        ingress |= {("shadow/reads-console", config.console.port)} if kind == "console" else set()
        for direction, expected in (("egress", egress), ("ingress", ingress)):
            may = allowed(documents, labels(workload), direction)
            if may != expected:
                yield f"{workload['metadata']['name']}: {direction} {sorted(may ^ expected)}"


def _scraped(documents: list[Document], config: Config) -> Iterator[str]:
    monitors = of(documents, "PodMonitor")
    for workload in of(documents, "Deployment"):
        process = processes([workload])[-1]
        over = [each["spec"] for each in monitors if matches(each["spec"]["selector"], labels(workload))
                and workload["metadata"]["namespace"] in each["spec"]["namespaceSelector"]["matchNames"]]  # fmt: skip
        job = GATE_JOB if process.consumer and process.consumer[0] == "gate" else JOB
        named = {each["name"]: each["containerPort"] for each in pod(workload)["spec"]["containers"][0]["ports"]}
        seen = [
            (_label(spec, "job"), named.get(each["port"]), each["interval"])
            for spec in over
            for each in spec["podMetricsEndpoints"]
        ]
        wanted = [] if process.console else [(job, config.metrics.port, f"{SCRAPE_S}s")]
        if seen != wanted:
            yield f"{process.name}: is scraped as {seen}, not as {wanted}"
    for each in monitors:
        if each["spec"]["sampleLimit"] != SAMPLE_LIMIT or not _label(each["spec"], "cluster"):
            yield f"{each['metadata']['name']}: its limit, or no cluster"


def _label(spec: Document, label: str) -> str | None:
    rules = [each for endpoint in spec["podMetricsEndpoints"] for each in endpoint.get("relabelings", ())]
    return next((each["replacement"] for each in rules if each["targetLabel"] == label), None)


def _packed(documents: list[Document], config: Config) -> Iterator[str]:
    [manager] = of(documents, "Alertmanager")
    [secret] = [
        each for each in of(documents, "Secret") if each["metadata"]["name"] == manager["spec"]["configSecret"]
    ] or [{}]
    if (
        "alertmanager.yaml" not in secret.get("data", {})
        or secret["metadata"]["namespace"] != manager["metadata"]["namespace"]
    ):
        yield "Alertmanager has no configuration"
    without = {slug(team) for team in teams(config)} - set(manager["spec"]["secrets"])
    yield from (f"Alertmanager: {SECRETS}/{team} is not mounted" for team in sorted(without))
    for each in of(documents, "ConfigMap"):
        if sum(len(text.encode()) for text in each["data"].values()) > LARGEST_CONFIG_MAP:
            yield f"{each['metadata']['name']}: is too large to be applied"
