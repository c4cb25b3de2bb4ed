"""The checks can fail: each fault that is put into the compose file on purpose is noticed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from shadow.config import load
from tests.deploy import compose_checks
from tests.fixtures.manifests import DEPLOY, Document, composed, read

Change = Callable[[Any], object]


def service(name: str, **values: Any) -> Change:
    """Other values in a service; None takes one out."""

    def change(document: Document) -> None:
        for key, value in values.items():
            assert document["services"][name].get(key) != value
            document["services"][name].pop(key, None)
            if value is not None:
                document["services"][name][key] = value

    return change


def probe(name: str, old: str, new: str) -> Change:
    def change(document: Document) -> None:
        check = document["services"][name]["healthcheck"]
        asked = [word.replace(old, new) for word in check["test"]]
        assert asked != check["test"]
        check["test"] = asked

    return change


OPEN = [{"mode": "ingress", "target": 29099, "published": "29099", "protocol": "tcp"}]

COMPOSE_FAULTS: dict[str, Change] = {
    "an arm without a mirror": lambda document: document["services"].pop("mirror-flaky"),
    "a mirror of nobody": service("mirror-flaky", command=["mirror", "--arm", "quick", "--metrics-port", "29100"]),
    "a mirror twice": service("mirror-flaky", command=["mirror", "--arm", "better", "--metrics-port", "29100"]),
    "no console": lambda document: document["services"].pop("console"),
    "a console that everybody reaches": service(
        "console", ports=[{"mode": "ingress", "target": 29098, "published": "29098", "protocol": "tcp"}]
    ),
    "a console of another port": service("console", command=["console", "--port", "80"]),
    "a console that cannot read": service("console", environment=None),
    "a console that reaches models": service("console", networks={"data": None, "models": None, "edge": None}),
    "a probe of the console's words": probe("console", "/healthz", "/pairs"),
    "no judge": lambda document: document["services"].pop("judge"),
    "an option that there is not": service("recorder", command=["recorder", "--port", "29100"]),
    "a command that there is not": service("topics", command=["topic"]),
    "a subcommand that there is not": service("migrate", command=["ledger", "upgrade"]),
    "a flag of no command": service("topics", command=["topics", "--create"]),
    "a port of its own": service("comparator", command=["comparator", "--metrics-port", "29101"]),
    "a probe of another port": probe("gate", "29100", "29099"),
    "a probe of a path that there is not": probe("gate", "/readyz", "/ready"),
    "no probe": service("comparator", healthcheck=None),
    "another version": service("gate", image="shadow-evaluator:0.0.9"),
    "the latest": service("grafana", image="grafana/grafana:latest"),
    "no tag": service("postgres", image="postgres"),
    "open to the network": service("gate", ports=OPEN),
    "a file system that can be written": service("judge", read_only=None),
    "root": service("judge", user="0"),
    "capabilities": service("judge", cap_drop=None),
    "killed at once": service("comparator", stop_grace_period=None),
    "stays dead": service("recorder", restart="no"),
    "a candidate's way outside for the recorder": service(
        "recorder", networks={"data": None, "monitoring": None, "models": None}
    ),
    "a mirror that cannot ask": service("mirror-better", networks={"data": None, "monitoring": None}),
    "a network that leads outside": lambda document: document["networks"]["data"].pop("internal"),
    "begins before its topics": service("comparator", depends_on=None),
    "begins before its tables": service(
        "recorder", depends_on={"topics": {"condition": "service_completed_successfully"}}
    ),
    "waits for a start and not for health": service("topics", depends_on={"kafka": {"condition": "service_started"}}),
    "the password of the ledger for a mirror": service("mirror-better", environment={"PGPASSWORD": "filled-in"}),
    "the key of another arm": service("mirror-better", env_file=[{"path": "/keys/flaky.env", "required": False}]),
    "a password that is written out": lambda document: document["services"]["postgres"]["environment"].update(
        {"POSTGRES_PASSWORD": "x"}
    ),
    "another address of Kafka": lambda document: document["services"]["kafka"]["environment"].update(
        KAFKA_ADVERTISED_LISTENERS="INSIDE://broker:9092,HOST://127.0.0.1:9094"
    ),
    "topics that come by themselves": lambda document: document["services"]["kafka"]["environment"].update(
        KAFKA_AUTO_CREATE_TOPICS_ENABLE="true"
    ),
    "another database": lambda document: document["services"]["postgres"]["environment"].update(POSTGRES_DB="other"),
}


def judged(document: Document, **scraped: Any) -> list[str]:
    config = load(DEPLOY / "compose" / "shadow.yaml", environ={})
    return compose_checks.problems(document, config, read(DEPLOY / "compose" / "prometheus.yml") | scraped)


@pytest.mark.parametrize("fault", COMPOSE_FAULTS)
def test_a_fault_in_the_compose_file_is_noticed(fault: str) -> None:
    document = composed()
    COMPOSE_FAULTS[fault](document)
    assert judged(document)


def targets(old: str, new: str) -> Change:
    def change(jobs: list[Any]) -> None:
        [job] = [job for job in jobs if any(old in each["targets"] for each in job["static_configs"])]
        [group] = job["static_configs"]
        group["targets"] = [new if each == old else each for each in group["targets"] if new or each != old]

    return change


SCRAPE_FAULTS: dict[str, Change] = {
    "an arm that is not scraped": targets("mirror-flaky:29100", ""),
    "a port where nobody is": targets("mirror-flaky:29100", "mirror-flaky:29101"),
    "a target that there is not": targets("recorder:29100", "writer:29100"),
    "the gate as a consumer": lambda jobs: jobs[1].update(job_name="gate"),
    "no cluster": lambda jobs: jobs[0].pop("relabel_configs"),
    "another limit": lambda jobs: jobs[0].update(sample_limit=5000),
}


@pytest.mark.parametrize("fault", SCRAPE_FAULTS)
def test_a_fault_in_what_is_scraped_is_noticed(fault: str) -> None:
    jobs = read(DEPLOY / "compose" / "prometheus.yml")["scrape_configs"]
    SCRAPE_FAULTS[fault](jobs)
    assert judged(composed(), scrape_configs=jobs)
