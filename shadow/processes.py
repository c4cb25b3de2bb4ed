"""A process tree: parts that are started together, started again when they die, and stopped together."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Final

from shadow.broker import bound_to_parent, last_line

STOP_S: Final = 20.0
RESTARTS: Final = 3
WITHIN_S: Final = 60.0
WRONG_USE: Final = 2


class PartFailed(Exception):  # noqa: N818 (says what happened)
    """A part that cannot be kept running; the message is one line that says which and why."""


@dataclass(slots=True)
class Part:
    """One process of the tree. ``once``: it ends by itself, and that is no failure if its exit code is 0.

    ``vital``: what it held is lost with it, so the tree ends with it too.
    """

    name: str
    command: Sequence[str]
    once: bool = False
    vital: bool = False
    process: subprocess.Popen[bytes] | None = None
    deaths: deque[float] = field(default_factory=lambda: deque(maxlen=RESTARTS))

    @property
    def running(self) -> bool:
        """Whether its process is there."""
        return self.process is not None and self.process.poll() is None


class Tree:
    """Starts and watches parts; with ``logs`` their output goes to one file each, else to this process's stderr.

    Parts stand in sessions of their own, so that Ctrl-C reaches this process alone and it stops them in order; if this
    process is killed, the kernel kills them (Linux).
    """

    def __init__(self, *, environ: Mapping[str, str], logs: Path | None = None) -> None:
        self._environ = dict(environ)
        self._logs = logs
        self._parts: list[Part] = []
        if logs is not None:
            logs.mkdir(parents=True, exist_ok=True)

    def start(self, part: Part) -> Part:
        """Start a part and watch it from now on."""
        self._parts.append(part)
        self._spawn(part)
        return part

    def adopt(self, part: Part) -> None:
        """Watch, and stop in the end, a part that has been started elsewhere."""
        self._parts.append(part)

    def check(self) -> list[str]:
        """Start again what has died; one line for each. Raises :class:`PartFailed` where that is no use."""
        lines = []
        for part in self._parts:
            code = part.process.poll() if part.process else None
            if code is None or (part.once and code == 0):
                continue
            why = f"{part.name} ended with {_code(code)}{self._last_words(part)}"
            now = time.monotonic()
            part.deaths.append(now)
            often = len(part.deaths) == RESTARTS and now - part.deaths[0] < WITHIN_S
            if part.once or part.vital or code == WRONG_USE or often:
                raise PartFailed(why)
            self._spawn(part)
            lines.append(f"{why}; started again")
        return lines

    def stop(self) -> None:
        """Stop all parts, the last started first, vital ones (on which the others lean) after all others.

        Each gets SIGTERM, and SIGKILL if it does not end in time.
        """
        for vital in (False, True):
            parts = [part for part in reversed(self._parts) if part.vital == vital and part.process is not None]
            deadline = time.monotonic() + STOP_S
            for part in parts:
                if part.process is not None and part.running:
                    part.process.send_signal(signal.SIGTERM)
            for part in parts:
                _await_end(part, deadline)
        self._parts.clear()

    def _spawn(self, part: Part) -> None:
        output: IO[bytes] | None = None
        if self._logs is not None:
            output = (self._logs / f"{part.name}.log").open("ab")
        try:
            part.process = subprocess.Popen(  # noqa: S603 (our own commands)
                bound_to_parent(part.command),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=self._environ,
                start_new_session=True,
            )
        finally:
            if output is not None:
                output.close()

    def _last_words(self, part: Part) -> str:
        if self._logs is None:
            return ""
        line = last_line(self._logs / f"{part.name}.log")
        return f": {line}" if line else ""


def consumer_parts(arms: Sequence[str], *, judge: bool, config: str | None, metrics_port: int) -> list[Part]:
    """One process each: recorder, comparator, a mirror per arm, the judge if there is one, the gate."""
    names: list[tuple[str, list[str]]] = [("recorder", ["recorder"]), ("comparator", ["comparator"])]
    names += [(f"mirror.{arm}", ["mirror", "--arm", arm]) for arm in arms]
    names += [("judge", ["judge"])] if judge else []
    names.append(("gate", ["gate"]))
    common = ["--config", config] if config else []
    return [
        Part(
            name, [sys.executable, "-m", "consumers", *arguments, *common, "--metrics-port", str(metrics_port + index)]
        )
        for index, (name, arguments) in enumerate(names)
    ]


def console_part(config: str | None) -> Part:
    """The console, which is no consumer: it has no ``/metrics``."""
    common = ["--config", config] if config else []
    return Part("console", [sys.executable, "-m", "shadow.cli", *common, "console"])


def environment() -> dict[str, str]:
    """The environment of this process, for its parts."""
    return dict(os.environ)


def _await_end(part: Part, deadline: float) -> None:
    if part.process is None:
        return
    try:
        part.process.wait(max(0.1, deadline - time.monotonic()))
    except subprocess.TimeoutExpired:
        part.process.kill()
        part.process.wait()


def _code(code: int) -> str:
    return f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
