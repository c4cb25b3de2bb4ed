"""``shadow schema``: the wire format as JSON Schema."""

from __future__ import annotations

import click

from shadow.cli.root import print_json
from shadow.events import EVENTS


@click.command()
@click.argument("event", required=False, type=click.Choice(sorted(EVENTS)))
def schema(event: str | None) -> None:
    """Print the JSON Schema of one EVENT, or of all."""
    if event:
        print_json(EVENTS[event].model_json_schema(by_alias=True))
    else:
        print_json({name: model.model_json_schema(by_alias=True) for name, model in EVENTS.items()})
