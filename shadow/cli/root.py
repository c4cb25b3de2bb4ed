"""The command group: loads a subcommand's module only when it is called, and prints user errors on one line."""

from __future__ import annotations

import importlib
import json
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click

from shadow import __version__
from shadow.config import DEFAULT_PATH, ENV_CONFIG, Config, ConfigError, load

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

T = TypeVar("T", bound="DataclassInstance")

COMMANDS: Final[dict[str, str]] = {
    # command: module that holds a click command of that name (dashes become underscores)
    "audit": "audit",
    "backtest": "backtest",
    "broker": "broker",
    "check": "check",
    "console": "console",
    "control": "control",
    "dead-letters": "dead_letters",
    "demo": "demo",
    "doctor": "doctor",
    "evidence": "evidence",
    "explain": "explain",
    "findings": "findings",
    "gate": "gate",
    "judge": "judge",
    "ledger": "ledger",
    "plugins": "plugins",
    "promote": "promote",
    "promotions": "promote",
    "replay": "simulate",
    "schema": "schema",
    "simulate": "simulate",
    "topics": "broker",
    "up": "up",
    "verify": "evidence",
    "watch": "watch",
}


class UserError(click.ClickException):
    """Something that the user can put right; printed without a traceback, exit code 2 (wrong use)."""

    exit_code = 2


class Unavailable(click.ClickException):
    """A part that does not answer or a state that is not good; printed without a traceback, exit code 1."""

    exit_code = 1


class _Root(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 (click's signature)
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 (click's signature)
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"shadow.cli.{COMMANDS[cmd_name]}")
        command: click.Command = getattr(module, cmd_name.replace("-", "_"))
        return command


@click.group(cls=_Root, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="shadow")
@click.option(
    "--config", "path", type=click.Path(), help=f"Configuration file [default: ${ENV_CONFIG} or shadow.yaml]."
)
@click.pass_context
def main(ctx: click.Context, path: str | None) -> None:
    """Mirror live support traffic to candidate models, measure how they differ, decide with evidence."""
    ctx.obj = path


def configuration(ctx: click.Context) -> Config:
    """The configuration that this call names. Raises :class:`UserError` with one line per problem."""
    try:
        return load(ctx.find_root().obj, environ=os.environ)
    except ConfigError as error:
        raise UserError(str(error)) from None


def config_file(ctx: click.Context) -> Path:
    """The file that :func:`configuration` reads."""
    return Path(ctx.find_root().obj or os.environ.get(ENV_CONFIG) or DEFAULT_PATH)


def print_json(value: Any) -> None:
    """Print ``value`` as indented JSON: what programs read."""
    json.dump(value, sys.stdout, indent=2, ensure_ascii=False)
    sys.stdout.write("\n")


def print_list(found: Sequence[T], line: Callable[[T], str], *, as_json: bool, none: str) -> None:
    """Print dataclasses as JSON, or a line each; ``none`` if there are none."""
    if as_json:
        print_json([asdict(each) for each in found])
        return
    for each in found:
        click.echo(line(each))
    if not found:
        click.echo(none)
