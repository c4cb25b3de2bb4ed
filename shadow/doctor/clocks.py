"""Clocks: ages and windows go by the broker's time stamps, compared with the clock of whoever reads them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from shadow.config import Config
from shadow.doctor.finding import Finding, failed, fine, warned

TOLERANCE_S: Final = 2.0
"""What NTP, a loaded machine and times in whole seconds leave."""

REMEDY: Final = (
    "`timedatectl set-ntp true` on both machines, then `chronyc tracking` (or `timedatectl timesync-status`)"
)


@dataclass(frozen=True, slots=True)
class Stamped:
    """A record's two times: when its writer says that it wrote it, and when the broker says that it came."""

    writer: str
    written_s: float
    stored_s: float


def slack_s(config: Config) -> float:
    """So far a comparator's clock may be ahead before turns expire whose replies are still to come."""
    longest = max((arm.limits.max_age_s + arm.limits.deadline_s for arm in config.arms), default=0.0)
    return config.comparator.join_window_s - longest


def skew(check: str, ahead_s: float, unsure_s: float, limit_s: float) -> Finding:
    """Of a clock that is ``ahead_s`` (behind, if negative) of this machine's, give or take ``unsure_s``."""
    for_sure_s = abs(ahead_s) - unsure_s
    if for_sure_s <= TOLERANCE_S:
        return fine(check, f"in step with this machine's, within {TOLERANCE_S + unsure_s:.1f} s")
    says = f"{abs(ahead_s):.1f} s {'ahead of' if ahead_s > 0 else 'behind'} this machine's"
    if for_sure_s > limit_s:
        return failed(check, f"{says}: turns expire wrongly beyond {limit_s:.0f} s", REMEDY)
    return warned(check, says, REMEDY)


def of_broker(newest: Iterable[Stamped], now_s: float, limit_s: float) -> Finding:
    """By the newest records: none can be of the future, and none can have come before it was written.

    A broker's clock that is behind shows only where records are written by clocks that are not.
    """
    check, seen = "clock broker", list(newest)
    if not seen:
        return fine(check, "not known: no record is there to tell by")
    future = max(each.stored_s - now_s for each in seen)
    if future > TOLERANCE_S:
        return skew(check, future, 0.0, limit_s)
    early = max(seen, key=lambda each: each.written_s - each.stored_s)
    behind_s = early.written_s - early.stored_s
    if behind_s > TOLERANCE_S:
        says = f"{behind_s:.1f} s behind that of {early.writer}, which wrote a record before it came"
        return (failed if behind_s > limit_s else warned)(check, says, REMEDY)
    return fine(check, f"no record is of the future, or older than its writing ({len(seen)} looked at)")


def of_rows(newest_s: float | None, now_s: float, limit_s: float) -> list[Finding]:
    """By the ledger's newest row: who wrote it had a clock that was ahead, if it is of the future."""
    if newest_s is None or newest_s - now_s <= TOLERANCE_S:
        return []
    return [skew("clock recorder, by the ledger's rows", newest_s - now_s, 0.0, limit_s)]
