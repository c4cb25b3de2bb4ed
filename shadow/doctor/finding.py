"""One line of the doctor's: what was looked at, how it is, what to do."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

Status = Literal["ok", "warn", "fail"]


@dataclass(frozen=True, slots=True)
class Finding:
    """``check``: what was looked at. ``remedy``: what to do; empty where nothing is to be done."""

    check: str
    status: Status
    says: str
    remedy: str = ""


def fine(check: str, says: str) -> Finding:
    """Nothing to do."""
    return Finding(check, "ok", says)


def warned(check: str, says: str, remedy: str) -> Finding:
    """It works, and should be looked at."""
    return Finding(check, "warn", says, remedy)


def failed(check: str, says: str, remedy: str) -> Finding:
    """It does not work as it must."""
    return Finding(check, "fail", says, remedy)


def unanswered(check: str, seconds: float, remedy: str) -> Finding:
    """A check that did not come to its end in time."""
    return failed(check, f"did not answer within {seconds:g} s", remedy)


def healthy(findings: Iterable[Finding]) -> bool:
    """Whether nothing failed; warnings are allowed."""
    return all(finding.status != "fail" for finding in findings)
