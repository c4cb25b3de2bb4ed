"""A Kafka that wants TLS and a login: the whole system runs on it, and what is wrong is said in one line."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from shadow import broker
from shadow.cli.doctor import parts
from shadow.tap import Tap
from tests.fixtures.brokers import config_for, free_ports, kafka
from tests.fixtures.system import ROOT, System, arm

pytestmark = [pytest.mark.slow]

USER, SECRET = "shadow", "a-secret-of-the-test"
TURNS = 20


def authority(folder: Path) -> None:
    """``ca.pem``, and ``broker.pem`` and ``client.pem`` (key and certificate) signed by it. By openssl."""

    def openssl(*words: str) -> None:
        subprocess.run(["openssl", *words], cwd=folder, check=True, capture_output=True)

    openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=ca")
    (folder / "names").write_text("subjectAltName=IP:127.0.0.1")
    for name in ("broker", "client"):
        openssl("req", "-newkey", "rsa:2048", "-nodes", "-keyout", f"{name}.key", "-out", "csr", "-subj", f"/CN={name}")
        signing = ("-req", "-in", "csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial")
        openssl("x509", *signing, "-out", f"{name}.crt", "-extfile", "names")
        (folder / f"{name}.pem").write_text((folder / f"{name}.key").read_text() + (folder / f"{name}.crt").read_text())


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """Addresses: ``sasl`` (SASL_SSL with SCRAM) and ``tls`` (SSL, asks for the client's certificate); ``folder``."""
    if shutil.which("openssl") is None:
        if os.environ.get("SHADOW_REQUIRE_ALL") == "1":
            pytest.fail("openssl is not installed: apt-get install openssl")
        pytest.skip("openssl is not installed: apt-get install openssl")
    folder = tmp_path_factory.mktemp("secured")
    authority(folder)
    [inside, controller, sasl, tls] = free_ports(4)
    listeners = f"PLAINTEXT://127.0.0.1:{inside},SASL_SSL://127.0.0.1:{sasl},SSL://127.0.0.1:{tls}"
    scram = "org.apache.kafka.common.security.scram.ScramLoginModule required;"
    settings = {
        "listeners": f"{listeners},CONTROLLER://127.0.0.1:{controller}",
        "advertised.listeners": listeners,
        "listener.security.protocol.map": "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SASL_SSL:SASL_SSL,SSL:SSL",
        "sasl.enabled.mechanisms": "SCRAM-SHA-512",
        "listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config": scram,
        "ssl.keystore.type": "PEM",
        "ssl.keystore.location": folder / "broker.pem",
        "ssl.truststore.type": "PEM",
        "ssl.truststore.location": folder / "ca.pem",
        "listener.name.ssl.ssl.client.auth": "required",
    }
    with kafka(folder, 1, ports=[inside, controller], settings=settings, scram={USER: SECRET}):
        yield {"sasl": f"127.0.0.1:{sasl}", "tls": f"127.0.0.1:{tls}", "folder": str(folder)}


def login(secured: dict[str, str], **others: str) -> dict[str, str]:
    """The variables of somebody who may enter by SASL_SSL."""
    return {
        "SHADOW_BROKER_SECURITY": "SASL_SSL",
        "SHADOW_BROKER_CA_FILE": f"{secured['folder']}/ca.pem",
        "SHADOW_BROKER_USERNAME": USER,
        "SHADOW_BROKER_PASSWORD": SECRET,
        **others,
    }


def certificate(secured: dict[str, str]) -> dict[str, str]:
    """The variables of somebody who may enter by his certificate."""
    folder = secured["folder"]
    return {
        "SHADOW_BROKER_SECURITY": "SSL",
        "SHADOW_BROKER_CA_FILE": f"{folder}/ca.pem",
        "SHADOW_BROKER_CERT_FILE": f"{folder}/client.crt",
        "SHADOW_BROKER_KEY_FILE": f"{folder}/client.key",
    }


def enter(monkeypatch: pytest.MonkeyPatch, variables: dict[str, str]) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)


def test_every_turn_is_in_the_ledger_through_tls_and_a_login(
    secured: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    enter(monkeypatch, login(secured))
    system = System(tmp_path, secured["sasl"], [arm("control"), arm("candidate")])
    try:
        system.start_all()
        system.await_assigned("mirror.control", "mirror.candidate", "comparator")
        with Tap(secured["sasl"], kafka=broker.security(os.environ)) as tap:
            for number in range(TURNS):
                words = [{"role": "user", "content": f"question {number}"}]
                with tap.call(conversation_id=f"c{number}", turn_index=0, messages=words) as call:
                    call.reply("an answer")
            assert tap.flush(90)
        report = system.settled(turns=TURNS)
    finally:
        system.close()
    assert report.balanced
    assert [each.stored for each in report.arms.values()] == [TURNS, TURNS]


def topics(folder: Path, address: str, environ: dict[str, str]) -> tuple[int, str]:
    """``shadow topics`` as a process of its own: exit code, and what it said.

    Asked again where a busy machine does not come as far as the login within the five seconds of a question.
    """
    file = folder / "shadow.yaml"
    file.write_text(f"version: 1\nproduction: {{owner: o, model: m}}\nbroker: {{url: '{address}', partitions: 4}}\n")
    command = [sys.executable, "-m", "shadow.cli", "--config", str(file), "topics"]
    for _ in range(5):
        result = subprocess.run(
            command, cwd=ROOT, env={**os.environ, **environ}, capture_output=True, text=True, check=False, timeout=150
        )
        if "no answer" not in result.stderr:
            break
    return result.returncode, result.stderr if result.returncode else result.stdout


def test_a_certificate_is_a_login_too(secured: dict[str, str], tmp_path: Path) -> None:
    code, said = topics(tmp_path, secured["tls"], certificate(secured))
    assert (code, "support.turns" in said) == (0, True), said


@pytest.mark.parametrize(
    ("address", "variables", "words"),
    [
        ("sasl", {"SHADOW_BROKER_PASSWORD": "wrong"}, "SaslAuthenticationFailedError"),
        ("sasl", {"SHADOW_BROKER_CA_FILE": ""}, "CERTIFICATE_VERIFY_FAILED"),
        ("tls", {}, "[SSL"),
    ],
    ids=["wrong password", "unknown authority", "no certificate of its own"],
)
def test_what_keeps_it_out_is_one_line(
    secured: dict[str, str], tmp_path: Path, address: str, variables: dict[str, str], words: str
) -> None:
    code, said = topics(tmp_path, secured[address], login(secured, **variables))
    assert code == 1
    assert said.count("\n") == 1, said
    assert said.startswith(f"Error: Kafka at {secured[address]} does not let this client in (")
    assert words in said
    assert SECRET not in said


def test_the_doctor_tells_a_refused_login_from_a_broker_that_is_not_there(
    secured: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One is put right where the variables are set, the other by starting Kafka."""
    for name, value in {**login(secured), "SHADOW_BROKER_PASSWORD": "wrong"}.items():
        monkeypatch.setenv(name, value)
    config = config_for(secured["sasl"])
    for _ in range(5):
        [finding] = parts.broker(config, secured["sasl"])
        if "no answer" not in finding.says:  # as in `topics`
            break
    assert "does not let this client in" in finding.says
    assert finding.remedy == "set them where this command and each process is started"
