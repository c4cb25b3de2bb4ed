"""How a process logs in to Kafka: what the variables give, and what each wrong one is told."""

from __future__ import annotations

import ssl
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from shadow.broker import SecurityError, security
from shadow.cli import main

LOGIN = {"SHADOW_BROKER_USERNAME": "shadow", "SHADOW_BROKER_PASSWORD": "hush"}


def test_without_variables_plain_text_is_spoken() -> None:
    assert security({}) == security({"SHADOW_BROKER_SECURITY": "PLAINTEXT"}) == {}


def test_a_login_without_tls() -> None:
    assert security({"SHADOW_BROKER_SECURITY": "SASL_PLAINTEXT", **LOGIN}) == {
        "security_protocol": "SASL_PLAINTEXT",
        "sasl_mechanism": "SCRAM-SHA-512",
        "sasl_plain_username": "shadow",
        "sasl_plain_password": "hush",
    }


def test_tls_checks_certificate_and_name() -> None:
    settings = security({"SHADOW_BROKER_SECURITY": "SSL"})
    context = settings.pop("ssl_context")
    assert settings == {"security_protocol": "SSL"}
    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, True)


@pytest.mark.parametrize(
    ("variables", "problem"),
    [
        ({"SHADOW_BROKER_SECURITY": "TLS"}, "$SHADOW_BROKER_SECURITY is 'TLS'; set it to one of: PLAINTEXT, SSL"),
        (LOGIN, "$SHADOW_BROKER_USERNAME is set, and PLAINTEXT does not use it: set $SHADOW_BROKER_SECURITY to SASL_"),
        (
            {"SHADOW_BROKER_SECURITY": "SASL_PLAINTEXT", **LOGIN, "SHADOW_BROKER_CA_FILE": "ca.pem"},
            "$SHADOW_BROKER_CA_FILE is set, and SASL_PLAINTEXT does not use it: set $SHADOW_BROKER_SECURITY to SSL",
        ),
        (
            {"SHADOW_BROKER_SECURITY": "SASL_SSL", "SHADOW_BROKER_USERNAME": "shadow"},
            "$SHADOW_BROKER_PASSWORD is not set, and $SHADOW_BROKER_SECURITY=SASL_SSL needs it: export it",
        ),
        (
            {"SHADOW_BROKER_SECURITY": "SASL_SSL", **LOGIN, "SHADOW_BROKER_SASL_MECHANISM": "GSSAPI"},
            "$SHADOW_BROKER_SASL_MECHANISM is 'GSSAPI'; set it to one of: SCRAM-SHA-512, SCRAM-SHA-256, PLAIN",
        ),
        (
            {"SHADOW_BROKER_SECURITY": "SSL", "SHADOW_BROKER_CA_FILE": "/no/such.pem"},
            "$SHADOW_BROKER_CA_FILE (/no/such.pem) cannot be used: No such file or directory; name a PEM file",
        ),
        (
            {"SHADOW_BROKER_SECURITY": "SSL", "SHADOW_BROKER_KEY_FILE": "key.pem"},
            "$SHADOW_BROKER_KEY_FILE is set without $SHADOW_BROKER_CERT_FILE: name the certificate too",
        ),
    ],
    ids=["unknown word", "login unused", "authority unused", "no password", "mechanism", "no file", "key alone"],
)
def test_each_wrong_variable_is_named_with_the_fix(variables: dict[str, str], problem: str) -> None:
    with pytest.raises(SecurityError) as raised:
        security(variables)
    assert str(raised.value).startswith(problem)
    assert "hush" not in str(raised.value)


def test_a_file_that_is_no_certificate_is_named(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("no certificate")
    variables = {"SHADOW_BROKER_SECURITY": "SSL", "SHADOW_BROKER_CA_FILE": str(tmp_path / "ca.pem")}
    with pytest.raises(SecurityError, match=r"\$SHADOW_BROKER_CA_FILE .* cannot be used: .*; name a PEM file"):
        security(variables)


def test_production_may_ask_for_it_and_keeps_its_own_log() -> None:
    """The Tap's settings come from here: what kafka-python logs in production's process is production's."""
    code = "import logging, shadow.broker; each = logging.getLogger('kafka.net'); print(each.level, each.propagate)"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout == "0 True\n"


def test_the_embedded_broker_speaks_plain_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHADOW_BROKER_SECURITY", "SSL")
    file = tmp_path / "shadow.yaml"
    file.write_text("version: 1\nproduction: {owner: o, model: m}\n")
    result = CliRunner().invoke(main, ["--config", str(file), "up"])
    assert (result.exit_code, result.stderr) == (
        1,
        "Error: the embedded broker speaks plain text: unset $SHADOW_BROKER_SECURITY, or set broker.url\n",
    )
