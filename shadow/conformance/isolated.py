"""The checks in a process of their own: what the plug-in opens there is seen, and one that hangs is ended."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

PATIENCE_S: Final = 300.0

TOUCHES: Final = {
    "open": "opens a file",
    "os.listdir": "lists a directory",
    "os.scandir": "lists a directory",
    "os.remove": "removes a file",
    "os.rename": "renames a file",
    "os.mkdir": "makes a directory",
    "socket.__new__": "makes a socket",
    "socket.connect": "connects",
    "socket.getaddrinfo": "looks a host up",
    "subprocess.Popen": "starts a process",
    "os.system": "starts a process",
    "os.fork": "starts a process",
    "os.posix_spawn": "starts a process",
    "os.exec": "starts a process",
    "sqlite3.connect": "opens a database",
}
"""Python's audit events that a pure function raises none of. What native code does by itself raises none either."""

NEVER: Final = frozenset({"socket.connect", "socket.getaddrinfo", "subprocess.Popen", "os.system", "os.posix_spawn"})
"""Not even while it is loaded: its own data may be read then, and nothing fetched."""

_CODE: Final = (".py", ".pyc", ".so", ".pyd", "__pycache__")
_MOST: Final = 5


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a plug-in breaks: check to faults, of the broken checks alone."""

    family: str
    name: str
    checks: int
    broken: dict[str, list[str]]


class Watch:
    """An audit hook that notes what is touched. It cannot be removed, so it is armed and disarmed.

    It does not raise: a plug-in might catch that.
    """

    def __init__(self) -> None:
        self.loading = True
        self.found: list[str] = []

    def __call__(self, event: str, arguments: tuple[Any, ...]) -> None:
        """See :func:`sys.addaudithook`."""
        if event not in TOUCHES or (self.loading and event not in NEVER) or len(self.found) >= _MOST:
            return
        what = str(arguments[0]) if arguments else ""
        if event in ("open", "os.listdir", "os.scandir") and what.endswith(_CODE):  # an import inside a function
            return
        fault = f"{TOUCHES[event]}: {ascii(what)[:80]}"
        if fault not in self.found:
            self.found.append(fault)


def examine(family: str, name: str, *, patience_s: float = PATIENCE_S) -> Verdict:
    """Run all checks on the installed plug-in ``name`` in a child process, at most for ``patience_s``."""
    command = [sys.executable, "-m", "shadow.conformance", family, name]
    try:
        done = subprocess.run(command, capture_output=True, timeout=patience_s, check=False)  # noqa: S603 (our own)
        lines, ending = list(_lines(done.stdout)), f"its process ended with {done.returncode}: {_last(done.stderr)}"
    except subprocess.TimeoutExpired as late:
        lines, ending = list(_lines(late.stdout or b"")), f"has not ended after {patience_s:g} s"
    broken = {line["check"]: line["faults"] for line in lines if line.get("faults")}
    finished = [line for line in lines if "faults" in line]
    if not lines or "end" not in lines[-1]:
        broken[lines[-1]["check"] if lines and "check" in lines[-1] else "loads"] = [ending]
    return Verdict(family, name, len(finished), broken)


def _lines(output: bytes) -> Iterator[dict[str, Any]]:
    for line in output.splitlines():
        try:
            yield json.loads(line)
        except ValueError:  # cut by the time-out
            continue


def _last(output: bytes) -> str:
    return ascii((output.decode(errors="replace").strip().splitlines() or ["(no output)"])[-1])[:300]
