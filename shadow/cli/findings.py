"""``shadow findings``: what somebody found wrong with a candidate, until somebody says why it is settled."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

import click

from shadow.cli.promote import checked, instant, login
from shadow.cli.root import Unavailable, configuration, print_list
from shadow.config import Config, ConfigError
from shadow.dead_letters import printable
from shadow.ledger import Finding, Ledger, LedgerError
from shadow.metrics.labels import SEVERITY


@click.group()
def findings() -> None:
    """Write down what is wrong with a candidate. An open critical finding keeps its owner from promoting."""


@findings.command()
@click.argument("candidate")
@click.option("--severity", type=click.Choice(SEVERITY.values), required=True, help="Critical stops promotions.")
@click.option("--text", "said", required=True, help="What was found; no customer's words.")
@click.option("--by", help="Who found it. Default: this login's name.")
@click.pass_context
def add(ctx: click.Context, candidate: str, severity: str, said: str, by: str | None) -> None:
    """Open a finding against CANDIDATE; its owner is taken from the configuration."""
    said, by = checked(said, "--text") or "", checked(by, "--by")
    with _ledger(ctx) as (config, ledger):
        owner = config.arm(candidate).owner
        found = ledger.book.open_finding(candidate, owner, severity, said=said, person=by or login(), at=time.time())
    click.echo(_line(found))


@findings.command(name="list")
@click.argument("candidate", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")
@click.pass_context
def list_(ctx: click.Context, candidate: str | None, *, as_json: bool) -> None:
    """List findings, open and closed, of CANDIDATE or of all."""
    with _ledger(ctx) as (_, ledger):
        found = [each for each in ledger.book.findings() if candidate in (None, each.candidate)]
    print_list(found, _line, as_json=as_json, none="no findings")


@findings.command()
@click.argument("finding_id", metavar="ID", type=int)
@click.option("--by", required=True, help="Who says so.")
@click.option("--reason", required=True, help="Why it is settled.")
@click.pass_context
def close(ctx: click.Context, finding_id: int, by: str, reason: str) -> None:
    """Close a finding; it stays in the list, with who closed it and why."""
    by, reason = checked(by, "--by") or "", checked(reason, "--reason") or ""
    with _ledger(ctx) as (_, ledger):
        found = ledger.book.close_finding(finding_id, by, reason, time.time())
    click.echo(_line(found))


@contextmanager
def _ledger(ctx: click.Context) -> Iterator[tuple[Config, Ledger]]:
    config = configuration(ctx)
    try:
        with Ledger(config.ledger.url) as ledger:
            yield config, ledger
    except (ConfigError, LedgerError) as error:
        raise Unavailable(printable(str(error))) from None


def _line(found: Finding) -> str:
    state = "open"
    if found.closed_at is not None:
        state = f"closed by {found.closed_by} at {instant(found.closed_at)}: {found.closed_because}"
    return printable(
        f"{found.finding_id}: {found.severity}, {found.candidate} of {found.owner}, by {found.person} at "
        f"{instant(found.opened_at)}: {found.said} [{state}]"
    )
