"""``shadow audit``: does every sampled turn stand in the ledger, once?"""

from __future__ import annotations

import time

import click
from rich.console import Console
from rich.table import Table

from shadow.audit import Report
from shadow.audit import audit as run_audit
from shadow.broker import BrokerError
from shadow.cli.instant import Instant
from shadow.cli.root import Unavailable, configuration, print_json
from shadow.config import Config
from shadow.ledger import Ledger, LedgerError

POLL_S = 1.0


@click.command()
@click.option("--since", type=Instant(), default=0.0, help="Turns that arrived at or after this time.")
@click.option("--until", type=Instant(), default=float("inf"), help="Turns that arrived before this time.")
@click.option("--wait", "wait_s", type=float, default=0.0, help="Wait up to this many seconds until none is in flight.")
@click.option("--json", "as_json", is_flag=True, help="For programs.")
@click.pass_context
def audit(ctx: click.Context, *, since: float, until: float, wait_s: float, as_json: bool) -> None:
    """Reconcile broker and ledger; exit 1 and name what is missing, double or unexpected.

    With --wait, turns that are still in flight when the time is over are not good either.
    """
    report = settled(configuration(ctx), since=since, until=until, wait_s=wait_s)
    if as_json:
        print_json(report.to_dict())
    else:
        show(report, Console())
    if not report.balanced or (wait_s and report.in_flight):
        ctx.exit(1)


def settled(config: Config, *, since: float = 0.0, until: float = float("inf"), wait_s: float = 0.0) -> Report:
    """The audit's report, repeated until nothing is in flight or ``wait_s`` is over."""
    deadline = time.monotonic() + wait_s
    try:
        with Ledger(config.ledger.url, create=False) as ledger:
            while True:
                report = run_audit(config, ledger, since_s=since, until_s=until)
                if not report.in_flight or time.monotonic() >= deadline:
                    return report
                time.sleep(POLL_S)
    except (BrokerError, LedgerError) as error:
        raise Unavailable(str(error)) from None


def show(report: Report, console: Console) -> None:
    """Print the account, and each arm's faults by name."""
    table = Table(title="Conservation: sampled = stored + in flight + missing")
    for heading in ("arm", "sampled", "stored", "in flight", "missing", "double", "unexpected"):
        table.add_column(heading, justify="left" if heading == "arm" else "right")
    for name, arm in report.arms.items():
        counts = (arm.sampled, arm.stored, arm.in_flight, arm.missing, arm.double, arm.unexpected)
        table.add_row(name, *map(str, counts))
    console.print(table)
    for name, arm in report.arms.items():
        for fault, turns in (
            ("missing", arm.missing_turns),
            ("double", arm.double_turns),
            ("unexpected", arm.unexpected_turns),
        ):
            if turns:
                console.print(f"{name}: {fault}: {', '.join(turns)}", markup=False)
    for where in report.dead_letters_missing:
        console.print(f"broken record without a dead letter: {where}", markup=False)
    console.print(
        f"{report.turns} turns in {report.turn_records} records, {report.broken} broken: "
        f"{'balanced' if report.balanced else 'NOT BALANCED'}"
    )
