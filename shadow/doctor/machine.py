"""The machine: is there room on the disk?"""

from __future__ import annotations

from typing import Final

from shadow.doctor.finding import Finding, failed, fine, warned

LOW_BYTES: Final = 2_000_000_000
LOW_SHARE: Final = 0.05
FULL_BYTES: Final = 200_000_000
"""Below this, a ledger's next transaction, or a log, may be the one that does not fit."""


def on_disk(what: str, where: str, *, free: int, total: int) -> Finding:
    """Room for ``what``, of which ``where`` is the folder."""
    check, share = f"disk, {what}", free / total if total else 0.0
    says = f"{free / 1e9:.1f} GB ({share:.0%}) free at {where}"
    remedy = f"`du -xsh {where}/* | sort -h | tail`: remove what is old, or move it to a larger disk"
    if free < FULL_BYTES:
        return failed(check, says, remedy)
    return warned(check, says, remedy) if free < LOW_BYTES or share < LOW_SHARE else fine(check, says)
