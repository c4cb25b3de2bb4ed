"""``shadow doctor`` and what lies on this machine: the ledger's file, the configuration, the plug-ins."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from alembic import command

from shadow.ledger.engine import connect, parse, transaction
from shadow.ledger.migrate import alembic_config
from tests.fixtures.doctor import config_file, examined


def test_a_ledger_of_an_old_schema_locked_or_gone_has_its_line(embedded: str, tmp_path: Path) -> None:
    line, file = config_file(tmp_path, embedded), tmp_path / "ledger.db"
    with closing(sqlite3.connect(file, isolation_level=None)) as holder:
        holder.execute("BEGIN IMMEDIATE")
        examined(line).says("ledger, writing", "fail", "lock", f"fuser -v {file}")
        holder.execute("ROLLBACK")
    file.unlink()
    examined(line).says("ledger", "fail", "no such file", "shadow up")
    engine = connect(parse(f"sqlite:///{file}"), busy_timeout_s=5, create=True)
    with transaction(engine, writes=True) as connection:
        alembic = alembic_config()
        alembic.attributes["connection"] = connection
        command.upgrade(alembic, "0003")
    engine.dispose()
    examined(line).says("ledger", "fail", "its schema is 0003", "ledger stats")
    with closing(sqlite3.connect(file)) as database:  # looking has not upgraded it
        assert database.execute("SELECT version_num FROM ledger_version").fetchall() == [("0003",)]


def test_a_wrong_file_and_a_missing_plug_in_have_their_lines(tmp_path: Path, nowhere: str) -> None:
    line = config_file(tmp_path, nowhere, comparator={"join_window_s": 70, "measures": ["lexical", "no_such_measure"]})
    examined(line).says("plug-ins", "fail", "'no_such_measure' is not installed", "shadow plugins list")
    line = config_file(tmp_path, nowhere, broker={"url": nowhere, "partitions": 0})
    [found] = examined(line).findings
    assert (found["check"], "broker.partitions" in found["says"], "check`" in found["remedy"]) == (
        "configuration",
        True,
        True,
    )


def test_a_configuration_that_is_not_there_is_to_be_written_or_named(tmp_path: Path) -> None:
    file = tmp_path / "shadow.yaml"
    examined(["--config", str(file), "doctor", "--json"]).says(
        "configuration", "fail", "cannot be read", f"write {file}"
    )
