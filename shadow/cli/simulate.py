"""``shadow simulate`` (a support operation to try things on) and ``shadow replay`` (a recorded one)."""

from __future__ import annotations

import asyncio
import dataclasses
import os
import secrets
import signal
from collections.abc import Sequence
from typing import Any

import aiohttp
import click

from shadow.broker import BrokerError, security, wait_ready
from shadow.cli.root import Unavailable, UserError, configuration, print_json
from shadow.simulate import DEFAULT_PORT, play, production, sample_path, server, traffic
from shadow.tap import Tap

ANSWER_S = 5.0
BROKER = click.option("--broker", help="Kafka address, host:port [default: the configuration's].")
JSON = click.option("--json", "as_json", is_flag=True, help="Print the totals as JSON.")


@click.group()
def simulate() -> None:
    """Simulated support: models behind an OpenAI-compatible server, and customers who ask."""


@simulate.command()
@click.option(
    "--port", default=DEFAULT_PORT, show_default=True, type=click.IntRange(0, 65_535), help="0: any free one."
)
@click.option("--host", default=server.HOST, show_default=True, help="Address to listen on; a container's is 0.0.0.0.")
@click.option(
    "--latency", default=1.0, show_default=True, type=click.FloatRange(min=0), help="Factor on all latencies; 0: none."
)
@click.option("--seed", default=0, show_default=True, help="Seed of the samples and faults.")
def serve(port: int, host: str, latency: float, seed: int) -> None:
    """Serve the simulated models at http://HOST:PORT/v1 until stopped.

    GET /faults shows the faults that are on, PUT /faults replaces them: {model: {fault: rate}}.
    """
    asyncio.run(_serve(port, host, server.Server(latency=latency, seed=seed)))


async def _serve(port: int, host: str, simulated: server.Server) -> None:
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, stop.set)
    try:
        runner, bound = await server.start(simulated, port, host=host)
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else str(error)
        raise Unavailable(f"port {port} on {host} cannot be used ({reason}); choose another with --port") from None
    click.echo(f"simulated models ready at http://{host}:{bound}/v1")
    await stop.wait()
    await runner.cleanup()


@simulate.command(name="traffic")
@click.option("--rate", default=10.0, show_default=True, type=click.FloatRange(min=0, min_open=True), help="Turns/s.")
@click.option("--seconds", type=click.FloatRange(min=0, min_open=True), help="Stop after this long.")
@click.option("--conversations", type=click.IntRange(min=1), help="Stop after this many conversations.")
@click.option("--seed", default=0, show_default=True, help="The same seed gives the same conversations.")
@click.option("--run-id", help="Part of the conversation ids [default: random].")
@click.option(
    "--production",
    "base_url",
    default=f"http://127.0.0.1:{DEFAULT_PORT}/v1",
    show_default=True,
    help="Address of the simulated models.",
)
@click.option("--in-process", is_flag=True, help="Ask production's model directly: no server, no latency.")
@BROKER
@JSON
@click.pass_context
def traffic_command(  # noqa: PLR0917 (click passes by name)
    ctx: click.Context,
    rate: float,
    seconds: float | None,
    conversations: int | None,
    seed: int,
    run_id: str | None,
    base_url: str,
    in_process: bool,  # noqa: FBT001 (click passes by name)
    broker: str | None,
    as_json: bool,  # noqa: FBT001
) -> None:
    """Let simulated customers talk to production at RATE turns/s, recorded by the Tap; 60 s by default."""
    if seconds is None and conversations is None:
        seconds = 60.0
    settings: dict[str, Any] = {"rate": rate, "seconds": seconds, "conversations": conversations, "seed": seed}
    settings["run_id"] = run_id or secrets.token_hex(4)
    with Tap(_bootstrap(ctx, broker), kafka=security(os.environ)) as tap:
        totals = asyncio.run(_drive(tap, None if in_process else base_url, settings))
    _report(dataclasses.asdict(totals), as_json=as_json)
    if totals.dropped or not totals.flushed:
        raise Unavailable(_lost(totals.dropped))


async def _drive(tap: Tap, base_url: str | None, settings: dict[str, Any]) -> traffic.Totals:
    if base_url is None:
        return await traffic.Traffic(tap, production.InProcess(), **settings).run()
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        try:
            async with session.get(f"{base_url.rstrip('/')}/models", timeout=aiohttp.ClientTimeout(5)) as response:
                response.raise_for_status()
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            raise Unavailable(
                f"no simulated models at {base_url} ({error}); start 'shadow simulate serve', "
                "name its address with --production, or use --in-process"
            ) from None
        return await traffic.Traffic(tap, production.Http(session, base_url), **settings).run()


def _pace(_: click.Context, __: click.Parameter, value: str) -> play.Pace:
    if value in ("real", "none"):
        return "real" if value == "real" else "none"
    try:
        rate = float(value)
    except ValueError:
        rate = 0.0
    if not 0 < rate < float("inf"):
        raise click.BadParameter(f"{value!r} is not 'real', 'none' or a number of turns per second")
    return rate


@click.command()
@click.argument("files", nargs=-1, type=click.Path(exists=True, dir_okay=False, readable=True))
@click.option("--sample", is_flag=True, help="Play the packaged sample conversations.")
@click.option("--pace", default="none", show_default=True, callback=_pace, help="'real', 'none' or turns per second.")
@click.option(
    "--speedup",
    "--speed",
    default=1.0,
    show_default=True,
    type=click.FloatRange(min=0, min_open=True),
    help="Factor on the real pace.",
)
@click.option(
    "--missing",
    default="none",
    show_default=True,
    type=click.Choice(["none", "fail"]),
    help="A turn without a recorded reply stays without one, or is production's failure.",
)
@click.option("--limit", type=click.IntRange(min=1), help="Only this many conversations.")
@click.option("--run-id", help="Appended to the conversation ids; without it a second replay is the same turns again.")
@BROKER
@JSON
@click.pass_context
def replay(  # noqa: PLR0917 (click passes by name)
    ctx: click.Context,
    files: Sequence[str],
    sample: bool,  # noqa: FBT001
    pace: play.Pace,
    speedup: float,
    missing: Any,
    limit: int | None,
    run_id: str | None,
    broker: str | None,
    as_json: bool,  # noqa: FBT001
) -> None:
    """Play recorded conversations (JSON Lines, also .gz) through the Tap."""
    files = [*files, *([sample_path()] if sample else [])]
    if not files:
        raise UserError("name a file of conversations, or use --sample")
    with Tap(_bootstrap(ctx, broker), kafka=security(os.environ)) as tap:
        player = play.Player(tap, pace=pace, speedup=speedup, missing=missing, on_problem=_say)
        try:
            played = player.play(files, limit=limit, run_id=run_id)
        except (OSError, play.StalledError) as error:
            raise Unavailable(str(error)) from None
    _report(dataclasses.asdict(played), as_json=as_json)
    if played.dropped or not played.flushed:
        raise Unavailable(_lost(played.dropped))
    if played.malformed:
        raise Unavailable(f"{played.malformed} lines could not be read")


def _bootstrap(ctx: click.Context, broker: str | None) -> list[str]:
    """The broker's addresses, once it answers: the Tap itself would wait for it in silence."""
    bootstrap = broker.split(",") if broker else configuration(ctx).broker.bootstrap
    try:
        wait_ready(bootstrap, ANSWER_S)
    except BrokerError as error:
        raise Unavailable(str(error)) from None
    return bootstrap


def _say(line: str) -> None:
    click.echo(line, err=True)


def _lost(dropped: dict[str, int]) -> str:
    if not dropped:
        return "not everything reached the broker in time; is it up?"
    return "the Tap dropped records: " + ", ".join(f"{n} {reason}" for reason, n in dropped.items())


def _report(totals: dict[str, Any], *, as_json: bool) -> None:
    dropped = sum(totals["dropped"].values())
    if as_json:
        print_json({**totals, "dropped": dropped, "dropped_by_reason": totals["dropped"]})
        return
    shown = {name: n for name, n in totals.items() if isinstance(n, int) and not isinstance(n, bool)}
    click.echo(", ".join(f"{n} {name}" for name, n in {**shown, "dropped": dropped}.items()))
