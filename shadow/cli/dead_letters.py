"""``shadow dead-letters``: see the broken records that were set aside, correct them, send them again."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import click

from shadow.broker import BrokerError
from shadow.cli.root import Unavailable, UserError, configuration
from shadow.dead_letters import DeadLetter, DeadLetterError, contents, find, listing, obstacle, printable, redrive

SHOWN: Final = 4_000
"""Characters of a broken record that ``show`` prints; ``--raw`` writes them all."""

JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@contextmanager
def _one_line() -> Iterator[None]:
    try:
        yield
    except (BrokerError, DeadLetterError) as error:
        raise Unavailable(printable(str(error))) from None


def _echo_json(value: Any) -> None:
    """ASCII only: the bytes of a broken record never reach the terminal as they are."""
    click.echo(json.dumps(value, indent=2).replace("\x7f", "\\u007f"))


def _row(item: DeadLetter) -> dict[str, Any]:
    row = asdict(item)
    row["key"] = None if item.key is None else item.key.decode("utf-8", "backslashreplace")
    return row


def _time(item: DeadLetter) -> str:
    return datetime.fromtimestamp(item.at_s, UTC).isoformat(sep=" ", timespec="seconds")


@click.group("dead-letters")
def dead_letters() -> None:
    """List and show broken records, and send them again."""


@dead_letters.command("list")
@JSON
@click.pass_context
def list_(ctx: click.Context, *, as_json: bool) -> None:
    """Every dead letter, oldest first."""
    with _one_line():
        letters = listing(configuration(ctx).broker.bootstrap)
    if as_json:
        _echo_json({"dead_letters": [_row(item) for item in letters]})
        return
    for item in letters:
        sent = f"  [sent again: {item.redriven_to[-1]}]" if item.redriven_to else ""
        line = f"{_time(item)}  {item.id}  {item.reason}  {item.size} B  {item.by}  {item.detail}{sent}"
        click.echo(printable(line))
    click.echo(f"{len(letters)} dead letters, {sum(not item.redriven_to for item in letters)} not sent again", err=True)


@dead_letters.command()
@click.argument("id_", metavar="ID")
@click.option("--raw", is_flag=True, help="Write the broken record's bytes to standard output, unchanged.")
@JSON
@click.pass_context
def show(ctx: click.Context, id_: str, *, raw: bool, as_json: bool) -> None:
    """One dead letter: why, where from, and its bytes (escaped)."""
    bootstrap = configuration(ctx).broker.bootstrap
    with _one_line():
        [item] = find(listing(bootstrap), [id_])
        body = contents(bootstrap, item)
    if raw:
        click.get_binary_stream("stdout").write(body or b"")
        return
    if as_json:
        _echo_json({**_row(item), "value": None if body is None else body.decode("utf-8", "backslashreplace")})
        return
    facts = {"id": item.id, "reason": item.reason, "detail": item.detail, "found": _time(item), "by": item.by}
    facts |= {"topic": item.topic, "partition": str(item.partition), "offset": str(item.offset)}
    facts |= {"key": "(none)" if item.key is None else printable(item.key)[:200]}
    facts |= {"sent again to": ", ".join(item.redriven_to) or "(not yet)"}
    for name, value in facts.items():
        click.echo(f"{name + ':':<15}{printable(value)}")
    text = "(no value)" if body is None else printable(body[:SHOWN])
    click.echo(f"{'bytes:':<15}{item.size}{' (cut: it was larger)' if item.cut else ''}\n\n{text}")
    if item.size > SHOWN:
        click.echo(f"... {item.size - SHOWN} more bytes; --raw writes them all", err=True)


@dead_letters.command("redrive")
@click.argument("ids", metavar="ID...", nargs=-1)
@click.option("--all", "everything", is_flag=True, help="All that can be sent and have not been sent again yet.")
@click.option("--reason", help="With --all: only those of this reason.")
@click.option("--value", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="Send this file's bytes.")
@click.option("--key", help="Send under this key (a conversation id).")
@click.option("--again", is_flag=True, help="Send also what was sent before.")
@click.pass_context
def redrive_(  # noqa: PLR0917 (click passes by name)
    ctx: click.Context,
    ids: tuple[str, ...],
    everything: bool,  # noqa: FBT001 (click passes by name)
    reason: str | None,
    value: Path | None,
    key: str | None,
    again: bool,  # noqa: FBT001 (click passes by name)
) -> None:
    """Write broken records back to the topics they came from, unchanged or corrected.

    The topic may be one of production's: this command writes there only when a person calls it.

    (`shadow replay` and `shadow simulate traffic` write there too: they play production.)
    """
    if bool(ids) == everything:
        raise UserError("name the ids to send again, or say --all")
    if reason and not everything:
        raise UserError("--reason goes with --all")
    if (value or key is not None) and len(ids) != 1:
        raise UserError("--value and --key correct one letter: name one id")
    bootstrap = configuration(ctx).broker.bootstrap
    with _one_line():
        if everything:
            sendable = (item for item in listing(bootstrap) if obstacle(item, again=again) is None)
            ids = tuple(item.id for item in sendable if reason in (None, item.reason))
        sent = redrive(
            bootstrap,
            ids,
            again=again,
            value=value.read_bytes() if value else None,
            key=None if key is None else key.encode(),
        )
    for item in sent:
        click.echo(f"{item.id} -> {item.topic}/{item.partition}/{item.offset}")
    click.echo(f"{len(sent)} sent again", err=True)
