"""What is exported is what was stored."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from shadow.cli import main
from shadow.events import Comparison, Score
from shadow.ledger import Ledger
from shadow.ledger import export as exports
from tests.fixtures.comparisons import comparison
from tests.fixtures.events import NOW


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    with Ledger(f"sqlite:///{tmp_path}/l.db") as opened:
        records = [comparison(index, measures={"semantic": Score(value=index / 10)}) for index in range(7)]
        other = comparison(7, "other", measures={"lexical": Score(value=1.0)}, reason="budget", outcome="shed")
        opened.write([*records, other], recorded_at=NOW + 5)
        return opened


def test_json_lines_hold_the_whole_comparison(ledger: Ledger, tmp_path: Path) -> None:
    assert exports.export(ledger, tmp_path / "out", "jsonl") == 8
    lines = [json.loads(line) for line in (tmp_path / "out").read_text().splitlines()]
    assert {line.pop("recorded_at") for line in lines} == {NOW + 5}
    assert [Comparison.model_validate(line).turn_id for line in lines] == [f"t{index}" for index in range(8)]
    assert lines[3] == json.loads(comparison(3, measures={"semantic": Score(value=0.3)}).to_json())


def test_parquet_has_typed_columns_and_null_for_no_score(
    ledger: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exports, "BATCH", 3)  # several row groups
    assert exports.export(ledger, tmp_path / "out", "parquet") == 8
    table = pq.read_table(tmp_path / "out")
    assert str(table.schema.field("turn_offset").type) == "int64"
    assert str(table.schema.field("turn_arrived_at").type) == "double"
    assert table["measure_semantic"].to_pylist() == [*(index / 10 for index in range(7)), None]
    assert table["measure_lexical"].to_pylist() == [None] * 7 + [1.0]
    assert table["reason"].to_pylist() == [None] * 7 + ["budget"]
    assert table["candidate_cost_usd"].to_pylist() == [0.01] * 8
    assert pq.ParquetFile(tmp_path / "out").num_row_groups == 3


def test_an_empty_selection_is_an_empty_file_with_columns(ledger: Ledger, tmp_path: Path) -> None:
    assert exports.export(ledger, tmp_path / "out", "parquet", arm="nobody") == 0
    assert pq.read_table(tmp_path / "out").num_rows == 0
    assert exports.export(ledger, tmp_path / "out", "jsonl", until=NOW) == 0
    assert (tmp_path / "out").read_bytes() == b""


def test_the_command_reads_the_configured_ledger(ledger: Ledger, tmp_path: Path) -> None:
    assert ledger.stats()["arms"]
    file = tmp_path / "shadow.yaml"
    file.write_text(f"version: 1\nproduction: {{owner: a, model: m}}\nledger: {{url: 'sqlite:///{tmp_path}/l.db'}}\n")
    run = CliRunner().invoke
    found = run(main, ["--config", str(file), "ledger", "stats", "--json", "--since", "2001-01-01"])
    assert json.loads(found.output)["arms"]["candidate"]["comparisons"] == 7
    assert "no data" in run(main, ["--config", str(file), "ledger", "stats"]).output
    out = str(tmp_path / "out")
    assert run(main, ["--config", str(file), "ledger", "export", "--format", "jsonl", "--output", out]).exit_code == 0
    assert run(main, ["--config", str(file), "ledger", "stats", "--until", "soon"]).exit_code == 2
    missing = run(main, ["--config", str(file), "ledger", "stats"], env={"SHADOW_LEDGER_URL": "sqlite:////no/such"})
    assert missing.exit_code == 1
    assert len(missing.output.splitlines()) == 1
