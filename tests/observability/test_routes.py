"""Alertmanager's configuration: each alert reaches its owner, by amtool and by a real Alertmanager."""

from __future__ import annotations

import json
import time
import urllib.request
from pathlib import Path
from typing import Any

import pytest
import yaml

from dashboards.build import GENERATED
from dashboards.limits import SRE
from dashboards.routes import configuration, slug, teams
from shadow.config import Config
from tests.fixtures import prometheus

FILE = GENERATED / "alertmanager.yml"


def test_alertmanager_takes_the_configuration() -> None:
    prometheus.run("amtool", "check-config", FILE)


@pytest.mark.parametrize(
    ("labels", "receiver"),
    [
        ({"alertname": "ShadowWatchdog", "severity": "none", "team": SRE}, "deadman"),
        ({"alertname": "ShadowWorkersAbsent", "severity": "page", "team": SRE}, "shadow-sre-page"),
        ({"alertname": "ShadowLagGrowing", "severity": "ticket", "team": SRE}, "shadow-sre-ticket"),
        ({"alertname": "ShadowCandidateFailing", "severity": "ticket", "team": "team-savings"}, "team-savings-ticket"),
        ({"alertname": "ShadowCandidateCriticalFailure", "severity": "page", "team": "team-infra"}, "team-infra-page"),
        (
            {"alertname": "ShadowCandidateFailing", "severity": "page", "team": "support-platform"},
            "support-platform-page",
        ),
        ({"alertname": "ShadowCandidateFailing", "severity": "page", "team": "nobody"}, "shadow-sre-ticket"),
        ({"alertname": "ShadowCandidateFailing", "severity": "page", "team": "team-infrared"}, "shadow-sre-ticket"),
    ],
)
def test_an_alert_reaches_its_owner(labels: dict[str, str], receiver: str) -> None:
    pairs = [f"{name}={value}" for name, value in labels.items()]
    prometheus.run(
        "amtool", "config", "routes", "test", f"--config.file={FILE}", f"--verify.receivers={receiver}", *pairs
    )


def with_owners(*owners: str) -> Config:
    arms = [
        {"name": f"c{number}", "owner": owner, "adapter": {"type": "callable", "target": "a:b"}}
        for number, owner in enumerate(owners)
    ]
    return Config.model_validate({"version": 1, "production": {"owner": "sre", "model": "m"}, "candidates": arms})


STRANGE = ('O"Brien\\s team', "a.*", "Team A", "team a", "team-a", "日本", "new\nline")


def test_owners_of_any_name_get_receivers_of_their_own(tmp_path: Path) -> None:
    """A team's name is text: it is quoted, is never a pattern, and no two teams share a receiver."""
    document = configuration(with_owners(*STRANGE))
    file = tmp_path / "alertmanager.yml"
    file.write_text(yaml.safe_dump(document, allow_unicode=True))
    prometheus.run("amtool", "check-config", file)
    assert len({slug(team) for team in teams(with_owners(*STRANGE))}) == len(STRANGE) + 2
    for team, expected in (
        ("a.*", f"{slug('a.*')}-page"),
        ("abc", "shadow-sre-ticket"),
        ("日本", f"{slug('日本')}-page"),
    ):
        given = ["severity=page", f"team={team}", f"--verify.receivers={expected}"]
        prometheus.run("amtool", "config", "routes", "test", f"--config.file={file}", *given)


def test_no_secret_and_no_real_address_stands_in_the_file() -> None:
    text = FILE.read_text(encoding="utf-8")
    document = yaml.safe_load(text)
    addresses = [receiver.get("webhook_configs", [{}])[0].get("url") for receiver in document["receivers"]]
    assert [address for address in addresses if address] == ["https://deadman.invalid/shadow"]
    for word in ("api_url:", "routing_key:", "service_key:", "password:"):
        assert word not in text


def post(address: str, alerts: list[dict[str, str]]) -> None:
    body = json.dumps([{"labels": labels} for labels in alerts]).encode()
    request = urllib.request.Request(f"http://{address}/api/v2/alerts", body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=60) as response:  # noqa: S310 (http, one line above)
        assert response.status == 200


def states(address: str) -> dict[tuple[str, str, str], str]:
    """Alert, cluster and severity to ``active`` or ``suppressed``."""
    with urllib.request.urlopen(f"http://{address}/api/v2/alerts", timeout=60) as response:
        found: list[dict[str, Any]] = json.load(response)
    keys = ("alertname", "cluster", "severity")
    return {tuple(each["labels"].get(key, "") for key in keys): each["status"]["state"] for each in found}


def test_candidates_are_silent_while_the_pipeline_is_down(tmp_path: Path) -> None:
    """In a real Alertmanager: the stopped mirror of one cluster silences that cluster's candidates and no others."""
    file = tmp_path / "alertmanager.yml"
    document = yaml.safe_load(FILE.read_text(encoding="utf-8"))
    for receiver in document["receivers"]:  # it wants the files of secrets to be there
        for name in [name for name in receiver if name.endswith("_configs")]:
            del receiver[name]
    file.write_text(yaml.safe_dump(document))
    about = {"candidate": "better", "team": "team-quality"}
    given = [
        {"alertname": "ShadowMirrorStopped", "severity": "page", "cluster": "a", "team": SRE},
        {"alertname": "ShadowCandidateFailing", "severity": "ticket", "cluster": "a", **about},
        {"alertname": "ShadowCandidateFailing", "severity": "ticket", "cluster": "b", **about},
        {"alertname": "ShadowEvaluationBudgetBurn", "severity": "page", "cluster": "b", "team": SRE},
        {"alertname": "ShadowEvaluationBudgetBurn", "severity": "ticket", "cluster": "b", "team": SRE},
        {"alertname": "ShadowLagGrowing", "severity": "ticket", "cluster": "a", "team": SRE},
    ]
    last = [  # alerts are weighed in the order in which they come: once this page silences its ticket, all have been
        {"alertname": "ShadowFreshnessBudgetBurn", "severity": severity, "cluster": "c", "team": SRE}
        for severity in ("page", "ticket")
    ]
    arguments = (f"--config.file={file}", f"--storage.path={tmp_path}", "--cluster.listen-address=")
    with prometheus.server("alertmanager", tmp_path, *arguments) as address:
        post(address, given)
        post(address, last)
        deadline = time.monotonic() + 60
        while states(address).get(("ShadowFreshnessBudgetBurn", "c", "ticket")) != "suppressed":
            assert time.monotonic() < deadline, states(address)
            time.sleep(0.1)
        assert states(address) == {
            ("ShadowFreshnessBudgetBurn", "c", "page"): "active",
            ("ShadowFreshnessBudgetBurn", "c", "ticket"): "suppressed",
            ("ShadowMirrorStopped", "a", "page"): "active",
            ("ShadowCandidateFailing", "a", "ticket"): "suppressed",
            ("ShadowCandidateFailing", "b", "ticket"): "active",
            ("ShadowEvaluationBudgetBurn", "b", "page"): "active",
            ("ShadowEvaluationBudgetBurn", "b", "ticket"): "suppressed",
            ("ShadowLagGrowing", "a", "ticket"): "active",
        }
