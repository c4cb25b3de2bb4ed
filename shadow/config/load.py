"""Reads ``shadow.yaml``. ``SHADOW_BROKER_URL`` and ``SHADOW_LEDGER_URL`` override the file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

import yaml
from pydantic import ValidationError

from shadow.config.file import Config
from shadow.config.problems import ConfigError, line_of, problem, unsecret

ENV_CONFIG: Final = "SHADOW_CONFIG"
ENV_BROKER_URL: Final = "SHADOW_BROKER_URL"
ENV_LEDGER_URL: Final = "SHADOW_LEDGER_URL"

DEFAULT_PATH: Final = "shadow.yaml"

FORMS: Final = {
    "broker": "HOST:PORT[,HOST:PORT] or embedded",
    "ledger": "sqlite:///PATH or postgresql://USER@HOST/NAME",
}
"""What the urls look like, for errors."""


def load(path: str | Path | None = None, *, environ: Mapping[str, str]) -> Config:
    """The configuration in ``path``, else in ``$SHADOW_CONFIG``, else in ``shadow.yaml``; overrides applied.

    Raises :class:`ConfigError` with one line per problem.
    """
    file = Path(path or environ.get(ENV_CONFIG) or DEFAULT_PATH)
    try:
        text = file.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(
            [f"{file}: cannot be read ({error.strerror}); name a file with --config or ${ENV_CONFIG}"]
        ) from None
    return override(parse(text, str(file)), environ)


def override(config: Config, environ: Mapping[str, str]) -> Config:
    """``config`` with broker and ledger urls from the environment, where they are set."""
    for variable, section in ((ENV_BROKER_URL, "broker"), (ENV_LEDGER_URL, "ledger")):
        if url := environ.get(variable):
            part = {**getattr(config, section).model_dump(), "url": url}
            try:
                config = Config.model_validate({**config.model_dump(), section: part})
            except ValidationError as error:
                what = error.errors()[0]["msg"].removeprefix("Value error, ")
                told = f"{unsecret(f'${variable}={url!r}')}: {what}; set it to {FORMS[section]}"
                raise ConfigError([told]) from None
    return config


def parse(text: str, name: str) -> Config:
    """The configuration in ``text``; ``name`` is the file's name in errors. Raises :class:`ConfigError`."""
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        data = yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = mark.line + 1 if mark else 1
        raise ConfigError([f"{name}:{line}: not YAML: {getattr(error, 'problem', error)}"]) from None
    if not isinstance(data, dict):
        raise ConfigError([f"{name}:1: the file must hold fields such as 'version: 1' and 'production:'"])
    try:
        return Config.model_validate(data)
    except ValidationError as error:
        raise ConfigError([problem(name, node, Config, item) for item in error.errors()]) from None


def place(text: str, name: str, *loc: int | str) -> str:
    """``file:line: field`` of a part of ``text``, for problems that show only once plug-ins are loaded."""
    return f"{name}:{line_of(yaml.compose(text, Loader=yaml.SafeLoader), loc)}: {'.'.join(map(str, loc))}"
