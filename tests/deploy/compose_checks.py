"""What must hold for deploy/compose.yaml beyond its schema; each line says what does not."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from dashboards.limits import GATE_JOB, JOB, SAMPLE_LIMIT, SCRAPE_S
from shadow.config import Config
from shadow.processes import STOP_S
from tests.deploy.processes import OWN_IMAGE, Process, command_of, environment, faults
from tests.fixtures.manifests import Document

URL = re.compile(r"http://127\.0\.0\.1:(\d+)(/[\w/-]+)")
ONE_SHOT = ("topics", "migrate")
BESIDE_CANDIDATES = ("models", "traffic")
"""They play the models, and production."""

INSIDE = {"data", "monitoring"}


def processes(document: Document) -> list[Process]:
    """Every service of the file."""
    return [_process(name, service) for name, service in document["services"].items()]


def _process(name: str, service: Document) -> Process:
    test = " ".join((service.get("healthcheck") or {}).get("test", ()))
    secrets = {"ledger"} if "PGPASSWORD" in (service.get("environment") or {}) else set()
    secrets |= {f"key:{re.split(r'[/.]', each['path'])[-2]}" for each in service.get("env_file") or ()}
    return Process(
        name=name,
        argv=command_of(service.get("entrypoint"), service.get("command")),
        image=service["image"],
        probes=tuple((path, int(port)) for port, path in URL.findall(test)),
        ports=tuple(int(each["target"]) for each in service.get("ports") or ()),
        secrets=frozenset(secrets),
    )


def problems(document: Document, config: Config, scraped: Document) -> list[str]:
    """All that is wrong; ``scraped``: Prometheus' configuration."""
    return [
        *faults(processes(document), config),
        *_containers(document["services"]),
        *_networks(document),
        *_order(document["services"]),
        *_addresses(document, config),
        *_scraped(document, scraped),
    ]


def _ours(service: Document) -> bool:
    return str(service["image"]).startswith(OWN_IMAGE)


def _containers(services: dict[str, Document]) -> Iterator[str]:
    for name, service in services.items():
        yield from (f"{name}: {each}" for each in environment(service.get("environment") or {}))
        for port in service.get("ports") or ():
            if port.get("host_ip") != "127.0.0.1":
                yield f"{name}: port {port['target']} is open to the network"
        if not service.get("healthcheck") and name not in {*ONE_SHOT, "traffic"}:
            yield f"{name}: nobody asks whether it works"
        if name not in ONE_SHOT and service.get("restart") != "unless-stopped":
            yield f"{name}: stays dead"
        if not _ours(service):
            continue
        hard = (
            service.get("read_only"),
            service.get("cap_drop"),
            service.get("security_opt"),
            service.get("privileged"),
        )
        if hard != (True, ["ALL"], ["no-new-privileges:true"], None) or service.get("user"):
            yield f"{name}: may do more than it must"
        if _config(service) != ("/config/shadow.yaml", True):
            yield f"{name}: the configuration is not where the image looks for it"
        if service.get("stop_grace_period", "10s") != "30s" and _process(name, service).consumer:
            yield f"{name}: is killed before {STOP_S:g} s have passed"


def _config(service: Document) -> tuple[str, bool]:
    [mount] = [each for each in service["volumes"] if each["source"].endswith("shadow.yaml")] or [{"target": ""}]
    return mount["target"], bool(mount.get("read_only"))


def _networks(document: Document) -> Iterator[str]:
    for name in INSIDE:
        if not document["networks"][name].get("internal"):
            yield f"network {name} leads outside"
    for process in processes(document):
        networks = set(document["services"][process.name].get("networks") or {"default"})
        asks = bool(process.consumer) and process.consumer[0] in {"mirror", "judge"}
        if ("models" in networks) != (asks or process.name in BESIDE_CANDIDATES):
            yield f"{process.name}: is on the models' network, or cannot ask its model"
        outside = networks - INSIDE - {"models"}
        if outside - {"edge"} or (outside and not process.ports):
            yield f"{process.name}: leads outside by {sorted(outside)}"
        if process.consumer and not networks >= INSIDE:
            yield f"{process.name}: reaches no Kafka, or cannot be scraped"


def _order(services: dict[str, Document]) -> Iterator[str]:
    waits = {
        name: {on: how["condition"] for on, how in (each.get("depends_on") or {}).items()}
        for name, each in services.items()
    }
    done, healthy = "service_completed_successfully", "service_healthy"
    expected = {"topics": {"kafka": healthy}, "migrate": {"postgres": healthy}}
    for name, service in services.items():
        kind = (_process(name, service).consumer or ("",))[0]
        if _process(name, service).console:
            expected[name] = {"topics": done, "migrate": done}
        if kind:
            expected[name] = {"topics": done} | ({"migrate": done} if kind in {"recorder", "gate"} else {})
    yield from (
        f"{name}: begins before {sorted(on)}" for name, on in expected.items() if not on.items() <= waits[name].items()
    )


def _addresses(document: Document, config: Config) -> Iterator[str]:
    """What the configuration names is a service of the file, on a port where it listens."""
    services = document["services"]
    [kafka] = config.broker.bootstrap
    host, _, port = kafka.partition(":")
    if f"://{host}:{port}" not in services.get(host, {}).get("environment", {}).get("KAFKA_ADVERTISED_LISTENERS", ""):
        yield f"broker.url: nothing is advertised at {kafka}"
    settings = services["kafka"]["environment"]
    if settings.get("KAFKA_AUTO_CREATE_TOPICS_ENABLE") != "false":
        yield "kafka: a topic may come to be with the wrong partitions"
    user, _, place = config.ledger.url.partition("//")[2].partition("@")
    found = services["postgres"]["environment"]
    if (found["POSTGRES_USER"], f"postgres/{found['POSTGRES_DB']}") != (user, place):
        yield f"ledger.url: postgres has no {user}@{place}"
    if config.metrics.gate_port not in next(each.ports for each in processes(document) if each.name == "gate"):
        yield "gate: its verdicts are not published"
    for arm in (*config.arms, *((config.judge.arm,) if config.judge else ())):
        if getattr(arm.adapter, "base_url", "http://models:29080/v1") != "http://models:29080/v1":
            yield f"{arm.name}: is not asked at the simulated models"


def _scraped(document: Document, scraped: Any) -> Iterator[str]:
    jobs = {job["job_name"]: job for job in scraped["scrape_configs"]}
    if set(jobs) != {JOB, GATE_JOB} or scraped["global"]["scrape_interval"] != f"{SCRAPE_S}s":
        yield f"prometheus: jobs {sorted(jobs)}, every {scraped['global']['scrape_interval']}"
        return
    found = {name: set(_targets(job)) for name, job in jobs.items()}
    for process in processes(document):
        if process.consumer:
            job = GATE_JOB if process.consumer[0] == "gate" else JOB
            if (process.name, process.metrics_port) not in found[job]:
                yield f"{process.name}: is not scraped as {job}"
            found[job].discard((process.name, process.metrics_port or 0))
    yield from (f"prometheus: nothing at {left}" for left in found.values() if left)
    for name, job in jobs.items():
        labels = [each.get("labels", {}) for each in job["static_configs"]]
        relabelled = {each.get("target_label") for each in job.get("relabel_configs", ())}
        if not ("cluster" in relabelled or all("cluster" in each for each in labels)):
            yield f"prometheus: {name} has no cluster"
        if job["sample_limit"] != SAMPLE_LIMIT:
            yield f"prometheus: {name} takes {job['sample_limit']} samples"
    [managers] = scraped["alerting"]["alertmanagers"]
    if managers["static_configs"][0]["targets"] != ["alertmanager:9093"] or "alertmanager" not in document["services"]:
        yield "prometheus: no Alertmanager"


def _targets(job: Any) -> Iterator[tuple[str, int]]:
    for each in job["static_configs"]:
        for target in each["targets"]:
            host, _, port = target.partition(":")
            yield host, int(port)
    for each in job.get("dns_sd_configs", ()):
        yield from ((name, int(each["port"])) for name in each["names"])
