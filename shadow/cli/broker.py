"""``shadow broker`` runs the embedded broker in the foreground; ``shadow topics`` creates and shows the topics."""

from __future__ import annotations

import signal
from dataclasses import asdict
from pathlib import Path
from types import FrameType
from typing import Any, Final

import click
from rich.console import Console
from rich.table import Table

from shadow.broker import BrokerError, TopicState, ensure_topics, last_line, start_embedded
from shadow.cli.root import Unavailable, configuration, print_json
from shadow.topology import DAY_MS, diagram

LOG: Final = Path(".shadow/broker.log")


class _Stop(Exception):  # noqa: N818 (not an error: the way out)
    """SIGTERM or Ctrl-C."""


def _stop(signum: int, frame: FrameType | None) -> None:  # noqa: ARG001 (the signal module's signature)
    raise _Stop


@click.command()
@click.option("--port", type=click.IntRange(1, 65_535), help="Port on 127.0.0.1 [default: broker.port of the file].")
@click.pass_context
def broker(ctx: click.Context, port: int | None) -> None:
    """Run the embedded Kafka-compatible broker (memory only) until Ctrl-C or SIGTERM."""
    number = port or configuration(ctx).broker.port
    signal.signal(signal.SIGTERM, _stop)
    signal.signal(signal.SIGINT, _stop)
    try:
        process = start_embedded(number, LOG)
    except BrokerError as error:
        raise Unavailable(str(error)) from None
    except _Stop:
        return
    try:
        click.echo(f"embedded broker listens on 127.0.0.1:{number} (memory only; log: {LOG}); Ctrl-C stops it")
        status = process.wait()
    except _Stop:
        process.terminate()
        process.wait()
        return
    raise Unavailable(f"the embedded broker ended by itself (status {status}): {last_line(LOG)}")


@click.command()
@click.option("--diagram", "as_diagram", is_flag=True, help="Print who writes and reads what; asks no broker.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_context
def topics(ctx: click.Context, *, as_diagram: bool, as_json: bool) -> None:
    """Create the topics that are missing, check the others, and show them all."""
    if as_diagram:
        click.echo(diagram())
        return
    try:
        states = ensure_topics(configuration(ctx))
    except BrokerError as error:
        raise Unavailable(str(error)) from None
    if as_json:
        print_json({"topics": [_row(state) for state in states]})
    else:
        _print(states)


def _row(state: TopicState) -> dict[str, Any]:
    return {
        **asdict(state.topic),
        "partitions": state.partitions,
        "replication": state.replication,
        "created": state.created,
    }


def _print(states: list[TopicState]) -> None:
    table = Table(box=None)
    for heading in ("topic", "holds", "partitions", "replicas", "retention", "written by", "read by", ""):
        table.add_column(heading, no_wrap=heading == "topic")
    for state in states:
        topic = state.topic
        table.add_row(
            topic.name,
            topic.holds,
            str(state.partitions),
            str(state.replication),
            "compacted" if topic.compacted else f"{topic.retention_ms / DAY_MS:g} days",
            topic.written_by,
            ", ".join(topic.read_by),
            "created" if state.created else "",
        )
    Console(width=None if Console().is_terminal else 140).print(table)
