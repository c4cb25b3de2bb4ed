"""``shadow control``: pause, resume or kill an arm's mirror, through the control topic."""

from __future__ import annotations

import getpass
import time
from typing import cast

import click

from shadow import broker
from shadow.cli.root import Unavailable, UserError, configuration
from shadow.config import ConfigError
from shadow.control import Command, State
from shadow.topology import CONTROL

STATES = {"pause": "paused", "resume": "running", "kill": "killed"}


@click.command()
@click.argument("action", type=click.Choice(sorted(STATES)))
@click.argument("arm")
@click.option("--reason", default="", help="Why; kept on the topic.")
@click.option("--by", default=getpass.getuser, show_default="your user name", help="Who says so.")
@click.pass_context
def control(ctx: click.Context, action: str, arm: str, reason: str, by: str) -> None:
    """Pause ARM (new turns are shed), kill it (calls under way are given up too), or resume it; within a second."""
    config = configuration(ctx)
    try:
        config.arm(arm)
    except ConfigError as error:
        raise UserError(str(error)) from None
    state = cast("State", STATES[action])
    command = Command(state=state, by=by, reason=reason, at=time.time())
    try:
        broker.publish(config.broker.bootstrap, CONTROL, [(arm.encode(), command.to_json(), ())])
    except broker.BrokerError as error:
        raise Unavailable(str(error)) from None
    click.echo(f"{arm}: {state}")
