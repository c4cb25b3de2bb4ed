"""The deduplicated store of comparisons: the only thing that a verdict is computed from.

:class:`Ledger` writes batches idempotently in one transaction (a key's first write wins, nothing is ever changed or
deleted) and reads them as streams: :meth:`~Ledger.keys` for the audit, :meth:`~Ledger.read_on` for the gate,
:meth:`~Ledger.stats` for people, :meth:`~Ledger.export` for :mod:`shadow.ledger.export`. :attr:`~Ledger.book` has
what people write: findings and promotions. :class:`Reader` is for who only looks up single pairs.
"""

from shadow.ledger.book import Book, Finding, Promotion
from shadow.ledger.errors import LedgerError, LedgerUnavailableError
from shadow.ledger.reader import Reader, Reading
from shadow.ledger.rows import comparison_row, outcome_row, unstorable
from shadow.ledger.store import Batch, Cursor, Export, Ledger, Row, Written

__all__ = [
    "Batch",
    "Book",
    "Cursor",
    "Export",
    "Finding",
    "Ledger",
    "LedgerError",
    "LedgerUnavailableError",
    "Promotion",
    "Reader",
    "Reading",
    "Row",
    "Written",
    "comparison_row",
    "outcome_row",
    "unstorable",
]
