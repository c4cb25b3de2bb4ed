"""The ledger: is it there, of this version's schema, writable, and does it grow?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from shadow.doctor.finding import Finding, failed, fine, warned

LOCKED: Final = "its lock"
"""In the words of :mod:`shadow.ledger.engine`."""


@dataclass(frozen=True, slots=True)
class LedgerFacts:
    """A ledger as it was found. ``schema`` None: no tables. ``read_only``: why nothing can be written; empty: it can.

    ``newest_s``: when its newest comparison was recorded. ``clock_s``: by how much the database server's clock is
    ahead of this machine's; None where it is the same clock.
    """

    where: str
    took_s: float
    schema: str | None
    read_only: str
    size_bytes: int
    newest_s: float | None
    clock_s: float | None


def on_ledger(found: LedgerFacts, *, head: str, now_s: float, stale_s: float, shadow: str) -> list[Finding]:
    """The findings; ``head``: this version's schema, ``stale_s``: ``gate.max_age_s``."""
    return list(_findings(found, head, now_s, stale_s, shadow))


def _findings(found: LedgerFacts, head: str, now_s: float, stale_s: float, shadow: str) -> Iterator[Finding]:
    check, says = "ledger", f"{found.where}, {_size(found.size_bytes)}, answered in {1000 * found.took_s:.0f} ms"
    opens = f"any opening of it upgrades it: `{shadow} ledger stats`; then start the processes anew"
    if found.schema is None:
        yield failed(check, f"{says}: has no tables yet", opens)
    elif found.schema < head:
        yield failed(check, f"{says}: its schema is {found.schema}, this version's is {head}", opens)
    elif found.schema > head:
        yield failed(check, f"{says}: its schema is {found.schema}, this version knows {head}", "upgrade Shadow here")
    else:
        yield fine(check, f"{says}, schema {head}")
    if found.read_only:
        yield failed("ledger, writing", found.read_only, _unlock(found))
    if found.newest_s is None:
        return
    age_s = now_s - found.newest_s
    if age_s > stale_s:
        yield warned(
            "ledger, newest row",
            f"recorded {age_s:.0f} s ago; after gate.max_age_s ({stale_s:.0f} s) every verdict is HOLD (stale)",
            f"is there traffic? `{shadow} watch`; what has stopped? the groups and processes here",
        )
    else:
        yield fine("ledger, newest row", f"recorded {max(0.0, age_s):.0f} s ago")


def _unlock(found: LedgerFacts) -> str:
    if LOCKED in found.read_only:
        return f"who holds it? `fuser -v {found.where}`; end that process, or wait for it"
    return "give this user the right to write there, or name another with ledger.url"


def _size(size: int) -> str:
    value, unit = float(size), "B"
    for bigger in ("kB", "MB", "GB", "TB"):
        if value < 1000:  # noqa: PLR2004 (SI)
            break
        value, unit = value / 1000, bigger
    return f"{value:.0f} {unit}"
