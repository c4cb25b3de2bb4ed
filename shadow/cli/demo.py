"""``shadow demo``: everything at once on one machine, with simulated customers and models, ended by the audit."""

from __future__ import annotations

import os
import socket
import sys
import threading
import time
from collections.abc import Callable
from importlib import resources
from pathlib import Path

import click
from rich.console import Console
from rich.live import Live

from shadow import logs, plugins
from shadow.audit import Report
from shadow.broker import BrokerError
from shadow.cli.audit import settled, show
from shadow.cli.gate_report import lines_of
from shadow.cli.root import Unavailable, UserError
from shadow.cli.up import running, stop_on_signals, watch_over
from shadow.cli.watch import REFRESH_S, View, render, wide_console
from shadow.config import ENV_CONFIG, ENV_LEDGER_URL, Config, ConfigError, load
from shadow.gatekeeper import VISIBLE_S, Gatekeeper
from shadow.ledger import Ledger, LedgerError
from shadow.processes import Part, PartFailed, Tree, environment
from shadow.simulate import DEFAULT_PORT
from shadow.simulate.server import HOST

FOLDER = Path(".shadow/demo")
PLAIN_EVERY_S = 10.0
DRAIN_S = 90.0
READY_S = 60.0
MOST_REASONS = 3


@click.command()
@click.option("--seconds", default=60.0, show_default=True, type=click.FloatRange(min=1), help="Seconds of traffic.")
@click.option("--rate", default=24.0, show_default=True, type=click.FloatRange(min=0.1), help="Turns per second.")
@click.option("--seed", default=1, show_default=True, help="Seed of the simulated customers.")
@click.pass_context
def demo(ctx: click.Context, *, seconds: float, rate: float, seed: int) -> None:
    """Mirror simulated live traffic to three candidates and the control arm, show it, and audit it.

    Needs nothing but this package. The ledger stays in .shadow/demo; exit code 0 only if the audit balances.
    """
    path = ctx.find_root().obj or str(resources.files("shadow.simulate").joinpath("demo.yaml"))
    config, console = _configuration(path), wide_console()
    logs.configure("demo")
    stopped, began = stop_on_signals(), time.time() - 1.0
    _require_port()
    console.print(f"Starting broker, {len(config.arms)} mirrors, comparator, recorder, gate; logs in {FOLDER}/logs")
    with running(config, path, FOLDER / "logs", environ=_environment(config)) as tree:
        server = [sys.executable, "-m", "shadow.cli", "simulate", "serve"]
        tree.start(Part("models", server))
        _await_models(tree)
        traffic = tree.start(Part("traffic", _traffic(path, seconds, rate, seed), once=True))
        _show(config, console, tree, lambda: traffic.running and not stopped.is_set())
        if stopped.is_set():
            raise Unavailable("interrupted")
        console.print("Traffic has ended; waiting for the last replies ...")
        report = _drained(config, tree, stopped, since=began)
        with Ledger(config.ledger.url) as ledger:
            console.print(render(View(config, ledger).snapshot()))
            _verdicts(config, ledger, console)
    show(report, console)
    console.print(f"Ledger: {config.ledger.url.split('@')[-1]}")
    if ENV_LEDGER_URL not in os.environ:
        again = f"export {ENV_CONFIG}={path} {ENV_LEDGER_URL}={config.ledger.url}"
        console.print(f"To look at it again: {again}", markup=False, highlight=False, soft_wrap=True)
    if not report.balanced or report.in_flight:
        ctx.exit(1)


def _drained(config: Config, tree: Tree, stopped: threading.Event, *, since: float) -> Report:
    """The audit's report once nothing is in flight, or after :data:`DRAIN_S`; the parts are watched over meanwhile."""
    deadline = time.monotonic() + DRAIN_S
    while True:
        report = settled(config, since=since)
        if not report.in_flight or time.monotonic() > deadline:
            return report
        watch_over(tree)
        if stopped.wait(REFRESH_S):
            raise Unavailable("interrupted")


def _verdicts(config: Config, ledger: Ledger, console: Console) -> None:
    """What the gate will say once all conversations have closed: nobody waits here for the time that takes."""
    _, revision = plugins.evaluator(config)
    keeper = Gatekeeper(config, ledger, revision)
    closed_at = time.time() + max(each.close_after_s for each in keeper.experiments) + 2 * config.gate.look_every_s
    keeper.catch_up(closed_at + VISIBLE_S)
    wait_s = closed_at - time.time()
    console.print(
        f"Verdicts as the gate gives them once every conversation has closed, in {wait_s:.0f} s (not waited for):"
    )
    for arm in config.candidates:
        for line in lines_of(keeper.report(arm.name, closed_at), most=MOST_REASONS):
            console.print(line, markup=False, highlight=False, soft_wrap=True)


def _configuration(path: str) -> Config:
    """The demo's configuration, with a new ledger of its own unless the environment names one."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    ledger = FOLDER / "ledger.db"
    try:
        environ = {ENV_LEDGER_URL: f"sqlite:///{ledger}", **os.environ}
        config = load(path, environ=environ)
    except ConfigError as error:
        raise UserError(str(error)) from None
    if ENV_LEDGER_URL not in os.environ:
        for file in FOLDER.glob("ledger.db*"):
            file.unlink()
    return config


def _environment(config: Config) -> dict[str, str]:
    return {**environment(), ENV_LEDGER_URL: config.ledger.url, "SHADOW_LOG_FORMAT": "console"}


def _traffic(path: str, seconds: float, rate: float, seed: int) -> list[str]:
    command = [sys.executable, "-m", "shadow.cli", "--config", path, "simulate", "traffic"]
    return [*command, "--seconds", f"{seconds:g}", "--rate", f"{rate:g}", "--seed", str(seed)]


def _require_port() -> None:
    """The simulated models' port is free: else customers would talk to whoever answers there."""
    try:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((HOST, DEFAULT_PORT))
    except OSError as error:
        what = f"port {DEFAULT_PORT} on {HOST} cannot be used ({error.strerror})"
        raise Unavailable(f"{what}: stop what holds it, the simulated models stand there") from None


def _await_models(tree: Tree) -> None:
    deadline = time.monotonic() + READY_S
    while time.monotonic() < deadline:
        try:
            socket.create_connection((HOST, DEFAULT_PORT), 1).close()
        except OSError:
            watch_over(tree)
            time.sleep(0.2)
        else:
            return
    raise Unavailable(f"the simulated models do not answer at {HOST}:{DEFAULT_PORT}; see {FOLDER}/logs/models.log")


def _show(config: Config, console: Console, tree: Tree, going_on: Callable[[], bool]) -> None:
    """The live view while traffic flows; without a terminal, the same as plain text now and then."""
    try:
        with Ledger(config.ledger.url) as ledger, Live(console=console, auto_refresh=False) as live:
            view, printed = View(config, ledger), 0.0
            while going_on():
                watch_over(tree)
                if console.is_terminal:
                    live.update(render(view.snapshot()), refresh=True)
                elif time.monotonic() - printed > PLAIN_EVERY_S:
                    printed = time.monotonic()
                    console.print(render(view.snapshot()))
                time.sleep(REFRESH_S)
            watch_over(tree)
    except (BrokerError, LedgerError, PartFailed) as error:
        raise Unavailable(str(error)) from None
