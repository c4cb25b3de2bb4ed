"""A ledger that is looked things up in: by index, bounded, and nothing is ever written through it."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy import text

from shadow.gate.rows import LedgerRow
from shadow.ledger import Ledger, LedgerError, LedgerUnavailableError, Reader
from shadow.ledger.engine import transaction
from tests.fixtures.comparisons import comparison, outcome
from tests.fixtures.events import NOW
from tests.fixtures.postgres import new_database, postgres

__all__ = ["postgres"]

COUNT = 4_000


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'ledger.db'}"
    return new_database(request.getfixturevalue("postgres"))


def filled(url: str, **fields: Any) -> None:
    with Ledger(url) as ledger:
        for arm in ("candidate", "control"):
            ledger.write([comparison(index, arm, **fields) for index in range(COUNT)], recorded_at=NOW)


def test_the_newest_rows_come_first_and_no_more_than_asked(url: str) -> None:
    filled(url)
    with Reader(url) as reader:
        rows = reader.newest("candidate", LedgerRow._fields, count=3)
        assert [LedgerRow(*row).turn_id for row in rows] == [f"t{COUNT - 1 - number}" for number in range(3)]
        assert {LedgerRow(*row).arm for row in rows} == {"candidate"}
        older = reader.newest("candidate", ("turn_id",), count=2, until=NOW + 10)
        assert older == [("t10",), ("t9",)]
        assert reader.newest("nobody", ("turn_id",), count=2) == []


def test_an_arms_newest_rows_are_read_by_an_index(url: str) -> None:
    """However many there are: neither the table nor an index is walked through and sorted."""
    filled(url)
    with Reader(url) as reader, transaction(reader._engine, writes=False) as connection:
        explain = "EXPLAIN QUERY PLAN " if url.startswith("sqlite") else "EXPLAIN "
        query = "SELECT * FROM comparisons WHERE arm = 'candidate' ORDER BY turn_arrived_at DESC LIMIT 50"
        plan = "\n".join(str(row) for row in connection.execute(text(explain + query)))
    assert "comparisons_by_arm_and_time" in plan
    assert "TEMP B-TREE" not in plan
    assert "Sort" not in plan
    assert "Seq Scan" not in plan


def test_single_turns_are_looked_up_of_one_arm_and_revision(url: str) -> None:
    filled(url)
    with Reader(url) as reader:
        wanted = [f"t{number}" for number in range(1_200)]
        found = reader.of_turns([*wanted, "nothing"], "control", "r1", ("turn_id", "arm"))
        assert sorted(found) == sorted((turn, "control") for turn in wanted)
        assert reader.of_turns(wanted, "control", "r2", ("turn_id",)) == []
        assert reader.of_turns([], "control", "r1", ("turn_id",)) == []


def test_outcomes_are_looked_up_by_name(url: str) -> None:
    with Ledger(url) as ledger:
        ledger.write([], [outcome(index, index / 10) for index in range(10)], recorded_at=NOW)
    with Reader(url) as reader:
        columns = ("turn_id", "value_number")
        assert reader.outcomes_of_turns(["t3", "t4"], ["solved"], columns) == [("t3", 0.3), ("t4", 0.4)]
        assert reader.outcomes_of_turns(["t3"], ["rated"], columns) == []


def test_nothing_can_be_written_through_it(url: str) -> None:
    filled(url)
    with Reader(url) as reader, pytest.raises(LedgerError), transaction(reader._engine, writes=True) as connection:
        connection.execute(text("DELETE FROM comparisons"))
    with Reader(url) as reader:
        assert len(reader.newest("candidate", ("turn_id",), count=COUNT + 1)) == COUNT


def test_it_makes_nothing_and_upgrades_nothing(url: str, tmp_path: Path) -> None:
    if url.startswith("sqlite"):
        with pytest.raises(LedgerError, match="no such file"):
            Reader(url)
        assert list(tmp_path.iterdir()) == []
        with closing(sqlite3.connect(tmp_path / "ledger.db")) as database:
            database.execute("PRAGMA user_version=1")
    with pytest.raises(LedgerError, match="holds no ledger yet; 'shadow ledger migrate'"):
        Reader(url)
    with Ledger(url) as ledger, transaction(ledger._engine, writes=True) as connection:
        connection.execute(text("UPDATE ledger_version SET version_num = '0004'"))
    with pytest.raises(LedgerError, match="its schema is '0004', this version's '0005'"):
        Reader(url)


def test_a_user_who_may_only_select_is_enough(postgres: str) -> None:
    url = new_database(postgres)
    filled(url)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("CREATE ROLE looker LOGIN")
        connection.execute("GRANT SELECT ON ALL TABLES IN SCHEMA public TO looker")
    with Reader(url.replace("shadow@", "looker@")) as reader:
        assert len(reader.of_turn("t1")) == 2


def test_a_database_that_is_away_is_unavailable() -> None:
    with pytest.raises(LedgerUnavailableError):
        Reader("postgresql://shadow@127.0.0.1:1/x")
