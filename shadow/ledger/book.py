"""Findings against candidates, and promotions: what people write into the ledger. Rows are added, never changed."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any, Final

from sqlalchemy import Connection, Engine, Table, func, select, text

from shadow.ledger import engine as engines
from shadow.ledger.errors import LedgerError
from shadow.ledger.schema import findings, promotions

NUMBERING_LOCK: Final = 0x5AD0_1ED7
"""PostgreSQL's lock that one writer holds until it commits, so that numbers come in the order of commits.

SQLite's writers exclude one another anyway.
"""


@dataclass(frozen=True, slots=True)
class Finding:
    """What somebody found wrong with a candidate; ``closed_at`` is None while it is open. Times are Unix seconds."""

    finding_id: int
    candidate: str
    owner: str
    severity: str
    said: str
    person: str
    opened_at: float
    closed_at: float | None = None
    closed_by: str | None = None
    closed_because: str | None = None


@dataclass(frozen=True, slots=True)
class Promotion:
    """Who promoted what, and on which verdict; ``refusal`` is what was overridden, None if nothing was."""

    candidate: str
    owner: str
    revision: str
    experiment: str
    verdict: str
    looked_at: float | None
    refusal: str | None
    person: str
    reason: str
    promoted_at: float
    evidence_sha256: str | None = None
    promotion_id: int = 0
    """Given by the book."""


class Book:
    """Both tables. Everything raises as :class:`~shadow.ledger.Ledger` does."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def open_finding(self, candidate: str, owner: str, severity: str, *, said: str, person: str, at: float) -> Finding:
        """Write a finding down; it is numbered from 1."""
        with engines.transaction(self._engine, writes=True) as connection:
            number = _next(connection, findings, "finding_id")
            found = Finding(number, candidate, owner, severity, said, person, at)
            connection.execute(findings.insert(), _row(found, "opened", said, person, at))
        return found

    def close_finding(self, finding_id: int, person: str, because: str, at: float) -> Finding:
        """Close it. Raises :class:`~shadow.ledger.LedgerError` if there is none of that number, or it is closed."""
        with engines.transaction(self._engine, writes=True) as connection:
            _lock(connection)
            found = next((each for each in _findings(connection) if each.finding_id == finding_id), None)
            if found is None:
                raise LedgerError(
                    engines.where(self._engine.url),
                    f"holds no finding {finding_id}; `shadow findings list` shows them",
                )
            if found.closed_at is not None:
                raise LedgerError(
                    engines.where(self._engine.url), f"finding {finding_id} was closed by {found.closed_by!r}"
                )
            connection.execute(findings.insert(), _row(found, "closed", because, person, at))
        return replace(found, closed_at=at, closed_by=person, closed_because=because)

    def findings(self) -> list[Finding]:
        """All of them, open and closed, in the order of their numbers."""
        with engines.transaction(self._engine, writes=False) as connection:
            return _findings(connection)

    def promote(self, promotion: Promotion) -> Promotion:
        """Write a promotion down, numbered from 1."""
        with engines.transaction(self._engine, writes=True) as connection:
            numbered = replace(promotion, promotion_id=_next(connection, promotions, "promotion_id"))
            connection.execute(promotions.insert(), asdict(numbered))
        return numbered

    def promotions(self) -> list[Promotion]:
        """All of them, in the order of their numbers."""
        with engines.transaction(self._engine, writes=False) as connection:
            rows = connection.execute(select(promotions).order_by(promotions.c.promotion_id)).mappings()
            return [Promotion(**row) for row in rows]


def _lock(connection: Connection) -> None:
    if connection.engine.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": NUMBERING_LOCK})


def _next(connection: Connection, table: Table, number: str) -> int:
    _lock(connection)
    return int(connection.execute(select(func.coalesce(func.max(table.c[number]), 0))).scalar_one()) + 1


def _row(finding: Finding, event: str, said: str, person: str, at: float) -> dict[str, Any]:
    return {
        "finding_id": finding.finding_id,
        "event": event,
        "candidate": finding.candidate,
        "owner": finding.owner,
        "severity": finding.severity,
        "said": said,
        "person": person,
        "happened_at": at,
    }


def _findings(connection: Connection) -> list[Finding]:
    found: dict[int, Finding] = {}
    closed = []
    for row in connection.execute(select(findings).order_by(findings.c.finding_id)).mappings():
        if row["event"] == "opened":
            found[row["finding_id"]] = Finding(
                row["finding_id"],
                row["candidate"],
                row["owner"],
                row["severity"],
                row["said"],
                row["person"],
                row["happened_at"],
            )
        else:
            closed.append(row)
    for row in closed:
        opened = found[row["finding_id"]]
        found[row["finding_id"]] = replace(
            opened, closed_at=row["happened_at"], closed_by=row["person"], closed_because=row["said"]
        )
    return list(found.values())
