"""``shadow.yaml``: one file says which arms there are, what they may cost, and where broker and ledger stand.

Secrets never stand in it: an adapter names the environment variable that holds its key. An arm's revision is the hash
of its whole configuration.
"""

from shadow.config.arms import (
    Adapter,
    AnthropicAdapter,
    Arm,
    CallableAdapter,
    Control,
    EnvName,
    HTTPAdapter,
    Limits,
    MetadataName,
    OpenAIAdapter,
    Price,
    Production,
    Sampling,
    address_of,
    model_of,
)
from shadow.config.comparison import JUDGE, Comparator, Judge, Slices
from shadow.config.file import Config
from shadow.config.load import DEFAULT_PATH, ENV_BROKER_URL, ENV_CONFIG, ENV_LEDGER_URL, load, override, parse, place
from shadow.config.places import EMBEDDED_BROKER, Broker, Console, Ledger, Metrics
from shadow.config.problems import ConfigError, unsecret

__all__ = [
    "DEFAULT_PATH",
    "EMBEDDED_BROKER",
    "ENV_BROKER_URL",
    "ENV_CONFIG",
    "ENV_LEDGER_URL",
    "JUDGE",
    "Adapter",
    "AnthropicAdapter",
    "Arm",
    "Broker",
    "CallableAdapter",
    "Comparator",
    "Config",
    "ConfigError",
    "Console",
    "Control",
    "EnvName",
    "HTTPAdapter",
    "Judge",
    "Ledger",
    "Limits",
    "MetadataName",
    "Metrics",
    "OpenAIAdapter",
    "Price",
    "Production",
    "Sampling",
    "Slices",
    "address_of",
    "load",
    "model_of",
    "override",
    "parse",
    "place",
    "unsecret",
]
