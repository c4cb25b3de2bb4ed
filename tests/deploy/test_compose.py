"""deploy/compose.yaml is what docker compose takes, and runs every process as the code wants it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from dashboards.build import DEMO, GENERATED
from deploy.kafka.run import VERSION, KafkaCluster
from shadow.config import load
from tests.deploy import compose_checks
from tests.fixtures import prometheus
from tests.fixtures.manifests import COMPOSE, DEPLOY, FILLED_IN, ROOT, composed, read, run, tool

CONFIG = DEPLOY / "compose" / "shadow.yaml"
PROMETHEUS = DEPLOY / "compose" / "prometheus.yml"


def test_nothing_is_wrong_with_it() -> None:
    assert compose_checks.problems(composed(), load(CONFIG, environ={}), read(PROMETHEUS)) == []


@pytest.mark.parametrize("name", FILLED_IN)
def test_without_its_passwords_it_does_not_start_and_says_where_to_set_them(name: str) -> None:
    done = run(tool("composefile"), COMPOSE, **{**FILLED_IN, name: ""})
    assert done.returncode == 1
    assert "deploy/compose/example.env" in done.stderr
    assert f"{name}=\n" in (DEPLOY / "compose" / "example.env").read_text(encoding="utf-8")


def test_a_field_that_compose_does_not_know_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "compose.yaml"
    file.write_text("services: {a: {image: 'a:1', helthcheck: {}}}\n")
    done = run(tool("composefile"), file)
    assert done.returncode == 1
    assert "helthcheck" in done.stderr


def test_its_configuration_is_the_demos_but_for_where_things_stand() -> None:
    """What the demo shows without containers, it shows here: the same arms, slices and gate."""
    mine, demo = (load(file, environ={}).model_dump() for file in (CONFIG, DEMO))
    for arm in (mine["control"], *mine["candidates"]):
        arm["adapter"]["base_url"] = arm["adapter"]["base_url"].replace("models", "127.0.0.1")
    for section in ("broker", "ledger", "metrics", "judge", "console"):
        del mine[section], demo[section]
    assert mine == demo


def test_prometheus_takes_its_configuration_with_the_rules_beside_it(tmp_path: Path) -> None:
    """As the containers see it: the folder of generated files is mounted as ``rules``."""
    mounts = {each["target"]: Path(each["source"]) for each in composed()["services"]["prometheus"]["volumes"]
              if each["type"] == "bind"}  # fmt: skip
    assert mounts["/etc/prometheus/prometheus.yml"] == PROMETHEUS
    shutil.copy(PROMETHEUS, tmp_path / "prometheus.yml")
    (tmp_path / "rules").symlink_to(mounts["/etc/prometheus/rules"])
    said = prometheus.run("promtool", "check", "config", tmp_path / "prometheus.yml")
    assert said.count("SUCCESS") == 4  # the file, its syntax, and two files of rules


def test_what_is_mounted_is_there() -> None:
    services = composed()["services"]
    binds = {
        Path(each["source"]) for service in services.values() for each in service["volumes"] if each["type"] == "bind"
    }
    assert sorted(str(path) for path in binds if not path.exists()) == []
    assert GENERATED in binds
    sources = {each["dockerfile"] for each in (service.get("build") for service in services.values()) if each}
    assert sources == {"deploy/Dockerfile"}
    assert (ROOT / "deploy/Dockerfile").is_file()


def test_grafana_gets_the_same_source_as_elsewhere_but_for_its_address() -> None:
    [here] = read(DEPLOY / "compose" / "grafana-datasource.yml")["datasources"]
    [there] = read(DEPLOY / "grafana" / "provisioning" / "datasources" / "prometheus.yml")["datasources"]
    assert here.pop("url") == "http://prometheus:9090"
    assert there.pop("url") == "http://127.0.0.1:9090"
    assert here == there


def test_no_key_is_committed() -> None:
    """What lies in the folders of secrets is ignored by git, and so is the file of passwords."""
    for folder in ("keys", "alert-secrets"):
        assert (DEPLOY / "compose" / folder / ".gitignore").read_text(encoding="utf-8").splitlines()[1:] == [
            "*",
            "!.gitignore",
        ]
    assert "deploy/.env" in (ROOT / ".gitignore").read_text(encoding="utf-8").splitlines()


def test_kafka_is_set_up_as_the_one_that_the_tests_run() -> None:
    """Its image makes a property of each ``KAFKA_...``: none is misspelt, and none but an address has another value."""
    service = composed()["services"]["kafka"]
    given = {name.removeprefix("KAFKA_").lower().replace("_", "."): value
             for name, value in service["environment"].items() if name.startswith("KAFKA_")}  # fmt: skip
    tested = {name: str(value) for name, value in KafkaCluster(1, Path(), (1, 2))._settings(1)}
    assert set(given) - set(tested) == {"inter.broker.listener.name"}
    other = {name for name in given.keys() & tested.keys() if given[name] != tested[name]}
    addresses = {"listeners", "advertised.listeners", "listener.security.protocol.map", "controller.quorum.voters"}
    assert other == {*addresses, "log.dirs"}
    assert service["image"] == f"apache/kafka:{VERSION}"
