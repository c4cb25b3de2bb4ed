"""``shadow ledger stats`` shows what is stored, ``export`` writes it to a file, ``migrate`` makes the tables."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import click
from rich.console import Console
from rich.table import Table

from shadow.cli.instant import Instant
from shadow.cli.root import Unavailable, UserError, configuration, print_json
from shadow.gate.guardrails import OVERALL
from shadow.ledger import Ledger, LedgerError
from shadow.ledger.export import FORMATS
from shadow.ledger.export import export as write
from shadow.ledger.schema import REVISION

PLAIN_WIDTH: Final = 150
"""Columns where there is no terminal: names of slices and calls are cut at 80."""

_since = click.option("--since", type=Instant(), help="Turns that arrived at or after this time.")
_until = click.option("--until", type=Instant(), help="Turns that arrived before this time.")


@click.group()
def ledger() -> None:
    """Read the deduplicated store of comparisons."""


@ledger.command()
@click.pass_context
def migrate(ctx: click.Context) -> None:
    """Make the ledger's tables, or bring them to this version's schema; any process that opens it does the same.

    For a deployment that upgrades the database before its processes. Safe to call twice, also at once.
    """
    try:
        Ledger(configuration(ctx).ledger.url).close()
    except LedgerError as error:
        raise Unavailable(str(error)) from None
    click.echo(f"the ledger has schema {REVISION}")


@ledger.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")
@_since
@_until
@click.pass_context
def stats(ctx: click.Context, *, as_json: bool, since: float | None, until: float | None) -> None:
    """Show per arm how sampled turns ended, how replies differ, and what they took and cost.

    Of each candidate also the noise floor: what its divergence exceeds the control's by, per measure and slice.
    """
    config = configuration(ctx)
    with _opened(ctx) as opened:
        thresholds = config.comparator.effective_thresholds
        found = opened.stats(since, until, alpha=config.gate.alpha, thresholds=thresholds)
    if as_json:
        print_json(found)
        return
    console = Console() if Console().is_terminal else Console(width=PLAIN_WIDTH)
    if not found["arms"]:
        console.print("no comparisons" + (" in that time" if since or until else " yet"))
    for arm, summary in found["arms"].items():
        console.print(_table(arm, summary))
        if summary["noise_floor"] and summary["noise_floor"]["measures"]:
            console.print(_floor(arm, summary["noise_floor"]))
    console.print(f"outcomes known later: {found['outcomes']}")


@ledger.command()
@click.option("--format", "form", type=click.Choice(sorted(FORMATS)), required=True, help="JSON Lines or Parquet.")
@click.option("--output", type=click.Path(path_type=Path, dir_okay=False), required=True, help="File to write.")
@click.option("--arm", help="Only this arm.")
@_since
@_until
@click.pass_context
def export(
    ctx: click.Context, *, form: str, output: Path, arm: str | None, since: float | None, until: float | None
) -> None:
    """Write every comparison to a file, oldest turn first."""
    with _opened(ctx) as opened:
        try:
            count = write(opened, output, form, arm=arm, since=since, until=until)
        except OSError as error:
            raise UserError(f"{output}: cannot be written ({error.strerror}); name another with --output") from None
    click.echo(f"{count} comparisons written to {output}", err=True)


@contextmanager
def _opened(ctx: click.Context) -> Iterator[Ledger]:
    """The configured ledger; its errors are printed on one line, exit code 1."""
    try:
        with Ledger(configuration(ctx).ledger.url, create=False) as opened:
            yield opened
    except LedgerError as error:
        raise Unavailable(str(error)) from None


def _table(arm: str, summary: dict[str, Any]) -> Table:
    table = Table("", "value", title=f"{arm}: {summary['comparisons']} comparisons", title_justify="left")
    for kind, count in summary["outcomes"].items():
        table.add_row(kind, str(count))
    for title in ("reasons", "failures", "revisions"):
        if summary[title]:
            table.add_row(title, ", ".join(f"{name} {count}" for name, count in sorted(summary[title].items())))
    for name, measure in summary["measures"].items():
        shown = [f"{label} {_number(measure[label])}" for label in ("mean", "p50", "p95")]
        if "apart" in measure:
            shown.append(f"{measure['apart']:.0%} apart")
        table.add_row(f"{name} divergence", f"{', '.join(shown)} (n {measure['n']})")
    agreement = summary["agreement"]
    share = "no data" if agreement["share"] is None else f"{agreement['share']:.1%}"
    table.add_row("agreed with production", f"{share}, not known of {agreement['unknown']} turns")
    table.add_row("prefix", ", ".join(f"{name} {count}" for name, count in summary["prefixes"].items()))
    for label in ("candidate_latency_s", "production_latency_s", "candidate_ttft_s"):
        table.add_row(label, f"p50 {_number(summary[label]['p50'])}, p95 {_number(summary[label]['p95'])}")
    table.add_row("cost_usd", _number(summary["cost_usd"]))
    table.add_row("tokens", ", ".join(f"{side} {_number(count)}" for side, count in summary["tokens"].items()))
    table.add_row("conversations", str(summary["conversations"]))
    table.add_row("turns", f"{_time(summary['first_turn_at'])} to {_time(summary['last_turn_at'])}")
    return table


def _floor(arm: str, floor: dict[str, Any]) -> Table:
    """Slices below their measure; turns with a valid prefix, then the others'."""
    title = f"{arm} over the noise floor: divergence from production, on turns with a valid prefix"
    left_out = f"{floor['left_out']} turns of other revisions or evaluators left out" if floor["left_out"] else None
    table = Table("measure", "slice", title=title, title_justify="left", caption=left_out, caption_justify="left")
    for heading in ("control", "candidate", "excess", "turns", "other turns"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("call")
    for each in floor["measures"]:
        overall = each["slice"] == OVERALL
        bounds = "" if each["lower"] is None else f" [{each['lower']:+.3f}, {each['upper']:+.3f}]"
        excess = "no data" if each["excess"] is None else f"{each['excess']:+.3f}{bounds}"
        table.add_row(
            each["measure"] if overall else "",
            "all" if overall else each["slice"],
            _number(each["control"]),
            _number(each["candidate"]),
            excess,
            str(each["turns"]),
            str(sum(each["prefixes"].values()) - each["turns"]),
            f"{each['call']} ({each['reason']})" if each["reason"] else each["call"],
        )
    return table


def _number(value: float | None) -> str:
    return "no data" if value is None else f"{value:.4g}" if isinstance(value, float) else str(value)


def _time(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="seconds")
