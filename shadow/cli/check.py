"""``shadow check``: is the configuration usable?"""

from __future__ import annotations

import os

import click

from shadow import plugins
from shadow.adapters import AdapterConfigError, create
from shadow.cli.root import Unavailable, configuration, print_json


@click.command()
@click.option("--json", "as_json", is_flag=True, help="For programs.")
@click.pass_context
def check(ctx: click.Context, *, as_json: bool) -> None:
    """Validate shadow.yaml; show each arm with its owner and revision."""
    config = configuration(ctx)
    try:
        plugins.evaluator(config)
        for arm in config.arms:
            create(arm, environ=os.environ)
    except (plugins.PluginError, AdapterConfigError) as error:
        raise Unavailable(str(error)) from None
    arms = [
        {"arm": arm.name, "owner": arm.owner, "revision": arm.revision, "sampling": arm.sampling.rate}
        for arm in config.arms
    ]
    if as_json:
        print_json({"arms": arms, "broker": config.broker.bootstrap, "ledger": config.ledger.url.split("@")[-1]})
        return
    for row in arms:
        click.echo(f"{row['arm']:<20} owner {row['owner']:<16} revision {row['revision']} sampling {row['sampling']:g}")
    click.echo("good")
