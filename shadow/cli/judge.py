"""``shadow judge calibrate``: how far can the judge be trusted?"""

from __future__ import annotations

import asyncio
import gzip
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import click

from shadow import calibration
from shadow.adapters import AdapterConfigError, create
from shadow.calibration import LabelledPair
from shadow.cli.root import Unavailable, UserError, configuration, print_json
from shadow.config import Judge
from shadow.dead_letters import printable
from shadow.judging import Bench, plainly
from shadow.labelled import Case, LabelledError, read_lines

MEANINGS: Final = {
    "agreement": "verdict and label agree",
    "unreadable": "verdicts in unknown words, left out",
    "failures_passed": "failed, and passed by the judge",
    "successes_failed": "succeeded, and failed by the judge",
    "ties": "verdicts that are ties",
    "order_changes_it": "verdicts that change with the places",
    "position_bias": "of those where one place won twice, place A",
    "longer_preferred": "decided for the longer reply",
    "longer_labelled": "the longer reply is labelled better",
    "length_bias": "of the wrong ones, for the longer reply",
}


@click.group()
def judge() -> None:
    """Find out how far the judge can be trusted."""


@judge.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--by", "names", multiple=True, help="Also for each value of this field (recorded verdicts).")
@click.option("--limit", type=click.IntRange(min=1), help="Only this many lines, from the first.")
@click.option("--json", "as_json", is_flag=True, help="For programs.")
@click.pass_context
def calibrate(ctx: click.Context, file: Path, *, names: tuple[str, ...], limit: int | None, as_json: bool) -> None:
    """Compare verdicts with the labels in FILE (JSON Lines, or gzipped): agreement, kappa, biases, each with interval.

    Verdicts that FILE holds are taken as they are. The configured judge is asked about the other pairs, in both orders,
    until judge.usd_per_day is spent.
    """
    try:
        cases, verdicts = read_lines(_lines(file)[:limit])
    except (LabelledError, OSError, EOFError) as error:
        raise UserError(printable(f"{file}: {error}")) from None
    if verdicts:
        found = {"all": calibration.of_verdicts(verdicts), **(calibration.by_groups(verdicts, names) if names else {})}
    else:
        items, cost = _judged(ctx, cases)
        found = {"all": {**calibration.of_pairs(items), "cost_usd": cost}}
    if as_json:
        print_json(found)
        return
    for group, figures in found.items():
        click.echo(f"{printable(group)}: {figures['items']} items")
        for line in _shown(figures):
            click.echo(f"  {printable(line)}")
    if names:
        click.echo("Rows about one task are not independent: the intervals over several groups are too narrow.")


def _lines(file: Path) -> list[bytes]:
    body = file.read_bytes()
    return (gzip.decompress(body) if file.suffix == ".gz" else body).splitlines()


def _judged(ctx: click.Context, cases: Sequence[Case]) -> tuple[list[LabelledPair], float]:
    """The cases with recorded verdicts, or with those of the configured judge; and what asking cost."""
    if all(case.recorded for case in cases):
        return [case.labelled(case.recorded) for case in cases], 0.0
    chosen = configuration(ctx).judge
    if chosen is None:
        raise UserError(
            "the file holds pairs without verdicts, and the configuration has no judge to ask; add a section 'judge'"
        )
    try:
        return asyncio.run(_ask(chosen, cases))
    except AdapterConfigError as error:
        raise Unavailable(str(error)) from None


async def _ask(chosen: Judge, cases: Sequence[Case]) -> tuple[list[LabelledPair], float]:
    adapter = create(chosen.arm, environ=os.environ)
    bench = Bench(chosen, plainly(adapter, chosen.timeout_s))
    spent = 0.0

    async def one(case: Case) -> LabelledPair:
        nonlocal spent
        if case.recorded is not None:
            return case.labelled(case.recorded)
        if spent >= chosen.usd_per_day:
            return case.labelled(None, "budget")
        ruling = await bench.rule(case.pair)
        spent += ruling.cost_usd
        return case.labelled(ruling.judged, ruling.reason)

    items: list[LabelledPair] = []
    try:
        for start in range(0, len(cases), chosen.max_in_flight):
            items += await asyncio.gather(*map(one, cases[start : start + chosen.max_in_flight]))
    finally:
        await adapter.close()
    return items, spent


def _shown(figures: dict[str, Any]) -> list[str]:
    lines = []
    for name, value in figures.items():
        if name == "kappa":
            lines.append(f"{'kappa':<18}" + ("not defined" if value is None else _with_interval(value)))
        elif name in MEANINGS and value is None:
            lines.append(f"{name:<18}not measurable: the file holds single verdicts, and no pairs in two orders")
        elif name in MEANINGS:
            found = " FOUND" if value.get("found") else ""
            lines.append(f"{name:<18}{_with_interval(value)}  {value['k']} of {value['n']}: {MEANINGS[name]}{found}")
        elif name == "errors":
            said = ", ".join(f"{reason} {count}" for reason, count in sorted(value.items()))
            lines.append(f"{'no verdict':<18}{said or 'none'}")
        elif name == "cost_usd":
            lines.append(f"{'cost':<18}{value:.4g} USD")
    return lines


def _with_interval(value: dict[str, Any]) -> str:
    if value["value"] is None:
        return "no data"
    low, high = value["interval"]
    return f"{value['value']:.3f} [{low:.3f}, {high:.3f}]"
