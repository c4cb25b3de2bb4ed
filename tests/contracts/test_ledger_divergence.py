"""Both ledgers say of prefixes and the noise floor what the pure functions say, and an old ledger is brought along."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest
from alembic import command
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import MetaData, Table, event, inspect, text

from shadow.events import OUTCOME_KINDS, Score
from shadow.gate.noise_floor import NO_CONTROL, noise_floor
from shadow.gate.prefix import PREFIXES, prefixes
from shadow.gate.sides import Measured
from shadow.ledger import Ledger, comparison_row
from shadow.ledger import engine as engines
from shadow.ledger.engine import transaction
from shadow.ledger.migrate import alembic_config
from shadow.ledger.prefix import IN_ORDER
from shadow.ledger.prefix import prefixes as of_columns
from shadow.ledger.schema import comparisons
from shadow.thresholds import Threshold
from tests.fixtures.comparisons import comparison
from tests.fixtures.events import NOW
from tests.fixtures.postgres import new_database, postgres

__all__ = ["postgres"]

SCORES = st.dictionaries(
    st.sampled_from(["semantic", "action"]), st.builds(Score, value=st.sampled_from([0.0, 0.2, 1.0]))
)
ROWS = st.lists(
    st.builds(
        comparison,
        st.integers(0, 30),
        st.sampled_from(["control", "a"]),
        conversation_id=st.sampled_from(["c1", "c2"]),
        turn_index=st.integers(0, 4),
        outcome=st.sampled_from(OUTCOME_KINDS),
        measures=SCORES,
        agreed=st.sampled_from([True, False, None]),
        slices=st.sampled_from([[], ["depth=1"], ["depth=1", "tone_shift"]]),
        evaluator_revision=st.sampled_from(["e1", "e2"]),
    ),
    max_size=25,
    unique_by=lambda each: each.key,
)


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    sqlite = request.param == "sqlite"
    return f"sqlite:///{tmp_path}/ledger.db" if sqlite else new_database(request.getfixturevalue("postgres"))


@pytest.fixture
def ledger(url: str):
    with Ledger(url) as opened:
        yield opened


def emptied(ledger: Ledger, rows) -> None:
    with transaction(ledger._engine, writes=True) as connection:
        connection.execute(text("DELETE FROM comparisons"))
    ledger.write(rows, recorded_at=1)


def stated(rows) -> dict:
    """Each row's prefix by the pure function."""
    grouped = defaultdict(list)
    for row in rows:
        grouped[row.conversation_id, row.arm, row.arm_revision].append(row)
    return {
        row.key: prefix
        for group in grouped.values()
        for row, prefix in zip(group, prefixes([(each.turn_index, each.agreed) for each in group]), strict=True)
    }


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=ROWS)
def test_the_ledger_says_of_prefixes_what_the_pure_function_says(ledger, rows):
    emptied(ledger, rows)
    with transaction(ledger._engine, writes=False) as connection:
        stored = [tuple(row) for row in connection.execute(IN_ORDER)]
    whose = np.array([hash(row[:3]) for row in stored], np.int64)
    places = of_columns(
        whose, np.array([row[3] for row in stored], np.int64), np.array([row[4] for row in stored], float)
    )
    found = {row[:4]: PREFIXES[place] for row, place in zip(stored, places, strict=True)}
    expected = stated(rows)
    assert found == {
        (row.conversation_id, row.arm, row.arm_revision, row.turn_index): expected[row.key] for row in rows
    }
    for name, arm in ledger.stats()["arms"].items():
        counted = {prefix: sum(expected[row.key] == prefix for row in rows if row.arm == name) for prefix in PREFIXES}
        assert arm["prefixes"] == counted


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=ROWS)
def test_the_noise_floor_of_a_ledger_is_that_of_its_rows(ledger, rows):
    """Of those that the newest turn's evaluator judged, and whose outcome says something of divergence."""
    emptied(ledger, rows)
    arms = ledger.stats(alpha=0.05)["arms"]
    assert arms.get("control", {}).get("noise_floor") is None
    if "a" not in arms:
        return
    found, expected = arms["a"]["noise_floor"], stated(rows)
    newest = found["evaluator_revision"]
    last = max(row.turn_arrived_at for row in rows if row.arm == "a")
    assert newest in {row.evaluator_revision for row in rows if row.arm == "a" and row.turn_arrived_at == last}
    sides = {"a": [], "control": []}
    for row in rows:
        if row.outcome in ("compared", "candidate_failed") and row.evaluator_revision == newest:
            scores = {name: score.value for name, score in row.measures.items()}
            measured = Measured(
                row.conversation_id,
                row.turn_id,
                scores,
                failed=row.outcome != "compared",
                prefix=expected[row.key],
                slices=row.slices,
            )
            sides[row.arm].append(measured)
    pure = {(floor.measure, floor.slice): floor for floor in noise_floor(sides["a"], sides["control"], alpha=0.05)}
    lines = {(each["measure"], each["slice"]): each for each in found["measures"]}
    assert pure.keys() == lines.keys()
    for key, each in lines.items():
        assert each == {name: getattr(pure[key], name) for name in each}


def test_no_control_means_no_call_and_the_reason(ledger):
    ledger.write([comparison(index, agreed=index % 4 != 0) for index in range(8)], recorded_at=1)
    stats = ledger.stats(thresholds={"semantic": Threshold(agree=0.3, diverge=0.5)})["arms"]["candidate"]
    assert {each["reason"] for each in stats["noise_floor"]["measures"]} == {NO_CONTROL}
    assert stats["agreement"] == {"agreed": 6, "disagreed": 2, "unknown": 0, "share": 0.75}
    assert stats["prefixes"] == {"valid": 2, "unknown": 0, "broken": 6}
    assert (stats["measures"]["semantic"]["alike"], stats["measures"]["semantic"]["apart"]) == (1.0, 0.0)
    assert "noise_floor" not in ledger.stats(noise_floor=False)["arms"]["candidate"]


def test_a_prefix_reaches_back_before_the_time_asked_about(ledger):
    """The conversation began before ``since``, and broke there."""
    ledger.write([comparison(0, agreed=False), comparison(1, agreed=True)], recorded_at=1)
    assert ledger.stats(since=NOW + 1)["arms"]["candidate"]["prefixes"] == {"valid": 0, "unknown": 0, "broken": 1}


def test_only_the_newest_revision_counts_and_the_rest_is_said(ledger):
    old = [comparison(index, arm_revision="r0") for index in range(4)]
    new = [comparison(index, arm) for index in range(4, 6) for arm in ("candidate", "control")]
    ledger.write([*old, *new], recorded_at=1)
    floor = ledger.stats()["arms"]["candidate"]["noise_floor"]
    assert (floor["revision"], floor["control_revision"], floor["left_out"]) == ("r1", "r1", 4)
    [overall] = [each for each in floor["measures"] if each["slice"] == "__all__"]
    assert (overall["turns"], overall["excess"], overall["paired"]) == (1, 0.0, True)
    assert overall["prefixes"] == {"valid": 1, "unknown": 1, "broken": 0}


def test_an_old_ledger_is_upgraded_when_it_is_opened(url):
    """One that the first version wrote, with rows: they stay, are counted, and say nothing of agreement or slices."""
    engine = engines.connect(engines.parse(url), busy_timeout_s=1, create=True)
    with transaction(engine, writes=True) as connection:
        config = alembic_config()
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
        first = [column["name"] for column in inspect(connection).get_columns("comparisons")]
        assert "agreed" not in first
        table = Table("comparisons", MetaData(), *(column._copy() for column in comparisons.c if column.name in first))
        for index in range(6):
            values = comparison_row(comparison(index, "control" if index % 2 else "candidate"), None, 1.0)
            connection.execute(table.insert(), {name: values[name] for name in first})
    engine.dispose()
    with Ledger(url) as ledger:
        assert len(list(ledger.keys())) == 6
        ledger.write([comparison(6, agreed=True, evaluator_revision="e1")], recorded_at=2)
        arm = ledger.stats()["arms"]["candidate"]
        assert (arm["comparisons"], arm["measures"]["semantic"]["n"]) == (4, 4)
        assert arm["agreement"] == {"agreed": 1, "disagreed": 0, "unknown": 3, "share": 1.0}
        assert arm["noise_floor"]["left_out"] == 3


def test_sqlite_reads_all_of_it_from_covering_indexes(tmp_path):
    """Payloads are a hundred times as large, and are never read."""
    with Ledger(f"sqlite:///{tmp_path}/l.db") as ledger:
        ledger.write([comparison(index, arm) for index in range(8) for arm in ("a", "control")], recorded_at=1)
        asked: list[tuple[str, object]] = []
        with transaction(ledger._engine, writes=False) as connection:

            def note(_conn, _cursor, statement, parameters, *_):
                asked.append((statement, parameters))

            event.listen(ledger._engine, "before_cursor_execute", note)
            ledger.stats()
            event.remove(ledger._engine, "before_cursor_execute", note)
            reads = [(sql, given) for sql, given in asked if "FROM comparisons" in sql]
            assert len(reads) >= 6
            for sql, given in reads:
                plan = [row[3] for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {sql}", given)]
                touched = [step for step in plan if " comparisons" in step]
                assert touched, plan
                assert all("COVERING INDEX" in step for step in touched), (sql, plan)
