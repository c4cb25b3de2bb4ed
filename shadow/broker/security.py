"""How this process logs in to Kafka: TLS and SASL, from the environment, since passwords stand in no file of ours.

One process talks to one Kafka, so all of its clients use the same. kafka-python and aiokafka take the same settings.
"""

from __future__ import annotations

import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

from shadow.broker.errors import SecurityError

ENV_SECURITY: Final = "SHADOW_BROKER_SECURITY"
ENV_CA_FILE: Final = "SHADOW_BROKER_CA_FILE"
ENV_CERT_FILE: Final = "SHADOW_BROKER_CERT_FILE"
ENV_KEY_FILE: Final = "SHADOW_BROKER_KEY_FILE"
ENV_KEY_PASSWORD: Final = "SHADOW_BROKER_KEY_PASSWORD"  # noqa: S105 (a name)
ENV_MECHANISM: Final = "SHADOW_BROKER_SASL_MECHANISM"
ENV_USERNAME: Final = "SHADOW_BROKER_USERNAME"
ENV_PASSWORD: Final = "SHADOW_BROKER_PASSWORD"  # noqa: S105

PROTOCOLS: Final = ("PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL")
"""Kafka's own words for ``security.protocol``."""

MECHANISMS: Final = ("SCRAM-SHA-512", "SCRAM-SHA-256", "PLAIN")
"""The first one is used where none is named."""

OF_TLS: Final = (ENV_CA_FILE, ENV_CERT_FILE, ENV_KEY_FILE, ENV_KEY_PASSWORD)
OF_SASL: Final = (ENV_MECHANISM, ENV_USERNAME, ENV_PASSWORD)


def security(environ: Mapping[str, str]) -> dict[str, Any]:
    """Settings of a Kafka client (kafka-python's and aiokafka's names); none where plain text is spoken.

    Raises :class:`SecurityError` that names the variable: a word that is not known, one that is missing or would be
    ignored, a file that cannot be used.
    """
    protocol = environ.get(ENV_SECURITY) or PROTOCOLS[0]
    if protocol not in PROTOCOLS:
        raise SecurityError(f"${ENV_SECURITY} is {protocol!r}; set it to one of: {', '.join(PROTOCOLS)}")
    sasl, tls = protocol.startswith("SASL"), protocol.endswith("SSL")
    for needed, names in ((tls, OF_TLS), (sasl, OF_SASL)):
        for name in names:
            if environ.get(name) and not needed:
                wanted = " or ".join(word for word in PROTOCOLS if _uses(word, name))
                raise SecurityError(f"${name} is set, and {protocol} does not use it: set ${ENV_SECURITY} to {wanted}")
    if protocol == PROTOCOLS[0]:
        return {}
    settings: dict[str, Any] = {"security_protocol": protocol}
    if tls:
        settings["ssl_context"] = _context(environ)
    return settings | (_login(environ) if sasl else {})


def _uses(protocol: str, name: str) -> bool:
    return protocol.startswith("SASL") if name in OF_SASL else protocol.endswith("SSL")


def _login(environ: Mapping[str, str]) -> dict[str, str]:
    mechanism = environ.get(ENV_MECHANISM) or MECHANISMS[0]
    if mechanism not in MECHANISMS:
        raise SecurityError(f"${ENV_MECHANISM} is {mechanism!r}; set it to one of: {', '.join(MECHANISMS)}")
    for name in (ENV_USERNAME, ENV_PASSWORD):
        if not environ.get(name):
            raise SecurityError(f"${name} is not set, and ${ENV_SECURITY}={environ[ENV_SECURITY]} needs it: export it")
    return {
        "sasl_mechanism": mechanism,
        "sasl_plain_username": environ[ENV_USERNAME],
        "sasl_plain_password": environ[ENV_PASSWORD],
    }


def _context(environ: Mapping[str, str]) -> ssl.SSLContext:
    """TLS that checks the broker's certificate and name, by the system's authorities or those of the file named."""
    context = ssl.create_default_context()
    if file := environ.get(ENV_CA_FILE):
        with _naming(ENV_CA_FILE, file):
            context.load_verify_locations(file)
    certificate, key = environ.get(ENV_CERT_FILE), environ.get(ENV_KEY_FILE)
    if key and not certificate:
        raise SecurityError(f"${ENV_KEY_FILE} is set without ${ENV_CERT_FILE}: name the certificate too")
    if certificate:
        with _naming(ENV_CERT_FILE, f"{certificate}, {key}" if key else certificate):
            # The password is given even where it is none: OpenSSL would else ask the terminal for it.
            context.load_cert_chain(certificate, key, environ.get(ENV_KEY_PASSWORD, ""))
    return context


@contextmanager
def _naming(variable: str, file: str) -> Iterator[None]:
    try:
        yield
    except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
        what = getattr(error, "strerror", None) or str(error)
        raise SecurityError(f"${variable} ({file}) cannot be used: {what}; name a PEM file") from None
