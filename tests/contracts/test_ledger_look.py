"""A ledger that is only looked at: its schema, size and newest row, the clock of its server, may it be written?"""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing
from pathlib import Path

import psycopg
import pytest

from shadow.ledger import Ledger, LedgerError
from shadow.ledger.look import look
from shadow.ledger.schema import REVISION
from tests.fixtures.comparisons import comparison
from tests.fixtures.postgres import new_database, postgres

__all__ = ["postgres"]


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'ledger.db'}"
    return new_database(request.getfixturevalue("postgres"))


def test_a_ledger_that_is_used_is_seen_as_it_is(url: str) -> None:
    now_s = time.time()
    with Ledger(url) as ledger:
        ledger.write([comparison(0), comparison(1)], recorded_at=now_s - 50)
        begun_s = time.monotonic()
        found = look(url)
        took_s = time.monotonic() - begun_s
    assert (found.schema, found.read_only) == (REVISION, "")
    assert found.newest_s == pytest.approx(now_s - 50)
    assert found.size_bytes > 10_000
    if url.startswith("postgresql"):
        assert found.clock_s is not None
        assert abs(found.clock_s) < 1 + took_s / 2  # it cannot be more exact than the way there and back
    else:
        assert found.clock_s is None


def test_looking_neither_makes_nor_upgrades(url: str, tmp_path: Path) -> None:
    if url.startswith("sqlite"):
        with pytest.raises(LedgerError, match="no such file"):
            look(url)
        assert list(tmp_path.iterdir()) == []
        with closing(sqlite3.connect(tmp_path / "ledger.db")) as database:
            database.execute("PRAGMA user_version=1")  # a file that is empty of tables
    assert look(url).schema is None
    assert look(url).schema is None


def test_a_database_that_is_no_ledger_is_refused(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "x.db")) as database:
        database.execute("CREATE TABLE orders (id INTEGER)")
    with pytest.raises(LedgerError, match="is no ledger"):
        look(f"sqlite:///{tmp_path / 'x.db'}")


def test_a_postgresql_that_must_not_be_written_says_so(postgres: str) -> None:
    """Read-only by its own setting, and for a user who has no right to insert."""
    url = new_database(postgres)
    Ledger(url).close()
    name = url.rpartition("/")[2]
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("CREATE ROLE reader LOGIN")
        connection.execute("GRANT SELECT ON ALL TABLES IN SCHEMA public TO reader")
    assert "may not insert" in look(url.replace("shadow@", "reader@")).read_only
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on")  # type: ignore[arg-type]
    assert "read only" in look(url).read_only
