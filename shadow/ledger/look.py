"""A ledger as it stands, for the doctor: opened without being made, upgraded or written to."""

from __future__ import annotations

import time
from pathlib import Path

from sqlalchemy import Connection, Engine, create_engine, inspect, select, text
from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError

from shadow.doctor.ledgers import LedgerFacts
from shadow.ledger import engine as engines
from shadow.ledger.errors import LedgerError, LedgerUnavailableError
from shadow.ledger.schema import REVISION, VERSION_TABLE, comparisons

BUSY_S = 2.0
"""A writer holds SQLite's lock for a batch's time: whoever holds it longer is worth a word."""


def look(url: str) -> LedgerFacts:
    """What is known of the ledger at ``url``. Raises :class:`~shadow.ledger.LedgerError` if it cannot be read."""
    parsed = engines.parse(url)
    engine = _engine(parsed)
    begun = time.monotonic()
    try:
        with engines.translated(parsed), engine.connect() as connection:
            schema = _schema(connection)
            took_s = time.monotonic() - begun
            newest = _newest(connection) if schema == REVISION else None
            ahead = _ahead(connection) if engine.dialect.name == "postgresql" else None
            size = _size(connection, parsed)
        return LedgerFacts(engines.where(parsed), took_s, schema, _read_only(engine), size, newest, ahead)
    finally:
        engine.dispose()


def _engine(url: URL) -> Engine:
    """Without the settings of a ledger that is used: setting them writes into a SQLite file."""
    if url.get_backend_name() == "postgresql":
        return engines.connect(url, busy_timeout_s=BUSY_S, create=False)
    file = Path(url.database or "")
    if not file.is_file():
        raise LedgerError(str(file), engines.NO_FILE)
    return create_engine(url, connect_args={"timeout": BUSY_S}, isolation_level="AUTOCOMMIT")


def _schema(connection: Connection) -> str | None:
    tables = inspect(connection).get_table_names()
    if VERSION_TABLE not in tables:
        if tables:
            what = f"is no ledger (it has {', '.join(sorted(tables)[:3])}); give it a database of its own"
            raise LedgerError(engines.where(connection.engine.url), what)
        return None
    found = connection.execute(text(f"SELECT version_num FROM {VERSION_TABLE}")).scalar()  # noqa: S608 (a constant)
    return None if found is None else str(found)


def _newest(connection: Connection) -> float | None:
    """When the row with the highest number was recorded; the number has an index, the time has none."""
    query = select(comparisons.c.recorded_at).order_by(comparisons.c.seq.desc()).limit(1)
    found = connection.execute(query).scalar()
    return None if found is None else float(found)


def _ahead(connection: Connection) -> float:
    """By how much the server's clock is ahead of this machine's, in seconds; half the way there and back is unsure."""
    before = time.time()
    at = float(connection.execute(text("SELECT extract(epoch FROM clock_timestamp())")).scalar_one())
    return at - (before + time.time()) / 2


def _size(connection: Connection, url: URL) -> int:
    if url.get_backend_name() == "postgresql":
        return int(connection.execute(text("SELECT pg_database_size(current_database())")).scalar_one())
    return sum(path.stat().st_size for end in ("", "-wal") if (path := Path(f"{url.database}{end}")).is_file())


def _read_only(engine: Engine) -> str:
    """Why nothing can be written, or empty. A lock is taken and given back; nothing is written."""
    try:
        with engines.translated(engine.url), engine.connect() as connection:
            if engine.dialect.name == "postgresql":
                return _postgres_read_only(connection)
            connection.exec_driver_sql("BEGIN IMMEDIATE")
            connection.exec_driver_sql("ROLLBACK")
    except (LedgerUnavailableError, DBAPIError) as error:
        return str(error)
    return ""


def _postgres_read_only(connection: Connection) -> str:
    if connection.execute(text("SELECT pg_is_in_recovery()")).scalar():
        return "this server is a standby: name the primary"
    if connection.execute(text("SHOW transaction_read_only")).scalar() == "on":
        return "transactions are read only here (default_transaction_read_only)"
    may = text("SELECT to_regclass('comparisons') IS NULL OR has_table_privilege('comparisons', 'INSERT')")
    return "" if connection.execute(may).scalar() else "this user may not insert into comparisons"
