"""``python -m consumers NAME``: run one consumer until SIGTERM.

Names: ``mirror`` (with ``--arm``), ``comparator``, ``recorder``, ``judge``, ``gate``.
Configuration as for the ``shadow`` command.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import threading
from collections.abc import Callable
from typing import Final

import structlog

from consumers.health import Health
from shadow import logs
from shadow.broker import SecurityError, security
from shadow.config import Config, ConfigError, load
from shadow.metrics.exporter import Metrics
from shadow.metrics.server import serve

os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")  # one process, one core: partitions are the unit of scale

log = structlog.get_logger()


def _mirror(config: Config, metrics: Metrics, health: Health, arm: str) -> None:
    from consumers.app import run  # noqa: PLC0415 (each process loads only what it runs)
    from consumers.mirror import Mirror  # noqa: PLC0415
    from shadow.adapters import AdapterConfigError, create  # noqa: PLC0415
    from shadow.topology import mirror_group  # noqa: PLC0415

    chosen = config.arm(arm)
    try:
        adapter = create(chosen, environ=os.environ)
    except AdapterConfigError as error:
        raise ConfigError([str(error)]) from None
    run(mirror_group(arm), config, Mirror(config, metrics, health, chosen, adapter))


def _comparator(config: Config, metrics: Metrics, health: Health, _arm: str) -> None:
    from consumers.app import run  # noqa: PLC0415
    from consumers.comparator import Comparator  # noqa: PLC0415
    from shadow.topology import COMPARATOR_GROUP  # noqa: PLC0415

    run(COMPARATOR_GROUP, config, Comparator(config, metrics, health))


def _recorder(config: Config, metrics: Metrics, health: Health, _arm: str) -> None:
    from consumers.recorder import Recorder  # noqa: PLC0415

    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    Recorder(config, metrics, health).run(stop)


def _judge(config: Config, metrics: Metrics, health: Health, _arm: str) -> None:
    from consumers.app import run  # noqa: PLC0415
    from consumers.judge import JudgeService  # noqa: PLC0415
    from shadow.adapters import AdapterConfigError, create  # noqa: PLC0415
    from shadow.topology import JUDGE_GROUP  # noqa: PLC0415

    if config.judge is None:
        raise ConfigError(["the configuration has no judge; add a section 'judge', or do not start it"])
    try:
        adapter = create(config.judge.arm, environ=os.environ)
    except AdapterConfigError as error:
        raise ConfigError([str(error)]) from None
    run(JUDGE_GROUP, config, JudgeService(config, metrics, health, config.judge, adapter))


def _gate(config: Config, metrics: Metrics, health: Health, _arm: str) -> None:
    from consumers.gate import Gate  # noqa: PLC0415

    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    Gate(config, metrics, health).run(stop)


CONSUMERS: Final[dict[str, Callable[[Config, Metrics, Health, str], None]]] = {
    "mirror": _mirror,
    "comparator": _comparator,
    "recorder": _recorder,
    "judge": _judge,
    "gate": _gate,
}


def _serve(metrics: Metrics, health: Health, host: str, port: int) -> None:
    metrics.gauge("shadow_ready").set_function(lambda: not health.why_not_ready())
    try:
        serve(host, port, metrics, healthy=health.why_not_healthy, ready=health.why_not_ready)
    except OSError as error:
        what = f"/metrics: port {port} on {host} cannot be used ({error.strerror})"
        raise ConfigError([f"{what}: stop what holds it, or set metrics.port"]) from None


def arguments() -> argparse.ArgumentParser:
    """What a call may say."""
    parser = argparse.ArgumentParser(prog="python -m consumers", description=__doc__)
    parser.add_argument("name", choices=sorted(CONSUMERS))
    parser.add_argument("--arm", default="", help="the arm to mirror to (mirror only, and required there)")
    parser.add_argument("--config", help="configuration file")
    parser.add_argument("--metrics-port", type=int, help="serve /metrics, /healthz and /readyz here")
    return parser


def main() -> int:
    """Run the consumer that the arguments name; 2 for wrong use, 1 if it crashed."""
    parser = arguments()
    given = parser.parse_args()
    if (given.name == "mirror") != bool(given.arm):
        parser.error("mirror needs --arm NAME, an arm of the configuration; no other consumer takes it")
    process = f"{given.name}.{given.arm}" if given.arm else given.name
    logs.configure(process)
    try:
        config = load(given.config, environ=os.environ)
        security(os.environ)
        metrics, health = Metrics(process), Health()
        health.watch()
        if given.metrics_port:
            _serve(metrics, health, config.metrics.host, given.metrics_port)
        CONSUMERS[given.name](config, metrics, health, given.arm)
    except (ConfigError, SecurityError) as error:
        log.error("wrong_configuration", problem=str(error))  # noqa: TRY400 (the user's to mend: no traceback)
        return 2
    except Exception as error:  # noqa: BLE001 (the process's last line: what ended it, in one line)
        log.error("crashed", error=f"{type(error).__name__}: {error}")  # noqa: TRY400
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
