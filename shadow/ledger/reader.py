"""What people look up in a ledger: one turn, an arm's newest pairs. Each look-up is bounded, and goes by an index.

:class:`Reader` opens a ledger that others write: it makes nothing, upgrades nothing, and its connections refuse writes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final, Self

from sqlalchemy import Engine, Select, create_engine, event, select
from sqlalchemy.engine import URL

from shadow.ledger import engine as engines
from shadow.ledger.errors import LedgerError
from shadow.ledger.migrate import schema_of
from shadow.ledger.schema import REVISION, comparisons, outcomes

AT_ONCE: Final = 500
"""Ids of one query; SQLite takes 32,766 parameters, and older ones 999."""

LONGEST_MS: Final = 15_000
"""A query of a reader that takes longer is ended by PostgreSQL."""


class Reading:
    """Look-ups by index. Everything raises as :class:`~shadow.ledger.Ledger` does."""

    _engine: Engine

    def of_turn(self, turn_id: str) -> list[dict[str, Any]]:
        """All columns of every comparison of that turn, the last recorded first."""
        query = select(comparisons).where(comparisons.c.turn_id == turn_id)
        return self._rows(query.order_by(comparisons.c.recorded_at.desc(), comparisons.c.arm))

    def outcomes_of(self, turn_id: str) -> list[dict[str, Any]]:
        """All columns of everything that became known of that turn later, the earliest first."""
        query = select(outcomes).where(outcomes.c.turn_id == turn_id)
        return self._rows(query.order_by(outcomes.c.occurred_at, outcomes.c.outcome_id))

    def latest_turns(self, count: int) -> list[str]:
        """Ids of the turns that arrived last, the newest first; ``count`` rows are read, each turn counts once."""
        query = select(comparisons.c.turn_id).order_by(comparisons.c.turn_arrived_at.desc()).limit(count)
        return list(dict.fromkeys(row["turn_id"] for row in self._rows(query)))

    def newest(
        self, arm: str, columns: Sequence[str], *, count: int, until: float | None = None
    ) -> list[tuple[Any, ...]]:
        """At most ``count`` rows of an arm, of any revision, the turn that arrived last first, as tuples of columns.

        ``until``: only turns that arrived by then (Unix seconds). It costs by ``count``, however many rows there are.
        """
        query = select(*(comparisons.c[name] for name in columns)).where(comparisons.c.arm == arm)
        if until is not None:
            query = query.where(comparisons.c.turn_arrived_at <= until)
        return self._tuples(query.order_by(comparisons.c.turn_arrived_at.desc()).limit(count))

    def of_turns(
        self, turn_ids: Sequence[str], arm: str, revision: str, columns: Sequence[str]
    ) -> list[tuple[Any, ...]]:
        """Those turns' rows of that arm and revision, in no order."""
        query = select(*(comparisons.c[name] for name in columns))
        query = query.where(comparisons.c.arm == arm, comparisons.c.arm_revision == revision)
        chunks = (query.where(comparisons.c.turn_id.in_(chunk)) for chunk in _chunked(turn_ids))
        return [row for chunk in chunks for row in self._tuples(chunk)]

    def outcomes_of_turns(self, turn_ids: Sequence[str], names: Sequence[str], columns: Sequence[str]) -> list[Any]:
        """What became known later, under these names, of those turns: tuples of columns, the first recorded first."""
        query = select(*(outcomes.c[name] for name in columns)).where(outcomes.c.name.in_(names))
        query = query.order_by(outcomes.c.recorded_at, outcomes.c.outcome_id)
        chunks = (query.where(outcomes.c.turn_id.in_(chunk)) for chunk in _chunked(turn_ids))
        return [row for chunk in chunks for row in self._tuples(chunk)]

    def close(self) -> None:
        """Close the connections."""
        self._engine.dispose()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _rows(self, query: Select[Any]) -> list[dict[str, Any]]:
        with engines.transaction(self._engine, writes=False) as connection:
            return [dict(row) for row in connection.execute(query).mappings()]

    def _tuples(self, query: Select[Any]) -> list[tuple[Any, ...]]:
        """The driver's own tuples: SQLAlchemy's rows would double the time."""
        with engines.transaction(self._engine, writes=False) as connection:
            cursor: Any = connection.execute(query).cursor
            found: list[tuple[Any, ...]] = cursor.fetchall()
            return found


class Reader(Reading):
    """A ledger of this version's schema that is read alone, in SQLite or PostgreSQL.

    Raises :class:`~shadow.ledger.LedgerError` if there is none, or it is of another schema.
    """

    def __init__(self, url: str, *, busy_timeout_s: float = 10.0) -> None:
        parsed = engines.parse(url)
        self._engine = _engine(parsed, busy_timeout_s)
        try:
            _same_schema(self._engine)
        except BaseException:
            self.close()
            raise


def _same_schema(engine: Engine) -> None:
    with engines.transaction(engine, writes=False) as connection:
        found = schema_of(connection)
    if found != REVISION:
        what = "holds no ledger yet" if found is None else f"its schema is {found!r}, this version's {REVISION!r}"
        raise LedgerError(engines.where(engine.url), f"{what}; 'shadow ledger migrate' makes or upgrades it")


def _engine(url: URL, busy_timeout_s: float) -> Engine:
    """Without the settings of who writes: to set them would write into a SQLite file."""
    if url.get_backend_name() == "postgresql":
        options = f"-c default_transaction_read_only=on -c statement_timeout={LONGEST_MS}"
        return engines.connect(url, busy_timeout_s=busy_timeout_s, create=False, options=options)
    file = Path(url.database or "")
    if not file.is_file():
        raise LedgerError(str(file), engines.NO_FILE)
    engine = create_engine(url, connect_args={"timeout": busy_timeout_s})
    event.listen(engine, "connect", _refuse_writes)
    return engine


def _refuse_writes(connection: Any, _record: Any) -> None:
    connection.execute("PRAGMA query_only=ON")
    connection.execute("PRAGMA temp_store=MEMORY")


def _chunked(ids: Sequence[str]) -> Iterator[Sequence[str]]:
    return (ids[start : start + AT_ONCE] for start in range(0, len(ids), AT_ONCE))
