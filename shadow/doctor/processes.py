"""Each process of the configuration: does it serve, is it healthy and ready, is it who it should be?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal

from shadow.doctor.clocks import skew
from shadow.doctor.finding import Finding, failed, fine, warned

PASSING: Final = ("start: ", "joining", "not caught up", "recovering", "stop: ")
"""Reasons not to be ready that go by themselves, if the process is given time."""

REMEDIES: Final[dict[str, str]] = {
    "broker": "see the broker's lines here",
    "ledger": "see the ledger's lines here",
    "stalled": "it ends itself 15 s later, and must be started again by what runs it (`shadow up` does)",
    "hangs": "it ends itself after two minutes; sooner: kill -9, and start it again; keep its log",
}


@dataclass(frozen=True, slots=True)
class Wanted:
    """A process, where it serves, and how it is started."""

    name: str
    address: str
    start: str


@dataclass(frozen=True, slots=True)
class Served:
    """What it answered. ``unhealthy`` and ``unready``: its own lines. ``process``, ``version``: of its build."""

    unhealthy: tuple[str, ...]
    unready: tuple[str, ...]
    process: str
    version: str
    ahead_s: float | None = None
    unsure_s: float = 0.0


def on_silence(wanted: Wanted, how: Literal["refused", "silent", "broken"], why: str) -> Finding:
    """It gave no answer: nobody listens, whoever listens says nothing, or what he says is no HTTP."""
    check, port = f"process {wanted.name}", wanted.address.rpartition(":")[2]
    if how == "refused":
        return failed(check, f"nothing listens on {wanted.address}", wanted.start)
    says = f"{wanted.address} accepts and does not answer" if how == "silent" else f"{wanted.address}: {why}"
    return failed(check, says, f"who is it? `ss -ltnp 'sport = :{port}'`; end it, then {wanted.start}")


def on_console(wanted: Wanted, status: int, said: str) -> Finding:
    """The console answered its ``/healthz`` so; it has no other page for programs."""
    check = f"process {wanted.name}"
    if (status, said.strip()) == (200, "ok"):
        return fine(check, f"answers on {wanted.address}")
    port = wanted.address.rpartition(":")[2]
    remedy = f"who is it? `ss -ltnp 'sport = :{port}'`; end it, or set console.port"
    return failed(check, f"something that is no console answers on {wanted.address}", remedy)


def on_process(wanted: Wanted, served: Served, *, version: str, limit_s: float) -> list[Finding]:
    """The findings of one that answered; ``version`` is this command's, ``limit_s`` how wrong its clock may be."""
    return list(_findings(wanted, served, version, limit_s))


def _findings(wanted: Wanted, served: Served, version: str, limit_s: float) -> Iterator[Finding]:
    check = f"process {wanted.name}"
    if served.process != wanted.name:
        who = f"{served.process} serves" if served.process else "something that is no part of Shadow answers"
        remedy = "the configuration has changed since it was started: start all anew (`shadow up`), or set metrics.port"
        yield failed(check, f"{who} on {wanted.address}", remedy)
        return
    for line in dict.fromkeys((*served.unhealthy, *served.unready)):
        known = next((text for begin, text in REMEDIES.items() if line.startswith(begin)), "")
        if line.startswith(PASSING):
            yield warned(
                check, f"not ready: {line}", known or "give it a minute; then start more of it, or see its log"
            )
        else:
            yield failed(check, f"not ready: {line}", known or "see its log")
    if not (served.unhealthy or served.unready):
        yield fine(check, f"ready on {wanted.address}")
    if served.version != version:
        says = f"runs version {served.version or 'unknown'}, this command is {version}"
        yield warned(check, says, "start it anew, from the same installation")
    if served.ahead_s is not None:
        found = skew(f"clock {wanted.name}", served.ahead_s, served.unsure_s, limit_s)
        if found.status != "ok":
            yield found
