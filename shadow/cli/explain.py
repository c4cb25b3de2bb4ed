"""``shadow explain``: one pair side by side, and how it was judged."""

from __future__ import annotations

import json
from typing import Any, Final

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from shadow import plugins
from shadow.cli.root import Unavailable, configuration
from shadow.dead_letters import printable
from shadow.explain import UnknownPairError, figures
from shadow.explain import explain as explained
from shadow.ledger import Ledger, LedgerError

SHOWN: Final = 2_000
"""Characters of a text, and ..."""

LINES: Final = 60
"""... lines of it that the terminal gets; ``--json`` has more."""


@click.command()
@click.argument("turn_id")
@click.argument("arm")
@click.option("--revision", help="Of several revisions of the arm, this one. Default: the last recorded.")
@click.option("--json", "as_json", is_flag=True, help="For programs.")
@click.pass_context
def explain(ctx: click.Context, turn_id: str, arm: str, *, revision: str | None, as_json: bool) -> None:
    """Show a turn with production's reply and ARM's side by side, and how each was judged.

    The words come from the broker. What it has forgotten is named, and the ledger's part is shown.
    """
    config = configuration(ctx)
    try:
        evaluator = plugins.evaluator(config)
        with Ledger(config.ledger.url, create=False) as ledger:
            found = explained(config, ledger, turn_id, arm, revision=revision, evaluator=evaluator)
    except (plugins.PluginError, UnknownPairError, LedgerError) as error:
        raise Unavailable(printable(str(error))) from None
    if as_json:  # ASCII only: what a model wrote never reaches the terminal as it is
        click.echo(json.dumps(found, indent=2).replace("\x7f", "\\u007f"))
        return
    console = Console()
    for line in _head(found):
        console.print(Text(line))
    console.print(_sides(found))
    for line in _judged(found):
        console.print(Text(line))


def _head(found: dict[str, Any]) -> list[str]:
    ending = found["outcome"] + (f" ({found['reason']})" if found["reason"] else "")
    agreed = {True: "yes", False: "no", None: "not decided"}[found["agreed"]]
    lines = [
        f"turn {found['turn_id']}, conversation {found['conversation_id']}, customer's message {found['depth']}",
        f"arm {found['arm']}, revision {found['arm_revision'] or '(none)'}: {ending}; agreed: {agreed}",
    ]
    if found["other_revisions"]:
        lines.append(f"also compared with revision {', '.join(found['other_revisions'])} (--revision)")
    return [*map(printable, lines), "", "customer:", _words(found["customer"]), ""]


def _sides(found: dict[str, Any]) -> Table:
    table = Table("", "production", found["arm"], show_lines=True)
    sides = (found["production"], found["candidate"])
    rows = {
        "said": [_words(side["said"]) for side in sides],
        "tool calls": [_calls(side["said"]) for side in sides],
        "failures": [_failures(side) for side in sides],
        **figures(found),
    }
    for name, cells in rows.items():
        if any(cells):
            table.add_row(name, *map(Text, cells))
    return table


def _judged(found: dict[str, Any]) -> list[str]:
    lines = []
    for name, score in found["measures"].items():
        value = score.get("value")
        lines.append(f"{name:<12} {value:.3f}" if value is not None else f"{name:<12} abstained: {score['abstained']}")
    for one in found["slices"]:
        note = "" if one["recorded"] else " [by today's slicers only]"
        lines.append(f"slice {one['name']}: {one['why'] or 'the reason cannot be worked out again'}{note}")
    for one in found["outcomes"]:
        detail = f" ({one['detail'][:300]})" if one["detail"] else ""
        lines.append(f"later, of {one['arm']}: {one['name']} = {one['value']}{detail}")
    if not found["evaluator_is_todays"]:
        lines.append(
            f"judged by evaluator {found['evaluator_revision'] or '(unknown)'}, which is not today's configuration"
        )
    return [printable(line) for line in lines]


def _words(said: dict[str, Any]) -> str:
    """A text with its line breaks, bounded; whatever else a terminal would obey is escaped."""
    if "absent" in said:
        return printable(f"[{said['absent']}]")
    text = said["text"]
    lines = text[:SHOWN].split("\n")
    shown = "\n".join(map(printable, lines[:LINES]))
    left = len(text) + said["cut_characters"] - len("\n".join(lines[:LINES]))
    return f"{shown}\n[... {left} more characters]" if left > 0 else shown or "[no text]"


def _calls(said: dict[str, Any]) -> str:
    calls = said.get("tool_calls", ())
    return "\n".join(printable(f"{call['name']}({call['arguments'][:SHOWN]})") for call in calls)


def _failures(side: dict[str, Any]) -> str:
    lines = [f"{one['kind']}: {one['cause']}" if one["cause"] else one["kind"] for one in side["failures"]]
    lines += [f"{name}: the detector broke" for name in side["detectors_broken"]]
    return "\n".join(map(printable, lines)) or "none"
