"""What both ledgers promise: each key once, whole batches only, exact counts, one snapshot per reader."""

from __future__ import annotations

import json
import os
import pkgutil
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import psycopg
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import text

import shadow.ledger
from shadow.events import ArmFacts, Score
from shadow.ledger import Ledger, LedgerError, LedgerUnavailableError, Promotion, Row, Written
from shadow.ledger.engine import transaction
from shadow.ledger.migrate import alembic_config
from shadow.ledger.schema import REVISION, VERSION_TABLE, metadata
from tests.fixtures.comparisons import comparison, outcome
from tests.fixtures.events import NOW
from tests.fixtures.postgres import new_database, postgres

__all__ = ["postgres"]

PATIENCE_S = 120.0

WRITER = """
import sys
from shadow.ledger import Ledger
from tests.fixtures.comparisons import comparison, outcome
url, batches, size = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
stored = 0
with Ledger(url, busy_timeout_s=30) as ledger:
    for batch in range(batches):
        of = range(batch * size, (batch + 1) * size)
        stored += ledger.write([comparison(i) for i in of], [outcome(i) for i in of], recorded_at=1.0).stored
        print(stored, flush=True)
"""


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/of its own/ledger.db"
    return new_database(request.getfixturevalue("postgres"))


def keys(ledger: Ledger) -> list[Row]:
    return list(ledger.keys())


def writer(url: str, batches: int, size: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-W", "ignore", "-c", WRITER, url, str(batches), str(size)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2])


def until_nobody_writes(url: str) -> None:
    """PostgreSQL may still be committing what a killed client had sent: wait until its server process has ended."""
    if url.startswith("sqlite"):
        return
    others = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
    deadline = time.monotonic() + PATIENCE_S
    with psycopg.connect(url, autocommit=True) as connection:
        while connection.execute(f"{others} AND backend_type = 'client backend'").fetchall():
            assert time.monotonic() < deadline, "the killed client's server process is still there"
            time.sleep(0.05)


def test_a_key_is_stored_once_and_its_first_write_wins(url: str) -> None:
    """Duplicates are counted exactly, whether in one batch, in a later one, or after the ledger was opened again."""
    changed = comparison(1, outcome="candidate_failed", reason="timeout")
    with Ledger(url) as ledger:
        assert ledger.write([comparison(1), comparison(2), changed], [outcome(1)] * 2, recorded_at=1) == (2, 1, 1, 1)
        assert ledger.write([changed, comparison(3)], [outcome(1)], recorded_at=2) == Written(1, 1, 0, 1)
        assert ledger.write([], [], recorded_at=2) == Written(0, 0, 0, 0)
    with Ledger(url) as ledger:
        assert ledger.write([changed, comparison(1, arm_revision="r2")], recorded_at=3) == Written(1, 1)
        found = {(row.turn_id, row.arm_revision): row.outcome for row in keys(ledger)}
    assert found == dict.fromkeys([("t1", "r1"), ("t2", "r1"), ("t3", "r1"), ("t1", "r2")], "compared")


def test_a_turn_is_found_with_all_that_is_known_of_it(url: str) -> None:
    with Ledger(url) as ledger:
        ledger.write([comparison(1), comparison(1, "control"), comparison(2)], [outcome(1)], recorded_at=1)
        ledger.write([comparison(1, arm_revision="r2")], recorded_at=2)
        found = [(row["arm"], row["arm_revision"]) for row in ledger.of_turn("t1")]
        assert found == [("candidate", "r2"), ("candidate", "r1"), ("control", "r1")]
        assert [row["outcome_id"] for row in ledger.outcomes_of("t1")] == ["o1"]
        assert ledger.latest_turns(4) == ["t2", "t1"]
        assert (ledger.of_turn("t9"), ledger.outcomes_of("t9")) == ([], [])


def test_keys_tell_where_a_turn_lies(url: str) -> None:
    with Ledger(url) as ledger:
        ledger.write([comparison(index, arm) for index in range(10) for arm in ("a", "b")], recorded_at=1)
        assert next(ledger.keys(arm="a", since=NOW + 4)) is not None
        rows = sorted(ledger.keys(arm="a", since=NOW + 4, until=NOW + 6))
    assert rows == [("t4", "a", "r1", 0, 4, NOW + 4, "compared"), ("t5", "a", "r1", 0, 5, NOW + 5, "compared")]


def test_statistics_say_none_where_there_is_no_data(url: str) -> None:
    """An empty ledger has no arms; an arm without replies has no latency, cost, tokens or measures."""
    with Ledger(url) as ledger:
        assert ledger.stats() == {"arms": {}, "outcomes": 0}
        bare = {"production": None, "candidate": None, "measures": {}, "outcome": "shed", "reason": "budget"}
        ledger.write([comparison(0, **bare)], [outcome(0)], recorded_at=1)
        arm = ledger.stats()["arms"]["candidate"]
        assert ledger.stats()["outcomes"] == 1
    assert arm["reasons"] == {"budget": 1}
    assert arm["outcomes"]["compared"] == 0
    assert arm["measures"] == {}
    assert arm["cost_usd"] is None
    assert arm["tokens"] == {"input": None, "output": None}
    assert arm["candidate_latency_s"] == {"p50": None, "p95": None}


def test_statistics_add_up(url: str) -> None:
    failed = ArmFacts(failures=["timeout", "empty"], latency_s=9.5)
    with Ledger(url) as ledger:
        good = [comparison(i, measures={"semantic": Score(value=i / 100), "x'y": Score(value=1)}) for i in range(101)]
        bad = comparison(200, outcome="candidate_failed", reason="timeout", candidate=failed, measures={})
        ledger.write([*good, bad], recorded_at=1)
        arm = ledger.stats()["arms"]["candidate"]
        assert ledger.stats(since=NOW + 200)["arms"]["candidate"]["comparisons"] == 1
        assert "p50" not in ledger.stats(detail=False)["arms"]["candidate"]["measures"]["semantic"]
    assert arm["measures"]["semantic"] == pytest.approx({"mean": 0.5, "n": 101, "p50": 0.5, "p95": 0.95})
    assert arm["measures"]["x'y"]["n"] == 101
    assert (arm["comparisons"], arm["conversations"], arm["revisions"]) == (102, 27, {"r1": 102})
    assert arm["failures"] == {"timeout": 1, "empty": 1}
    assert arm["outcomes"]["compared"] + arm["outcomes"]["candidate_failed"] == 102
    assert arm["cost_usd"] == pytest.approx(1.01)
    assert arm["tokens"] == {"input": 1010, "output": 505}
    assert (arm["first_turn_at"], arm["last_turn_at"]) == (NOW, NOW + 200)
    assert arm["candidate_latency_s"]["p50"] == 0.5


def test_what_looks_like_sql_is_data(url: str) -> None:
    """Ids, revisions and values come back as they were sent."""
    hostile = "'); DROP TABLE comparisons; --"
    with Ledger(url) as ledger:
        ledger.write([comparison(0, arm_revision=hostile)], [outcome(0, value=hostile)], recorded_at=1)
        assert [row.arm_revision for row in keys(ledger)] == [hostile]
        assert ledger.stats()["arms"]["candidate"]["revisions"] == {hostile: 1}


def test_the_payload_stays_as_it_stood_on_the_wire(url: str) -> None:
    """A field that only a newer minor version knows is kept."""
    wire = {**json.loads(comparison(0).to_json()), "schema_version": "1.9", "new_field": "ü"}
    payload = json.dumps(wire).encode()
    with Ledger(url) as ledger:
        ledger.write([comparison(0)], [], recorded_at=1, payloads=([payload], []))
        with ledger.export() as export:
            assert [json.loads(row["payload"]) for row in export.rows] == [wire]
            assert export.measures == ("semantic",)


def test_two_writers_of_the_same_batches_store_each_key_once(url: str) -> None:
    """Also when both open a fresh ledger at once; what one stored the other counts as a duplicate."""
    both = [writer(url, 20, 50) for _ in range(2)]
    stored = [int(process.communicate(timeout=PATIENCE_S)[0].split()[-1]) for process in both]
    assert [process.returncode for process in both] == [0, 0]
    with Ledger(url) as ledger:
        turns = [row.turn_id for row in keys(ledger)]
    assert sum(stored) == len(turns) == len(set(turns)) == 1_000


def test_a_killed_writer_leaves_whole_batches_only(url: str) -> None:
    """kill -9 in mid-stream: what it had acknowledged is there, and no part of a batch."""
    process = writer(url, 10_000, 50)
    assert process.stdout is not None
    acknowledged = [int(process.stdout.readline()) for _ in range(10)][-1]
    os.kill(process.pid, signal.SIGKILL)
    acknowledged = max([acknowledged, *(int(line) for line in process.stdout.read().split("\n")[:-1])])
    process.wait(PATIENCE_S)
    process.stdout.close()
    until_nobody_writes(url)
    with Ledger(url) as ledger:
        count = len(keys(ledger))
        assert ledger.stats()["outcomes"] == count
    assert count >= acknowledged
    assert count % 50 == 0


def test_the_migrations_make_the_schema_that_the_code_uses(url: str) -> None:
    assert ScriptDirectory.from_config(alembic_config()).get_current_head() == REVISION
    Ledger(url).close()
    with Ledger(url) as ledger, ledger._engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE})
        differences = [(what, getattr(item, "name", item)) for what, item, *_ in compare_metadata(context, metadata)]
    sqlite_only = [("add_index", "comparisons_summary")]
    assert differences == ([] if url.startswith("sqlite") else sqlite_only)


def test_a_ledger_of_a_newer_schema_is_refused(url: str) -> None:
    with Ledger(url) as ledger, transaction(ledger._engine, writes=True) as connection:
        connection.execute(text("UPDATE ledger_version SET version_num = '0099'"))
    with pytest.raises(LedgerError, match=r"its schema is '0099', this version knows up to '\d{4}'; upgrade Shadow"):
        Ledger(url)


def test_another_applications_database_is_refused(url: str) -> None:
    with Ledger(url) as ledger, transaction(ledger._engine, writes=True) as connection:
        for table in (VERSION_TABLE, "outcomes", "findings", "promotions"):
            connection.execute(text(f"DROP TABLE {table}"))
    with pytest.raises(LedgerError, match=r"is no ledger \(it has comparisons\)"):
        Ledger(url)


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("nonsense", "is not a url"),
        ("sqlite://", "names no database"),
        ("sqlite:///:memory:", "names no database"),
        ("mysql://host/name", "names no database"),
        ("postgresql://u:secret@127.0.0.1:1/x", "refused"),
    ],
)
def test_a_wrong_url_is_one_line_without_the_password(url: str, message: str) -> None:
    with pytest.raises(LedgerError, match=message) as caught:
        Ledger(url)
    assert "\n" not in str(caught.value)
    assert "secret" not in str(caught.value)


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"no database, " * 1_000)
    with pytest.raises(LedgerError, match="is not a SQLite database"):
        Ledger(f"sqlite:///{tmp_path}/x")
    with pytest.raises(LedgerError, match="no such file"):
        Ledger(f"sqlite:///{tmp_path}/y", create=False)


def test_a_locked_ledger_is_unavailable_and_then_available_again(tmp_path: Path) -> None:
    """Readers are not stopped by the lock, a writer waits busy_timeout_s, and nothing of its batch is stored."""
    with Ledger(f"sqlite:///{tmp_path}/l.db", busy_timeout_s=0.1) as ledger:
        holder = sqlite3.connect(tmp_path / "l.db", isolation_level=None)
        holder.execute("BEGIN IMMEDIATE")
        with pytest.raises(LedgerUnavailableError, match="another process holds its lock"):
            ledger.write([comparison(0)], recorded_at=1)
        assert keys(ledger) == []
        holder.execute("ROLLBACK")
        holder.close()
        ledger.probe()
        assert ledger.write([comparison(0)], recorded_at=1).stored == 1


def test_sqlite_commits_outlive_a_power_loss(tmp_path: Path) -> None:
    with Ledger(f"sqlite:///{tmp_path}/l.db") as ledger, ledger._engine.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 2


def test_the_migrations_are_packages_so_that_a_wheel_has_them() -> None:
    found = {info.name for info in pkgutil.walk_packages(shadow.ledger.__path__, "shadow.ledger.") if info.ispkg}
    assert found == {"shadow.ledger.migrations", "shadow.ledger.migrations.versions"}


def test_findings_and_promotions_are_numbered_and_stay(url: str) -> None:
    """Two writers never take one number; what was written comes back as it was, after the ledger is opened again."""
    with Ledger(url) as ledger, Ledger(url) as other:
        first = ledger.book.open_finding("cand", "team", "critical", said="wrong", person="ann", at=1.5)
        second = other.book.open_finding("cand", "team", "minor", said="odd", person="bob", at=2.5)
        closed = ledger.book.close_finding(first.finding_id, "bob", "mended", 3.5)
        with pytest.raises(LedgerError, match="was closed by 'bob'"):
            other.book.close_finding(first.finding_id, "eve", "again", 4.5)
        promotion = Promotion("cand", "team", "r", "e", "HOLD", None, "the verdict is HOLD", "ann", "must", 5.5)
        made = [each.book.promote(promotion) for each in (ledger, other)]
    assert (first.finding_id, second.finding_id) == (1, 2)
    assert [each.promotion_id for each in made] == [1, 2]
    with Ledger(url) as ledger:
        assert ledger.book.findings() == [closed, second]
        assert ledger.book.promotions() == made
