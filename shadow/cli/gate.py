"""``shadow gate``: what the gate says of a candidate, why, and how long it will take.

``status`` and ``explain`` end with the verdict: 0 PROMOTE, 2 HOLD, 3 REJECT, 1 error; elsewhere 2 is wrong use.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, Final, NoReturn

import click
from rich.console import Console
from rich.table import Table

from shadow import plugins
from shadow.cli.root import Unavailable, print_json
from shadow.config import ENV_CONFIG, ConfigError, load
from shadow.gate.report import plan as planned
from shadow.gatekeeper import Gatekeeper
from shadow.ledger import Ledger, LedgerError

EXIT: Final = {"PROMOTE": 0, "HOLD": 2, "REJECT": 3}
ERROR: Final = 1

JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")


@click.group()
def gate() -> None:
    """May a candidate replace production? Exit codes of status and explain: 0 PROMOTE, 2 HOLD, 3 REJECT, 1 error."""


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
        _headline(found, Console(soft_wrap=True))
    ctx.exit(EXIT[found["verdict"]])


@gate.command()
@click.argument("candidate")
@JSON
@click.pass_context
def explain(ctx: click.Context, candidate: str, *, as_json: bool) -> None:
    """The same with every guardrail and slice, and what the evidence covers; exit codes as for status."""
    found = _report(ctx, candidate)
    if as_json:
        print_json(found)
    else:
        console = Console(soft_wrap=True) if Console().is_terminal else Console(width=150, soft_wrap=True)
        _headline(found, console)
        console.print(_cells(found["cells"]))
        _coverage(found, console)
    ctx.exit(EXIT[found["verdict"]])


@gate.command()
@click.argument("candidate")
@JSON
@click.pass_context
def plan(ctx: click.Context, candidate: str, *, as_json: bool) -> None:
    """How many conversations, turns and dollars until a decision on CANDIDATE, if it is as good as production.

    Before it starts from control's conversations, while it runs from its own. Exit code 0, or 1 for an error.
    """
    with _gatekeeper(ctx, candidate) as (keeper, _):
        found = planned(keeper.sessions[candidate])
    if as_json:
        print_json(found)
        return
    console = Console(soft_wrap=True)
    console.print(f"{candidate}, judged from {found['from']}:", markup=False)
    if found["conversations"] is None:
        console.print("nothing can be foretold without a control arm's conversations")
    else:
        usd = "unknown cost" if found["usd"] is None else f"{found['usd']:,.2f} USD"
        console.print(
            f"about {found['conversations']:,} conversations more, {found['turns']:,} turns, {usd}", highlight=False
        )
    for each in sorted(found["cells"], key=lambda cell: -(cell["more_of_all"] or 0)):
        more = "unknown" if each["more_of_all"] is None else f"about {each['more_of_all']:,} conversations more"
        console.print(f"  {each['name']}: {more}", markup=False, highlight=False)


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
def _gatekeeper(ctx: click.Context, candidate: str) -> Iterator[tuple[Gatekeeper, float]]:
    """A gatekeeper that has caught up, and its instant; every error ends with exit code 1: 2 would say HOLD."""
    try:
        config = load(ctx.find_root().obj or os.environ.get(ENV_CONFIG), environ=os.environ)
        _, revision = plugins.evaluator(config)
        with Ledger(config.ledger.url, create=False) as ledger:
            keeper = Gatekeeper(config, ledger, revision, candidates=(candidate,))
            now = time.time()
            keeper.catch_up(now)
            yield keeper, now
    except (ConfigError, plugins.PluginError, LedgerError) as error:
        raise Unavailable(str(error)) from None


def _report(ctx: click.Context, candidate: str) -> dict[str, Any]:
    with _gatekeeper(ctx, candidate) as (keeper, now):
        return keeper.report(candidate, now)


def _headline(found: dict[str, Any], console: Console) -> None:
    looked = found["looked_at"]
    when = "no look yet" if looked is None else f"as of {datetime.fromtimestamp(looked, UTC):%Y-%m-%d %H:%M:%S} UTC"
    lines = [f"{found['candidate']} {found['revision']}: {found['verdict']} ({when}, experiment {found['experiment']})"]
    lines += [f"  {each['why']}: {each['detail']}" for each in found["reasons"]]
    if found["waiting_for"] and found["verdict"] == "HOLD":
        waiting, more = found["waiting_for"], found["waiting_for"]["more"]
        how_long = "not at this rate" if more is None else f"about {more:,} conversations more"
        lines.append(f"  slowest: {waiting['name']}, {waiting['progress']:.0%} shown, {how_long}")
    if found["scope"]:
        lines.append(f"  holds on: {', '.join(found['scope'])}")
    for line in lines:
        console.print(line, markup=False, highlight=False)


def _cells(cells: list[dict[str, Any]]) -> Table:
    table = Table(title="What must hold: estimate and time-uniform interval (safe to watch)", title_justify="left")
    for heading in ("guardrail", "slice", "state", "margin", "estimate", "interval", "conversations", "shown", "more"):
        table.add_column(heading, justify="left" if heading in {"guardrail", "slice", "state"} else "right")
    for each in sorted(cells, key=lambda cell: (cell["state"] == "pass", cell["progress"])):
        interval = "-" if each["lower"] is None else f"{each['lower']:+.4f} to {each['upper']:+.4f}"
        table.add_row(
            each["guardrail"],
            each["slice"],
            each["state"],
            f"{each['margin']:.4f}",
            "-" if each["estimate"] is None else f"{each['estimate']:+.4f}",
            interval,
            str(each["conversations"]),
            f"{each['progress']:.0%}",
            "-" if each["more"] is None else str(each["more"]),
        )
    return table


def _coverage(found: dict[str, Any], console: Console) -> None:
    pairs, coverage, conversations = found["pairs"], found["coverage"], found["conversations"]
    lines = [
        f"conversations: {conversations['closed']} closed, {conversations['open']} open",
        f"pairs: {pairs['complete']} of {pairs['expected']} complete; missing: {pairs['missing'] or 'none'}",
        f"recorded too late: {pairs['late']}",
        f"coverage: {coverage['turns_used']} turns enter; by prefix: {coverage['by_prefix'] or 'none'}",
    ]
    if coverage["under_represented"]:
        lines.append(f"under-represented: {', '.join(coverage['under_represented'])}")
    for line in lines:
        console.print(line, markup=False, highlight=False)
