"""``shadow up``: broker, mirrors, comparator, recorder, gate and, if wanted, the console in one process tree."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import click
import structlog

from shadow import broker, logs
from shadow.cli.root import Unavailable, configuration
from shadow.config import Config
from shadow.processes import Part, PartFailed, Tree, console_part, consumer_parts, environment

log = structlog.get_logger()

POLL_S = 0.5
STATE = Path(".shadow")
PLAIN_TEXT: Final = "the embedded broker speaks plain text: unset $SHADOW_BROKER_SECURITY, or set broker.url"


@click.command()
@click.option("--log-dir", type=click.Path(path_type=Path), help="One log file per process, instead of the terminal.")
@click.pass_context
def up(ctx: click.Context, log_dir: Path | None) -> None:
    """Run all parts until SIGTERM or Ctrl-C; a part that dies is started again."""
    config, path = configuration(ctx), ctx.find_root().obj
    logs.configure("up")
    stopped = stop_on_signals()
    with running(config, path, log_dir, environ=environment()) as tree:
        while not stopped.wait(POLL_S):
            watch_over(tree)
    log.info("stopped")


def stop_on_signals() -> threading.Event:
    """An event that SIGTERM and SIGINT set."""
    stopped = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopped.set())
    return stopped


@contextmanager
def running(config: Config, path: str | None, log_dir: Path | None, *, environ: dict[str, str]) -> Iterator[Tree]:
    """The whole process tree, up: the embedded broker if the configuration wants it, the topics, the consumers."""
    tree = Tree(environ=environ, logs=log_dir)
    try:
        if config.broker.embedded:
            if broker.security(environ):
                raise broker.SecurityError(PLAIN_TEXT)
            STATE.mkdir(exist_ok=True)
            log_file = (log_dir or STATE) / "broker.log"
            process = broker.start_embedded(config.broker.port, log_file)
            tree.adopt(Part("broker (memory only: its records are gone)", (), vital=True, process=process))
        broker.ensure_topics(config)
        arms, judge = [arm.name for arm in config.arms], config.judge is not None
        for part in consumer_parts(arms, judge=judge, config=path, metrics_port=config.metrics.port):
            tree.start(part)
        if config.console.up:
            tree.start(console_part(path))
        log.info("up", broker=config.broker.bootstrap, ledger=config.ledger.url.split("@")[-1], arms=len(config.arms))
        yield tree
    except broker.BrokerError as error:
        raise Unavailable(str(error)) from None
    finally:
        tree.stop()


def watch_over(tree: Tree) -> None:
    """Start again what has died and say so; end the command where that is no use."""
    try:
        for line in tree.check():
            log.warning("part_died", what=line)
    except PartFailed as error:
        raise Unavailable(str(error)) from None
