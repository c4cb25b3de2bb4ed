"""A container of deploy/ as one value, whether compose or Kubernetes runs it; and what must hold for each."""

from __future__ import annotations

import contextlib
import io
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field

import click

from consumers.__main__ import arguments
from shadow import __version__
from shadow.cli import main as shadow_command
from shadow.config import Config
from shadow.processes import consumer_parts

OWN_IMAGE = "shadow-evaluator"
ENTRYPOINT = ("shadow",)
CONSUMER = ("python", "-m", "consumers")
PATHS = ("/metrics", "/healthz", "/readyz")
TAG = re.compile(r":v?\d+\.\d+(\.\d+)?(-[a-z0-9.]+)?$")


@dataclass(frozen=True)
class Process:
    """``probes``: path and port of each address that is asked whether it works."""

    name: str
    argv: tuple[str, ...]
    image: str
    probes: tuple[tuple[str, int], ...] = ()
    ports: tuple[int, ...] = ()
    secrets: frozenset[str] = field(default=frozenset())

    @property
    def consumer(self) -> tuple[str, str] | None:
        """Which consumer it is, and whose; None: another program."""
        if self.argv[: len(CONSUMER)] != CONSUMER or (given := parsed(self.argv)) is None:
            return None
        return given["name"], given["arm"]

    @property
    def console(self) -> bool:
        """Whether it is the console."""
        return self.argv[:2] == (*ENTRYPOINT, "console")

    @property
    def metrics_port(self) -> int | None:
        """Where it serves /metrics, by its arguments."""
        given = parsed(self.argv) if self.argv[: len(CONSUMER)] == CONSUMER else None
        return given["metrics_port"] if given else None


def parsed(argv: tuple[str, ...]) -> dict[str, object] | None:
    """A consumer's arguments; None if it would refuse them."""
    with contextlib.redirect_stderr(io.StringIO()), contextlib.suppress(SystemExit):
        given = vars(arguments().parse_args(argv[len(CONSUMER) :]))
        return given if (given["name"] == "mirror") == bool(given["arm"]) else None
    return None


def refused(argv: tuple[str, ...]) -> str | None:
    """Why a command line of ours would end with wrong use."""
    if argv[: len(CONSUMER)] == CONSUMER:
        return None if parsed(argv) else f"refused: {' '.join(argv)}"
    if argv[:1] != ENTRYPOINT:
        return f"no program of ours: {' '.join(argv)}"
    command, words, context = shadow_command, list(argv[1:]), None
    try:
        while True:
            context = command.make_context(command.name or "shadow", words, parent=context)
            if not isinstance(command, click.Group):
                return None
            _, found, words = command.resolve_command(context, [*context._protected_args, *context.args])
            assert found is not None
            command = found
    except click.UsageError as error:
        return f"{' '.join(argv)}: {error.format_message()}"
    except click.exceptions.Exit:
        return f"{' '.join(argv)}: ends at once"


def wanted(config: Config) -> set[tuple[str, str]]:
    """The consumers that a configuration needs, as ``shadow up`` starts them."""
    parts = consumer_parts(
        [arm.name for arm in config.arms], judge=config.judge is not None, config=None, metrics_port=1
    )
    return {(kind, arm) for kind, _, arm in (part.name.partition(".") for part in parts)}


def faults(processes: Collection[Process], config: Config) -> list[str]:
    """What is wrong with a set of processes that is to run ``config``."""
    return [
        *(line for process in processes for line in _of_one(process, config)),
        *_missing(processes, config),
        *_secrets(processes, config),
        *_console(processes, config),
        *_of_all(config),
    ]


def _of_one(process: Process, config: Config) -> Iterator[str]:
    if process.image.partition(":")[0].rpartition("/")[2] == OWN_IMAGE:
        if not process.image.endswith(f":{__version__}"):
            yield f"{process.name}: {process.image} is not this version"
        if why := refused(process.argv):
            yield f"{process.name}: {why}"
    if not TAG.search(process.image):
        yield f"{process.name}: {process.image} has no pinned tag"
    if process.consumer and process.metrics_port != config.metrics.port:
        yield f"{process.name}: /metrics on {process.metrics_port}, not {config.metrics.port}"
    if process.consumer and not process.probes:
        yield f"{process.name}: nobody asks whether it works"
    for path, port in process.probes if process.consumer else ():
        if path not in PATHS or port != process.metrics_port:
            yield f"{process.name}: nothing answers at :{port}{path}"


def _console(processes: Collection[Process], config: Config) -> Iterator[str]:
    """It has no login: once, on its port, asked whether it lives, and by nothing else than its own command."""
    there = [process for process in processes if process.console]
    if len(there) != 1:
        yield f"the console runs {len(there)} times"
    for process in there:
        port = config.console.port
        if process.ports != (port,):
            yield f"{process.name}: its port is {process.ports}, not {port}"
        if not process.probes or any(each != ("/healthz", port) for each in process.probes):
            yield f"{process.name}: is asked {process.probes}"
        if len(process.argv) > len(ENTRYPOINT) + 1:
            yield f"{process.name}: has options of its own"
    if config.console.host != "0.0.0.0":  # noqa: S104 (in a container)
        yield f"console.host is {config.console.host}: nobody outside the container reaches it"


def _missing(processes: Collection[Process], config: Config) -> Iterator[str]:
    there = [process.consumer for process in processes if process.consumer]
    for kind in wanted(config) - set(there):
        yield f"{'.'.join(kind).strip('.')} does not run"
    for kind in {each for each in there if there.count(each) > 1 or each not in wanted(config)}:
        yield f"{'.'.join(kind).strip('.')} runs twice, or for nobody"


def _of_all(config: Config) -> Iterator[str]:
    if config.metrics.host != "0.0.0.0":  # noqa: S104 (in a container)
        yield f"metrics.host is {config.metrics.host}: nobody outside the container reaches it"
    if config.broker.embedded or config.ledger.url.startswith("sqlite"):
        yield "broker or ledger are one process's own"


def _secrets(processes: Collection[Process], config: Config) -> Iterator[str]:
    """An arm's key is its mirror's alone, and the ledger's password theirs who open it."""
    for process in processes:
        reads = process.consumer or (process.argv[1:2] and process.argv[1], "")
        if ("ledger" in process.secrets) != (reads[0] in {"recorder", "gate", "ledger", "console"}):
            yield f"{process.name}: the ledger's password is where it does not belong, or missing"
        keys = {secret for secret in process.secrets if secret.startswith("key:")}
        owner = {"mirror": reads[1], "judge": "judge"}.get(reads[0] or "")
        if keys != ({f"key:{owner}"} if owner else set()):
            yield f"{process.name}: has the keys {sorted(keys)}"
    if config.ledger.url.partition("//")[2].partition("@")[0].count(":"):
        yield "the ledger's password stands in the configuration"


def environment(env: Mapping[str, str | None]) -> Iterator[str]:
    """Literal secrets in a container's environment."""
    for name, value in env.items():
        if re.search(r"KEY|PASSWORD|TOKEN|SECRET", name) and value and value != "filled-in":
            yield f"{name} is written out"


def command_of(entrypoint: list[str] | None, command: list[str] | None) -> tuple[str, ...]:
    """The command line of a container whose image begins with ``shadow``."""
    return (*(entrypoint or ENTRYPOINT), *(command or ()))
