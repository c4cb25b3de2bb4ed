"""The ledger's one door: write a batch in one transaction, read it as a stream. Nothing is ever updated or deleted."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from sqlalchemy import Connection, CursorResult, Insert, Select, Table, func, select, text
from sqlalchemy.dialects import postgresql, sqlite

from shadow.events import Comparison, Outcome
from shadow.ledger import engine as engines
from shadow.ledger.book import NUMBERING_LOCK, Book
from shadow.ledger.migrate import migrate
from shadow.ledger.reader import Reading
from shadow.ledger.rows import Values, comparison_row, outcome_row
from shadow.ledger.schema import comparisons, outcomes
from shadow.ledger.stats import Asked, summary
from shadow.thresholds import Threshold

CHUNK: Final = 2_000
"""Rows that a stream keeps in memory."""

_INSERTS: Final[dict[str, Callable[[Table], Any]]] = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}

EXPORTED: Final = tuple(column for column in comparisons.c if column.name != "seq")

READ_AT_ONCE: Final = 10_000
"""Rows of one transaction of :meth:`Ledger.read_on`: a long one would keep SQLite's log from being folded in."""


class Written(NamedTuple):
    """What became of a batch: comparisons, then outcomes. A duplicate's key was there before."""

    stored: int
    duplicates: int
    outcomes_stored: int = 0
    outcomes_duplicates: int = 0


class Row(NamedTuple):
    """A comparison's identity, where its turn lies in the broker, and how it ended."""

    turn_id: str
    arm: str
    arm_revision: str
    turn_partition: int
    turn_offset: int
    turn_arrived_at: float
    outcome: str


class Cursor(NamedTuple):
    """How far a reader has come: the numbers of the last comparison and the last outcome that it has had."""

    comparisons: int = 0
    outcomes: int = 0


class Batch(NamedTuple):
    """What :meth:`Ledger.read_on` gives at once: rows of the columns asked for, and where to go on."""

    comparisons: list[tuple[Any, ...]]
    outcomes: list[tuple[Any, ...]]
    cursor: Cursor


@dataclass(frozen=True, slots=True)
class Export:
    """One snapshot of the ledger: every measure's name, and the comparisons as they come, oldest turn first."""

    measures: tuple[str, ...]
    rows: Iterator[dict[str, Any]]


class Ledger(Reading):
    """The deduplicated store of comparisons and outcomes, in SQLite (``sqlite:///path``) or PostgreSQL.

    Opening makes or upgrades the tables; ``create=False`` refuses a SQLite file that is not there. Everything raises
    :class:`~shadow.ledger.LedgerUnavailableError` if the database is locked (after ``busy_timeout_s``) or unreachable,
    and :class:`~shadow.ledger.LedgerError` if it is no ledger or of a newer schema.
    """

    def __init__(self, url: str, *, busy_timeout_s: float = 10.0, create: bool = True) -> None:
        self._engine = engines.connect(engines.parse(url), busy_timeout_s=busy_timeout_s, create=create)
        insert = _INSERTS[self._engine.dialect.name]
        self._insert_comparison: Insert = insert(comparisons).on_conflict_do_nothing()
        self._insert_outcome: Insert = insert(outcomes).on_conflict_do_nothing()
        try:
            migrate(self._engine)
        except BaseException:
            self.close()
            raise

    def write(
        self,
        comparisons: Sequence[Comparison],
        outcomes: Sequence[Outcome] = (),
        *,
        recorded_at: float,
        payloads: tuple[Sequence[bytes], Sequence[bytes]] | None = None,
    ) -> Written:
        """Store a batch in one transaction, all or nothing; it is durable on return. A key's first write wins.

        ``payloads``: the wire forms of both sequences, which keep what this version's classes drop.
        """
        unset: tuple[Sequence[bytes | None], ...] = ([None] * len(comparisons), [None] * len(outcomes))
        of_comparisons, of_outcomes = payloads or unset
        pairs = zip(comparisons, of_comparisons, strict=True)
        rows = [comparison_row(record, payload, recorded_at) for record, payload in pairs]
        later = [
            outcome_row(record, payload, recorded_at) for record, payload in zip(outcomes, of_outcomes, strict=True)
        ]
        return self.write_rows(rows, later)

    def write_rows(self, comparisons: Sequence[Values], outcomes: Sequence[Values]) -> Written:
        """The same for rows made by :mod:`shadow.ledger.rows`."""
        # In the order of keys: two writers with the same rows then wait for one another, and never in a circle.
        first = _distinct(comparisons, ("turn_id", "arm", "arm_revision"))
        first_outcomes = _distinct(outcomes, ("outcome_id",))
        with engines.transaction(self._engine, writes=True) as connection:
            if self._engine.dialect.name == "postgresql":
                connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": NUMBERING_LOCK})
            stored = _insert(connection, self._insert_comparison, first)
            outcomes_stored = _insert(connection, self._insert_outcome, first_outcomes)
        return Written(stored, len(comparisons) - stored, outcomes_stored, len(outcomes) - outcomes_stored)

    @property
    def book(self) -> Book:
        """What people have written down beside the comparisons: findings and promotions."""
        return Book(self._engine)

    def probe(self) -> None:
        """Return if a write could begin now, else raise."""
        with engines.transaction(self._engine, writes=True) as connection:
            connection.execute(select(1))

    def keys(self, arm: str | None = None, since: float | None = None, until: float | None = None) -> Iterator[Row]:
        """Every comparison's :class:`Row` whose turn arrived in ``[since, until)``, in no order, as one snapshot."""
        query = select(*(comparisons.c[name] for name in Row._fields))
        reading = engines.transaction(self._engine, writes=False)
        with reading as connection, _stream(connection, _within(query, arm, since, until)) as found:
            yield from map(Row._make, found)

    def read_on(
        self, cursor: Cursor, columns: Sequence[str], outcome_columns: Sequence[str], *, arms: Sequence[str] = ()
    ) -> Iterator[Batch]:
        """What was committed after ``cursor``, in that order, as tuples of the columns; only of ``arms`` if given.

        Numbers come in the order of commits, so a reader that keeps its cursor never misses a row and never gets one
        twice. An outcome is of every arm.
        """
        wanted = [comparisons.c[name] for name in columns]
        also = [outcomes.c[name] for name in outcome_columns]
        chosen = comparisons.c.arm.in_(arms) if arms else None
        while True:
            with engines.transaction(self._engine, writes=False) as connection:
                last = _numbers(connection)
                until = Cursor(*(min(at + READ_AT_ONCE, end) for at, end in zip(cursor, last, strict=True)))
                found = _after(
                    connection, select(*wanted), comparisons, chosen, after=cursor.comparisons, until=until.comparisons
                )
                later = _after(connection, select(*also), outcomes, None, after=cursor[1], until=until[1])
            if until == cursor:
                return
            cursor = until
            yield Batch(found, later, cursor)

    def stats(
        self,
        since: float | None = None,
        until: float | None = None,
        *,
        detail: bool = True,
        noise_floor: bool = True,
        alpha: float = 0.05,
        thresholds: Mapping[str, Threshold] | None = None,
    ) -> dict[str, Any]:
        """Counts, distributions and noise floor per arm of the turns that arrived in ``[since, until)``.

        ``detail=False`` leaves out percentiles and slices, ``noise_floor=False`` the noise floor and prefixes, which
        cost two thirds of the time. ``alpha`` is the error rate of the noise floor's calls; with ``thresholds`` each
        measure says how many replies are alike and apart. See :mod:`.stats`.
        """
        asked = Asked(detail, noise_floor, alpha, thresholds)
        with engines.transaction(self._engine, writes=False) as connection:
            return summary(connection, lambda query: _within(query, None, since, until), since, until, asked)

    @contextmanager
    def export(
        self, arm: str | None = None, since: float | None = None, until: float | None = None
    ) -> Iterator[Export]:
        """An :class:`Export` of the turns that arrived in ``[since, until)``."""
        with engines.transaction(self._engine, writes=False) as connection:
            names: set[str] = set()
            with _stream(connection, _within(select(comparisons.c.measures).distinct(), arm, since, until)) as found:
                for (listed,) in found:
                    names.update(json.loads(listed or "[]"))
            query = select(*EXPORTED).order_by(comparisons.c.turn_arrived_at, comparisons.c.turn_id, comparisons.c.arm)
            columns = [column.name for column in EXPORTED]
            with _stream(connection, _within(query, arm, since, until)) as found:
                yield Export(tuple(sorted(names)), (dict(zip(columns, row, strict=True)) for row in found))


def _distinct(rows: Sequence[Values], key: tuple[str, ...]) -> list[Values]:
    """The first row of each key, sorted by key."""
    found: dict[tuple[str, ...], Values] = {}
    for row in rows:
        found.setdefault(tuple(row[name] for name in key), row)
    return [found[identity] for identity in sorted(found)]


def _insert(connection: Connection, insert: Insert, rows: list[Values]) -> int:
    """Store the rows, numbered; a duplicate leaves a gap."""
    if not rows:
        return 0
    last = connection.execute(select(func.coalesce(func.max(insert.table.c.seq), 0))).scalar_one()
    rows = [{**row, "seq": number} for number, row in enumerate(rows, last + 1)]
    return connection.execution_options(preserve_rowcount=True).execute(insert, rows).rowcount


def _numbers(connection: Connection) -> Cursor:
    """The numbers of the last rows."""
    return Cursor(*(
        int(connection.execute(select(func.coalesce(func.max(table.c.seq), 0))).scalar_one())
        for table in (comparisons, outcomes)
    ))  # fmt: skip


def _after(
    connection: Connection, query: Select[Any], table: Table, chosen: Any, *, after: int, until: int
) -> list[tuple[Any, ...]]:
    """The driver's own tuples: SQLAlchemy's rows would double the time."""
    if after == until:
        return []
    query = query.where(table.c.seq > after, table.c.seq <= until).order_by(table.c.seq)
    if chosen is not None:
        query = query.where(chosen)
    cursor: Any = connection.execute(query).cursor
    found: list[tuple[Any, ...]] = cursor.fetchall()
    return found


def _stream(connection: Connection, query: Select[Any]) -> CursorResult[Any]:
    return connection.execution_options(yield_per=CHUNK).execute(query)


def _within(query: Select[Any], arm: str | None, since: float | None, until: float | None) -> Select[Any]:
    if arm is not None:
        query = query.where(comparisons.c.arm == arm)
    if since is not None:
        query = query.where(comparisons.c.turn_arrived_at >= since)
    if until is not None:
        query = query.where(comparisons.c.turn_arrived_at < until)
    return query
