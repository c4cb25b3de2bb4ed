"""What can go wrong with a ledger.

LedgerError                   one line: what, where, remedy
└── LedgerUnavailableError    locked, full or unreachable: the same call may succeed later
"""

from __future__ import annotations


class LedgerError(Exception):
    """A ledger that cannot be used as it is. The message is one line; ``where`` is the url without its password."""

    def __init__(self, where: str, what: str) -> None:
        super().__init__(f"ledger {where}: {what}")
        self.where = where


class LedgerUnavailableError(LedgerError):
    """The database is locked, full or unreachable; nothing of the call was stored, and trying again is right."""
