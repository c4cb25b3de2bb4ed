"""``shadow promote`` and ``shadow promotions``: who may go to production, and who went."""

from __future__ import annotations

import getpass
import os
import time
from datetime import UTC, datetime
from pathlib import Path

import click

from shadow import plugins
from shadow.cli.evidence import FILE, write
from shadow.cli.root import Unavailable, configuration, print_list
from shadow.config import ConfigError
from shadow.dead_letters import printable
from shadow.gatekeeper import Gatekeeper
from shadow.ledger import Ledger, LedgerError, Promotion
from shadow.promotion.bundle import BundleError, digest
from shadow.promotion.evidence import seal
from shadow.promotion.promote import fragment, refusal


@click.command()
@click.argument("candidate")
@click.option("--by", help="Who promotes. Default: this login's name; an override must say it.")
@click.option("--reason", help="Why. With --by it overrides a refusal, and is recorded.")
@click.option("--evidence", type=FILE, help="Seal the evidence into this file, and record its digest.")
@click.pass_context
def promote(ctx: click.Context, candidate: str, by: str | None, reason: str | None, evidence: Path | None) -> None:
    """Record that CANDIDATE goes to production, and print what to change in shadow.yaml. It deploys nothing.

    Refused (exit code 1) unless the gate says PROMOTE, freshly and for this very revision, and the candidate's owner
    has no open critical finding. --by and --reason together override a refusal.
    """
    by, reason = checked(by, "--by"), checked(reason, "--reason")
    config = configuration(ctx)
    if candidate not in {arm.name for arm in config.candidates}:
        names = ", ".join(arm.name for arm in config.candidates)
        raise Unavailable(f"no candidate is called {candidate!r}; there are: {names or 'none'}")
    try:
        _, revision = plugins.evaluator(config)
        with Ledger(config.ledger.url, create=False) as ledger:
            keeper, now = Gatekeeper(config, ledger, revision, candidates=(candidate,)), time.time()
            keeper.catch_up(now)
            report = keeper.report(candidate, now)
            refused = refusal(config, report, ledger.book.findings(), now)
            if refused and not (by and reason):
                raise Unavailable(printable(f"{candidate!r} is not promoted: {refused}"))
            sealed = seal(config, ledger, candidate, revision, now).data if evidence else b""
            if evidence:
                write(evidence, sealed)
            made = ledger.book.promote(
                Promotion(
                    candidate,
                    config.arm(candidate).owner,
                    report["revision"],
                    report["experiment"],
                    report["verdict"],
                    report["looked_at"],
                    refused,
                    by or login(),
                    reason or "the gate says PROMOTE",
                    now,
                    digest(sealed) if evidence else None,
                )
            )
    except (plugins.PluginError, ConfigError, LedgerError, BundleError) as error:
        raise Unavailable("\n".join(map(printable, str(error).splitlines()))) from None
    click.echo(_line(made))
    click.echo("Nothing was deployed. In shadow.yaml, production and candidate swap roles:\n")
    click.echo(fragment(config, candidate))


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")
@click.pass_context
def promotions(ctx: click.Context, *, as_json: bool) -> None:
    """List who was promoted, by whom, on which verdict, and what was overridden; the oldest first."""
    config = configuration(ctx)
    try:
        with Ledger(config.ledger.url, create=False) as ledger:
            found = ledger.book.promotions()
    except LedgerError as error:
        raise Unavailable(str(error)) from None
    print_list(found, _line, as_json=as_json, none="no promotions")


def checked(value: str | None, option: str) -> str | None:
    """The option's text, None if it was not given. Raises :class:`click.UsageError` if it is empty."""
    if value is not None and not value.strip():
        raise click.UsageError(f"{option} is empty: say something that somebody can read in a year")
    return value


def login() -> str:
    """Who sits there, as the machine knows him; his number if he has no name."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return f"uid {os.getuid()}"


def instant(at: float) -> str:
    """Unix seconds as people read them."""
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d %H:%M:%S} UTC"


def _line(made: Promotion) -> str:
    override = f"; overridden: {made.refusal}" if made.refusal else ""
    return printable(
        f"{made.promotion_id}: {made.candidate} {made.revision} of {made.owner}, {made.verdict}, experiment "
        f"{made.experiment}, by {made.person} at {instant(made.promoted_at)}: {made.reason}{override}"
        f"{f'; evidence sha256 {made.evidence_sha256}' if made.evidence_sha256 else ''}"
    )
