"""``shadow plugins``: what judges replies and turns, what it costs, and whether it keeps its promises."""

from __future__ import annotations

import os
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import click

from shadow import plugins as found
from shadow.cli.root import Unavailable, UserError, configuration, print_json
from shadow.config import DEFAULT_PATH, ENV_CONFIG
from shadow.conformance import PATIENCE_S, costs, examine
from shadow.dead_letters import printable

JSON = click.option("--json", "as_json", is_flag=True, help="For programs.")
UNITS: Final = {"shadow.measures": "a pair", "shadow.failures": "a pair, both replies", "shadow.slices": "a turn"}


@click.group()
def plugins() -> None:
    """List, measure and check the plug-ins: measures, failure detectors, slicers."""


@plugins.command("list")
@JSON
@click.pass_context
def list_(ctx: click.Context, *, as_json: bool) -> None:
    """Show every installed plug-in, its package, and whether the configuration uses it."""
    listed = _listing()
    rows = [{**asdict(item), "in_use": used} for item, used in zip(listed, _used(ctx, listed), strict=True)]
    if as_json:
        print_json({"plugins": rows})
    else:
        width = max(len(row["name"]) for row in rows)
        for row in rows:
            used = {True: "in use", False: "not in use", None: ""}[row["in_use"]]
            name = f"{_short(row['family'])} {row['name']:<{width}} {row['version']:>2}  {used:<10}"
            says = row["error"] or row["summary"].replace("``", "`")
            click.echo(printable(f"{name}  {row['package']} {row['package_version']}  {says}"))
    if any(row["error"] for row in rows):
        ctx.exit(1)


@plugins.command()
@click.option(
    "--rounds",
    type=click.IntRange(1, 100),
    default=5,
    show_default=True,
    help="Take the best of this many measurements.",
)
@JSON
def bench(*, rounds: int, as_json: bool) -> None:
    """Measure what each plug-in costs on typical support pairs, the most expensive first."""
    usable = [item for item in _listing() if item.error is None]
    loaded: dict[str, dict[str, Any]] = {
        family: found.load(family, [item.name for item in usable if item.family == family]) for family in found.FAMILIES
    }
    rows = costs(loaded, rounds)
    if as_json:
        print_json({"microseconds": [asdict(row) for row in rows]})
        return
    for row in rows:
        click.echo(f"{row.us:>9.1f} us {UNITS[row.family]:<21} {_short(row.family)} {printable(row.name)}")


@plugins.command()
@click.argument("names", metavar="[NAME]...", nargs=-1)
@click.option(
    "--timeout", "patience_s", type=float, default=PATIENCE_S, show_default=True, help="Seconds for one plug-in."
)
@JSON
@click.pass_context
def test(ctx: click.Context, names: tuple[str, ...], *, patience_s: float, as_json: bool) -> None:
    """Check every installed plug-in, or those called NAME; exit 1 and say what is broken.

    Each is tried in a process of its own, on odd and on huge input.
    """
    listed = _listing()
    for name in names:
        if name not in (known := sorted({item.name for item in listed})):
            raise UserError(f"no plug-in is called {printable(name)!r}; there are: {', '.join(known)}")
    verdicts = []
    for item in listed:
        if names and item.name not in names:
            continue
        verdict = examine(item.family, item.name, patience_s=patience_s)
        verdicts.append(verdict)
        if not as_json:
            what = "BROKEN" if verdict.broken else f"good, {verdict.checks} checks"
            click.echo(f"{_short(item.family)} {printable(item.name)} ({printable(item.package)}): {what}")
            for check, faults in verdict.broken.items():
                click.echo(f"  {check}: {printable('; '.join(faults))}")
    if as_json:
        print_json({"plugins": [asdict(verdict) for verdict in verdicts]})
    if any(verdict.broken for verdict in verdicts):
        ctx.exit(1)


def _listing() -> list[found.Listed]:
    try:
        return found.listing()
    except found.PluginError as error:
        raise Unavailable(printable(str(error))) from None


def _used(ctx: click.Context, listed: list[found.Listed]) -> list[bool | None]:
    """Whether each is in use; None where there is no configuration to ask."""
    named = ctx.find_root().obj or os.environ.get(ENV_CONFIG)
    if not named and not Path(DEFAULT_PATH).exists():
        return [None] * len(listed)
    used = found.in_use(configuration(ctx))
    return [item.name in used[item.family] for item in listed]


def _short(family: str) -> str:
    return family.rpartition(".")[2]
