"""The deduplicated store of comparisons: the only thing that a verdict is computed from.

:class:`Ledger` writes batches idempotently in one transaction (a key's first write wins, nothing is ever changed or
deleted) and reads them as streams: :meth:`~Ledger.keys` for the audit, :meth:`~Ledger.read_on` for the gate,
:meth:`~Ledger.stats` for people, :meth:`~Ledger.export` for :mod:`shadow.ledger.export`.
"""

from shadow.ledger.errors import LedgerError, LedgerUnavailableError
from shadow.ledger.rows import comparison_row, outcome_row, unstorable
from shadow.ledger.store import Batch, Cursor, Export, Ledger, Row, Written

__all__ = [
    "Batch",
    "Cursor",
    "Export",
    "Ledger",
    "LedgerError",
    "LedgerUnavailableError",
    "Row",
    "Written",
    "comparison_row",
    "outcome_row",
    "unstorable",
]
