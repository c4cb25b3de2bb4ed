"""``shadow gate``: what the gate says of a candidate, why, and how long it will take.

``status`` and ``explain`` end with the verdict: 0 PROMOTE, 2 HOLD, 3 REJECT, 1 error. Elsewhere 2 is wrong use;
of these commands it would say HOLD, so their wrong use is 1.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, Final, NoReturn

import click
from rich.console import Console

from shadow import plugins
from shadow.cli.gate_report import cell_table, coverage_lines, lines_of, plan_lines
from shadow.cli.root import Unavailable, print_json
from shadow.comparator.evaluator import Evaluator
from shadow.config import ENV_CONFIG, Config, ConfigError, load
from shadow.gate.report import plan as planned
from shadow.gatekeeper import Gatekeeper
from shadow.ledger import Ledger, LedgerError

EXIT: Final = {"PROMOTE": 0, "HOLD": 2, "REJECT": 3}
ERROR: Final = 1

JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")


class Verdicts(click.Command):
    """Wrong use ends with 1: click's 2 would read as HOLD."""

    def make_context(self, *args: Any, **more: Any) -> click.Context:
        """As click does."""
        with _wrong_use():
            return super().make_context(*args, **more)

    def invoke(self, ctx: click.Context) -> Any:
        """As click does."""
        with _wrong_use():
            return super().invoke(ctx)


class _Gate(Verdicts, click.Group):
    """The same for all commands of the group."""


@contextmanager
def _wrong_use() -> Iterator[None]:
    try:
        yield
    except click.UsageError as error:
        error.exit_code = ERROR
        raise


@click.group(cls=_Gate)
def gate() -> None:
    """May a candidate replace production? Exit codes: 0 PROMOTE, 2 HOLD, 3 REJECT, 1 error or wrong use."""


@gate.command()
@click.argument("candidate")
@JSON
@click.pass_context
def status(ctx: click.Context, candidate: str, *, as_json: bool) -> None:
    """The verdict on CANDIDATE, its reasons, and what it waits for; exit code 0 PROMOTE, 2 HOLD, 3 REJECT, 1 error."""
    found = _report(ctx, candidate)
    if as_json:
        print_json(found)
    else:
        _print(lines_of(found), Console(soft_wrap=True))
    ctx.exit(EXIT[found["verdict"]])


@gate.command()
@click.argument("candidate")
@JSON
@click.pass_context
def explain(ctx: click.Context, candidate: str, *, as_json: bool) -> None:
    """The same with every guardrail and slice, and what the evidence covers; exit codes as for status."""
    with _gatekeeper(ctx, candidate) as (keeper, now, config):
        found = keeper.report(candidate, now)
    if as_json:
        print_json(found)
    else:
        console = Console(soft_wrap=True) if Console().is_terminal else Console(width=150, soft_wrap=True)
        _print(lines_of(found), console)
        console.print(cell_table(found["cells"]))
        _print(coverage_lines(found, config.arm(candidate)), console)
    ctx.exit(EXIT[found["verdict"]])


@gate.command()
@click.argument("candidate")
@JSON
@click.pass_context
def plan(ctx: click.Context, candidate: str, *, as_json: bool) -> None:
    """How many conversations, turns and dollars until a decision on CANDIDATE, if it is as good as production.

    Before it starts from control's conversations, while it runs from its own. Exit code 0, or 1 for an error.
    """
    with _gatekeeper(ctx, candidate) as (keeper, _, _):
        found = planned(keeper.sessions[candidate])
    if as_json:
        print_json(found)
        return
    _print(plan_lines(found), Console(soft_wrap=True))


@gate.command()
@click.option("--metrics-port", type=click.IntRange(1, 65_535), help="Serve /metrics here.")
@click.pass_context
def run(ctx: click.Context, metrics_port: int | None) -> NoReturn:
    """Run the gate's process in the foreground until SIGTERM; ``shadow up`` starts one by itself."""
    command = [sys.executable, "-m", "consumers", "gate"]
    if path := ctx.find_root().obj:
        command += ["--config", str(path)]
    if metrics_port:
        command += ["--metrics-port", str(metrics_port)]
    os.execv(sys.executable, command)  # noqa: S606 (our own command)


@contextmanager
def _gatekeeper(ctx: click.Context, candidate: str) -> Iterator[tuple[Gatekeeper, float, Config]]:
    """A gatekeeper that has caught up, its instant, its configuration; each error ends with exit code 1: 2 is HOLD."""
    try:
        config = load(ctx.find_root().obj or os.environ.get(ENV_CONFIG), environ=os.environ)
        evaluator, revision = plugins.evaluator(config)
        _slices_exist(config, evaluator)
        with Ledger(config.ledger.url, create=False) as ledger:
            keeper = Gatekeeper(config, ledger, revision, candidates=(candidate,))
            now = time.time()
            keeper.catch_up(now)
            yield keeper, now, config
    except (ConfigError, plugins.PluginError, LedgerError) as error:
        raise Unavailable(str(error)) from None


def _report(ctx: click.Context, candidate: str) -> dict[str, Any]:
    with _gatekeeper(ctx, candidate) as (keeper, now, _):
        return keeper.report(candidate, now)


def _slices_exist(config: Config, evaluator: Evaluator) -> None:
    """Else their cells would never be shown, and hold the candidate for ever."""
    if problems := plugins.unknown_slices(config, evaluator):
        raise ConfigError([f"{'.'.join(map(str, where))}: {what}" for where, what in problems.items()])


def _print(lines: Iterable[str], console: Console) -> None:
    for line in lines:
        console.print(line, markup=False, highlight=False)
