"""docs/configuration.md, from the models of shadow.config."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from shadow import config
from shadow.broker.security import (
    ENV_CA_FILE,
    ENV_CERT_FILE,
    ENV_KEY_FILE,
    ENV_KEY_PASSWORD,
    ENV_MECHANISM,
    ENV_PASSWORD,
    ENV_SECURITY,
    ENV_USERNAME,
    MECHANISMS,
    PROTOCOLS,
)
from shadow.gate.settings import BY_KIND, Gate
from shadow.thresholds import Threshold
from tests.docs_generate.tables import NOTICE, section


def configuration() -> str:
    """docs/configuration.md, from the models of shadow.config."""
    sections = [
        ("The file", config.Config),
        ("`production`", config.Production),
        ("`control` and each of `candidates`", config.Arm),
        ("`adapter` with `type: openai`", config.OpenAIAdapter),
        ("`adapter` with `type: anthropic`", config.AnthropicAdapter),
        ("`adapter` with `type: http`", config.HTTPAdapter),
        ("`adapter` with `type: callable`", config.CallableAdapter),
        ("`limits` of an arm", config.Limits),
        ("`sampling` of an arm", config.Sampling),
        ("`price` of an arm", config.Price),
        ("`comparator`", config.Comparator),
        ("each measure of `thresholds`", Threshold),
        ("`slices`", config.Slices),
        ("`judge`", config.Judge),
        ("`gate`", Gate),
        *((f"`guardrails` of the gate with `kind: {kind}`", model) for kind, model in BY_KIND.items()),
        ("`broker`", config.Broker),
        ("`ledger`", config.Ledger),
        ("`metrics`", config.Metrics),
        ("`console`", config.Console),
    ]
    return "\n".join([CONFIGURATION, *(section(title, model) for title, model in sections), ENVIRONMENT])


def _listed(words: Iterable[str]) -> str:
    return ", ".join(f"`{word}`" for word in words)


CONFIGURATION: Final = f"""# Configuration
{NOTICE}
One file, `{config.DEFAULT_PATH}`, says which arms there are, what they may cost, and where broker and ledger are.
`shadow check` validates it: each problem is one line with file, line, field and fix. A field that is not listed here is
an error.
`shadow/simulate/demo.yaml` is a complete example.

An *arm* is whoever answers a turn: production, `control` (production's model asked again), or a candidate. A *turn* is
one customer message with all that the model is given to answer it.

An arm's **revision** is the hash of all its fields: any change makes another revision, and comparisons of two revisions
are never one sample. The join window must be longer than each arm's `max_age_s + deadline_s`; `shadow check` says so.
"""

ENVIRONMENT: Final = f"""## Environment

Secrets are never in the file: an adapter names the variable that holds its key (`api_key_env`).

| variable | meaning |
|---|---|
| `{config.ENV_CONFIG}` | Configuration file, where `--config` names none. Default `{config.DEFAULT_PATH}`. |
| `{config.ENV_BROKER_URL}` | Overrides `broker.url`. |
| `{config.ENV_LEDGER_URL}` | Overrides `ledger.url`. |
| `{ENV_SECURITY}` | How each process connects to Kafka: {_listed(PROTOCOLS)}. Default `PLAINTEXT`. |
| `{ENV_CA_FILE}` | TLS: the authorities (PEM) that sign the broker's certificate. Default: the system's. |
| `{ENV_CERT_FILE}`, `{ENV_KEY_FILE}`, `{ENV_KEY_PASSWORD}` | TLS: this client's certificate and key (PEM). |
| `{ENV_MECHANISM}` | SASL: {_listed(MECHANISMS)}. Default `{MECHANISMS[0]}`. |
| `{ENV_USERNAME}`, `{ENV_PASSWORD}` | SASL: the login. |
| `PGPASSWORD` | PostgreSQL's password, where `ledger.url` names none (libpq's own variable). |
| `SHADOW_TAP_REDACTION` | In production: what the [Tap](tap.md) does with personal data, `off`, `on` or `strict`. |
| `SHADOW_TAP_KEY` | In production: the key of the Tap's pseudonyms, 16 bytes or more. |
| `SHADOW_LOG_FORMAT` | `console` or `json`. Default: `console` on a terminal, otherwise `json`. |
| `SHADOW_LOG_LEVEL` | `debug`, `info`, `warning`, `error`. Default `info`. |
| `SHADOW_KAFKA_DIR` | Where `deploy/kafka/run.py` keeps Kafka. Default `.shadow/kafka` in the checkout. |
| `SHADOW_REQUIRE_ALL` | Tests: `1` makes a missing Java, Maven or PostgreSQL a failure instead of a skip. |
| `SHADOW_DATA_DIR` | Tests: where recorded conversations are. Default `../shared/data`, seen from the checkout. |
"""
