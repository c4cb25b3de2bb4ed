"""``shadow console``: the worst pairs of every arm, and what both sides said, as pages."""

from __future__ import annotations

import asyncio
import os
import signal

import click

from shadow import logs, plugins
from shadow.broker import SecurityError, security
from shadow.cli.root import UserError, configuration
from shadow.config import Config
from shadow.console import Server, start


@click.command()
@click.option("--port", type=click.IntRange(0, 65_535), help="Instead of console.port; 0 takes a free one.")
@click.pass_context
def console(ctx: click.Context, port: int | None) -> None:
    """Serve the arms, their worst pairs, and the words of each pair as pages, until SIGTERM or Ctrl-C.

    Read only, on loopback unless console.host says otherwise. It has NO LOGIN: who reaches it reads what customers
    wrote. Put it behind your own.
    """
    config = configuration(ctx)
    logs.configure("console")
    try:
        security(os.environ)
        server = Server(config, plugins.evaluator(config))
    except (plugins.PluginError, SecurityError) as error:
        raise UserError(str(error)) from None
    asyncio.run(_serve(server, config, config.console.port if port is None else port))


async def _serve(server: Server, config: Config, port: int) -> None:
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    host = config.console.host
    try:
        runner, port = await start(server, host, port)
    except OSError as error:
        what = f"console: port {port} on {host} cannot be used ({error.strerror})"
        raise UserError(f"{what}: stop what holds it, or set console.port or console.host") from None
    click.echo(f"http://{host}:{port}/", err=True)
    await stopped.wait()
    await runner.cleanup()
    server.close()
