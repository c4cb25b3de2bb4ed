"""The only place where Faust is configured: an application, its worker, and one service that does the consumer's work.

Faust gives the process its shape: application, service tree, supervision, signals, clean stop. Records do not come
through its agents but through :mod:`consumers.stream`, because Faust acknowledges out of order and pays a task pair per
record; docs/design/delivery.md has the figures.
"""

from __future__ import annotations

import gc

import faust
from faust.app import BootStrategy
from mode import Service

from shadow.config import Config


class _WithoutFaustConsumer(BootStrategy):  # type: ignore[misc]
    """Starts neither Faust's consumer nor its producer: the service brings its own."""

    enable_kafka = False
    enable_web = False
    enable_sensors = False


class _App(faust.App):  # type: ignore[misc]
    BootStrategy = _WithoutFaustConsumer

    def _create_directories(self) -> None:
        """None: there are no tables, and the working directory is the user's (it may be read-only)."""


def run(group: str, config: Config, service: Service) -> None:
    """Run ``service`` in a Faust worker until SIGTERM or SIGINT; ends the process: 0, or 1 if the service crashed."""
    app = _App(
        group,
        broker=[f"kafka://{address}" for address in config.broker.bootstrap],
        store="memory://",
        autodiscover=False,
        web_enabled=False,
        topic_disable_leader=True,
    )
    app.service(service)
    worker = faust.Worker(app, redirect_stdouts=False, override_logging=False, console_port=0, quiet=True)
    worker.spinner = None  # it writes terminal codes into logs that are no terminal
    # What is loaded by now stays, and what waits for a reply is many objects and no garbage: collect seldom.
    gc.freeze()
    gc.set_threshold(100_000, 50, 100)
    worker.execute_from_commandline()
