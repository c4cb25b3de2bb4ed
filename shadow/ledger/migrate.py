"""Brings a ledger to this version's schema when it is opened; several processes may open one at once."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, Engine, inspect, text

from shadow.ledger.engine import transaction, where
from shadow.ledger.errors import LedgerError
from shadow.ledger.schema import REVISION, VERSION_TABLE

ADVISORY_LOCK: Final = 0x5AD0_1ED6
"""PostgreSQL's lock that one migrating process holds at a time. SQLite's writers exclude one another anyway."""


def migrate(engine: Engine) -> None:
    """Make or upgrade the tables, in one transaction.

    Raises :class:`LedgerError` if the database is of a newer schema, or holds tables but is no ledger.
    """
    with transaction(engine, writes=False) as connection:
        if schema_of(connection) == REVISION:
            return
    with transaction(engine, writes=True) as connection:
        if engine.dialect.name == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": ADVISORY_LOCK})
        if schema_of(connection) == REVISION:  # another process was first
            return
        config = alembic_config()
        config.attributes["connection"] = connection
        command.upgrade(config, REVISION)


def alembic_config() -> Config:
    """Alembic's settings: the steps that lie beside this file, in a checkout as in an installed wheel."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).with_name("migrations")).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config


def schema_of(connection: Connection) -> str | None:
    """The ledger's schema revision; None if the database is empty. Raises :class:`LedgerError` as :func:`migrate`."""
    tables = inspect(connection).get_table_names()
    at = where(connection.engine.url)
    if VERSION_TABLE not in tables:
        if tables:
            raise LedgerError(
                at, f"is no ledger (it has {', '.join(sorted(tables)[:3])}); give it a database of its own"
            )
        return None
    found = connection.execute(text(f"SELECT version_num FROM {VERSION_TABLE}")).scalar()  # noqa: S608 (a constant)
    if found is None:
        return None
    revision = str(found)
    if revision > REVISION:  # numbers of four digits
        raise LedgerError(at, f"its schema is {revision!r}, this version knows up to {REVISION!r}; upgrade Shadow")
    return revision
