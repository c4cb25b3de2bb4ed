"""What a reader that goes on where it was is promised, and that an older ledger's rows outlive every upgrade."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.script import ScriptDirectory
from sqlalchemy import MetaData, Table, inspect, select, text

from shadow.events import ArmFacts
from shadow.gate.rows import LedgerRow, OutcomeRow
from shadow.ledger import Cursor, Finding, Ledger, Promotion, store
from shadow.ledger import engine as engines
from shadow.ledger.engine import transaction
from shadow.ledger.migrate import alembic_config
from shadow.ledger.schema import REVISION
from tests.fixtures.comparisons import comparison, outcome
from tests.fixtures.postgres import new_database, postgres

__all__ = ["postgres"]

COLUMNS, OUTCOME_COLUMNS = ("turn_id", "arm", "unexamined"), ("outcome_id", "value_number")
STEPS = [script.revision for script in ScriptDirectory.from_config(alembic_config()).walk_revisions()][::-1]
BACKENDS = ["sqlite", "postgresql"]


@pytest.fixture(params=BACKENDS)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/ledger.db"
    return new_database(request.getfixturevalue("postgres"))


def read(ledger: Ledger, cursor: Cursor = Cursor(), **more: Any) -> tuple[list[Any], list[Any], Cursor]:  # noqa: B008
    """All that is new, and where to go on."""
    rows, outcomes = [], []
    for batch in ledger.read_on(cursor, COLUMNS, OUTCOME_COLUMNS, **more):
        rows += batch.comparisons
        outcomes += batch.outcomes
        cursor = batch.cursor
    return rows, outcomes, cursor


def test_a_reader_gets_every_row_once_in_the_order_of_commits(url: str) -> None:
    """Neither the time that a row is dated, nor its key, nor a duplicate changes that."""
    with Ledger(url) as ledger:
        assert read(ledger) == ([], [], Cursor())
        ledger.write([comparison(3)], [outcome(3, 0.5)], recorded_at=9)
        ledger.write([comparison(1)], recorded_at=1)
        first, outcomes, cursor = read(ledger)
        assert [row[0] for row in first] == ["t3", "t1"]
        assert outcomes == [("o3", 0.5)]
        ledger.write([comparison(1), comparison(2)], [outcome(3)], recorded_at=5)
        more, none, end = read(ledger, cursor)
        assert ([row[0] for row in more], none) == (["t2"], [])
        assert read(ledger, end) == ([], [], end)
        assert [row[0] for row in read(ledger)[0]] == ["t3", "t1", "t2"]


def test_a_reader_sees_what_it_asked_for_of_the_arms_that_it_asked_for(url: str) -> None:
    """Outcomes are of every arm: a turn's belong to whoever answered it."""
    with Ledger(url) as ledger:
        ledger.write([comparison(0, arm) for arm in ("a", "b", "control")], [outcome(0)], recorded_at=1)
        rows, outcomes, cursor = read(ledger, arms=("a", "control"))
        assert [row[1] for row in rows] == ["a", "control"]
        assert len(outcomes) == 1
        assert read(ledger, cursor, arms=("a", "control"))[0] == []


def test_batches_are_bounded_and_join_without_a_gap(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between two batches somebody writes: his rows come in a later one, and none is lost or doubled."""
    monkeypatch.setattr(store, "READ_AT_ONCE", 10)
    with Ledger(url) as ledger, Ledger(url) as writer:
        writer.write([comparison(index) for index in range(35)], recorded_at=1)
        seen, sizes = [], []
        for batch in ledger.read_on(Cursor(), COLUMNS, OUTCOME_COLUMNS):
            seen += [row[0] for row in batch.comparisons]
            sizes.append(len(batch.comparisons))
            if len(sizes) == 2:
                writer.write([comparison(index) for index in range(30, 45)], [outcome(1)], recorded_at=2)
        assert sorted(seen) == sorted(f"t{index}" for index in range(45))
        assert max(sizes) == 10


@pytest.mark.parametrize("broke", [[], ["toxicity", "grounding"]])
def test_unexamined_names_the_detectors_that_broke_on_the_arms_reply(url: str, broke: list[str]) -> None:
    """The gate counts such a reply as a failure: it must come back by name; nothing broken is no empty list."""
    facts = ArmFacts(latency_s=0.5, abstained=broke)
    with Ledger(url) as ledger:
        ledger.write([comparison(0, candidate=facts)], recorded_at=1)
        [(_, _, found)], _, _ = read(ledger)
    assert (found and json.loads(found)) == (broke or None)


def old(url: str, revision: str) -> Any:
    """The engine of a ledger as an older version made it."""
    parsed = engines.parse(url)
    engine = engines.connect(parsed, busy_timeout_s=10, create=True)
    config = alembic_config()
    with transaction(engine, writes=True) as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, revision)
    return engine


def table_of(connection: Any, name: str) -> Table:
    return Table(name, MetaData(), autoload_with=connection)


def filled(engine: Any, count: int) -> dict[str, list[dict[str, Any]]]:
    """What an older version would have written: today's rows, in the columns that there were; in an order by chance."""
    with Ledger(f"sqlite:///{engine.home}/source.db") as source:
        source.write(
            [comparison(index) for index in range(count)],
            [outcome(index, 0.5 if index % 2 else "solved") for index in range(count)],
            recorded_at=7.5,
        )
        source.book.open_finding("cand", "team", "critical", said="wrong", person="ann", at=1.5)
        source.book.promote(Promotion("cand", "team", "r", "e", "HOLD", None, "refused", "ann", "must", 5.5))
        given = {}
        with source._engine.connect() as connection:
            for name in ("comparisons", "outcomes", "findings", "promotions"):
                rows = connection.execute(select(table_of(connection, name))).mappings()
                given[name] = [dict(row) for row in rows]
    stored: dict[str, list[dict[str, Any]]] = {}
    with transaction(engine, writes=True) as connection:
        for name in sorted({*given} & {*inspect(connection).get_table_names()}):
            table = table_of(connection, name)
            stored[name] = [{key: row[key] for key in row if key in table.c} for row in given[name]]
            random.Random(5).shuffle(stored[name])
            numbered = [{**row, "seq": at} if "seq" in row else row for at, row in enumerate(stored[name], 1)]
            stored[name] = numbered
            connection.execute(table.insert(), numbered)
    return stored


@pytest.mark.parametrize("revision", STEPS)
def test_a_filled_ledger_of_every_older_schema_is_upgraded_with_its_rows(
    url: str, revision: str, tmp_path: Path
) -> None:
    """No row is lost or changed, every row has a number, and reading, writing and deciding go on."""
    engine = old(url, revision)
    engine.home = tmp_path
    stored = filled(engine, 40)
    engine.dispose()
    with Ledger(url) as ledger:
        with ledger._engine.connect() as connection:
            assert connection.execute(text("SELECT version_num FROM ledger_version")).scalar() == REVISION
            for name, rows in stored.items():
                found = connection.execute(select(table_of(connection, name))).mappings()
                kept = [{key: row[key] for key in rows[0]} for row in found]
                assert sorted(kept, key=repr) == sorted(rows, key=repr)
        rows, outcomes, cursor = read(ledger)
        assert {row[0] for row in rows} == {f"t{index}" for index in range(40)}
        assert len(outcomes) == 40
        assert cursor == Cursor(40, 40)
        assert ledger.write([comparison(0), comparison(99)], [outcome(0)], recorded_at=9).stored == 1
        assert [row[0] for row in read(ledger, cursor)[0]] == ["t99"]
        [batch] = ledger.read_on(cursor, LedgerRow._fields, OutcomeRow._fields)
        assert LedgerRow._make(batch.comparisons[0]).turn_id == "t99"
        known: list[Callable[[], list[Any]]] = [ledger.book.findings, ledger.book.promotions]
        assert [len(each()) for each in known] == [len(stored.get(name, [])) for name in ("findings", "promotions")]
        opened = ledger.book.open_finding("cand", "team", "minor", said="odd", person="bob", at=2.5)
        assert isinstance(opened, Finding)
        assert opened.finding_id == len(stored.get("findings", [])) + 1
    Ledger(url).close()
