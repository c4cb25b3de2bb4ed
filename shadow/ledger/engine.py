"""Connections to a ledger's database: SQLite or PostgreSQL, with the settings that durability rests on."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, InterfaceError, OperationalError

from shadow.config import unsecret
from shadow.ledger.errors import LedgerError, LedgerUnavailableError

NOT_A_DATABASE: Final = "file is not a database"
NO_FILE: Final = "no such file; 'shadow up' makes it, ledger.url or $SHADOW_LEDGER_URL names it"


def parse(url: str) -> URL:
    """The parsed url. Raises :class:`LedgerError` if it names neither a SQLite file nor a PostgreSQL database."""
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        raise LedgerError(
            repr(unsecret(url)), "is not a url; use 'sqlite:///path' or 'postgresql://user@host/name'"
        ) from None
    backend = parsed.get_backend_name()
    if backend == "sqlite" and parsed.database and parsed.database != ":memory:":
        return parsed
    if backend == "postgresql" and parsed.database:
        return parsed.set(drivername="postgresql+psycopg")
    shown = unsecret(parsed.render_as_string())
    raise LedgerError(repr(shown), "names no database; use 'sqlite:///path' or 'postgresql://user@host/name'")


def connect(url: URL, *, busy_timeout_s: float, create: bool, options: str = "") -> Engine:
    """An engine for ``url``; nothing is connected yet. Makes the SQLite file's directory if ``create``.

    ``options``: of each session, for PostgreSQL alone.
    """
    if url.get_backend_name() == "postgresql":
        # The server's default synchronous_commit=on makes a commit durable before it returns.
        timeouts = {"connect_timeout": 5, "tcp_user_timeout": 10_000, "application_name": "shadow"}
        given = {**timeouts, "options": options} if options else timeouts
        return create_engine(url, pool_pre_ping=True, pool_size=2, connect_args=given)
    file = Path(url.database or "")
    if create:
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise LedgerError(str(file), f"directory cannot be made ({error.strerror}); name another") from None
    elif not file.is_file():
        raise LedgerError(str(file), NO_FILE)
    engine = create_engine(url, connect_args={"timeout": busy_timeout_s})
    event.listen(engine, "connect", _sqlite_settings)
    event.listen(engine, "begin", _sqlite_begin)
    return engine


def _sqlite_settings(connection: Any, _record: Any) -> None:
    """WAL, so that readers never stop the writer; FULL, so that a commit is on the disk before it returns.

    NORMAL would outlive kill -9 of the process but not a power loss: rows of a batch whose offsets the broker (another
    machine) holds as committed would be gone for ever. FULL costs one fsync per batch, not per row.
    """
    connection.isolation_level = None  # sqlite3 begins nothing by itself: _sqlite_begin does
    if connection.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
        connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("PRAGMA cache_size=-32000")
    connection.execute("PRAGMA temp_store=MEMORY")


def _sqlite_begin(connection: Connection) -> None:
    """A writer takes the lock at once: a read that turns into a write later would fail without waiting."""
    writes = connection.get_execution_options().get("writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


@contextmanager
def transaction(engine: Engine, *, writes: bool) -> Iterator[Connection]:
    """A connection in one transaction; readers see one snapshot throughout. Database errors become ours."""
    options: dict[str, Any] = {"writes": writes}
    if not writes and engine.dialect.name == "postgresql":
        options["isolation_level"] = "REPEATABLE READ"
    with translated(engine.url), engine.connect() as plain:
        connection = plain.execution_options(**options)
        with connection.begin():
            yield connection


@contextmanager
def translated(url: URL) -> Iterator[None]:
    """Database errors become a :class:`LedgerError` of one line."""
    try:
        yield
    except DBAPIError as error:
        raise _ours(url, error) from None
    except sqlite3.Error as error:
        raise LedgerUnavailableError(where(url), _line(error)) from None


def where(url: URL) -> str:
    """How errors name the ledger: never with its password."""
    return str(url.database) if url.get_backend_name() == "sqlite" else unsecret(url.render_as_string())


def _ours(url: URL, error: DBAPIError) -> LedgerError:
    line = _line(error.orig)
    if NOT_A_DATABASE in line:
        return LedgerError(where(url), "is not a SQLite database; name another file")
    if "is locked" in line:
        return LedgerUnavailableError(where(url), "another process holds its lock; try again, or end that process")
    if isinstance(error, (OperationalError, InterfaceError)):
        return LedgerUnavailableError(where(url), line)
    return LedgerError(where(url), line)


def _line(error: BaseException | None) -> str:
    """The first line of an error's text."""
    return (str(error).strip() or type(error).__name__).splitlines()[0][:300]
