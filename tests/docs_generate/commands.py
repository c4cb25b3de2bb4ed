"""docs/commands.md: the help page of every command."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import click

from shadow.cli import main as shadow_command
from tests.docs_generate.tables import NOTICE

ROOT: Final = Path(__file__).resolve().parents[2]
COLUMNS: Final = 100


def commands() -> str:
    """docs/commands.md: the help page of every command."""
    pages = [f"## `{title}`\n\n```text\n{text.rstrip()}\n```\n" for title, text in _help()]
    return "\n".join([COMMANDS, *pages])


def _help() -> Iterator[tuple[str, str]]:
    yield from _click_help(shadow_command, None, "shadow")
    yield "python -m consumers", _process_help("-m", "consumers")
    yield "python deploy/kafka/run.py", _process_help("deploy/kafka/run.py")


def _click_help(command: click.Command, parent: click.Context | None, name: str) -> Iterator[tuple[str, str]]:
    settings = {**command.context_settings, "terminal_width": COLUMNS, "max_content_width": COLUMNS}
    context = click.Context(command, parent=parent, info_name=name, **settings)
    yield context.command_path, command.get_help(context)
    if isinstance(command, click.Group):
        for inner in command.list_commands(context):
            found = command.get_command(context, inner)
            assert found is not None, inner
            yield from _click_help(found, context, inner)


def _process_help(*arguments: str) -> str:
    environ = {**os.environ, "COLUMNS": str(COLUMNS), "NO_COLOR": "1", "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": ""}
    command = [sys.executable, *arguments, "--help"]
    return subprocess.run(command, cwd=ROOT, env=environ, check=True, capture_output=True, text=True).stdout


COMMANDS: Final = f"""# Commands
{NOTICE}
Exit codes: 0 good, 1 not good (a part does not answer, the audit does not balance), 2 wrong use. `shadow gate` and
`shadow backtest`: 0 PROMOTE, 2 HOLD, 3 REJECT, 1 error or wrong use. What the user can put right is one line without a
traceback. `--json` prints what programs may rely on.
"""
