"""Writes the ledger's comparisons to a file, in batches: JSON Lines (all that was on the wire) or Parquet (columns)."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import IO, Any, Final

import pyarrow as pa
import pyarrow.parquet as pq
from sqlalchemy import BigInteger, Double

from shadow.ledger.store import EXPORTED, Export, Ledger

BATCH: Final = 5_000
"""Rows of one Parquet row group: what is in memory at once."""

_SCORED: Final = ("measures", "scores", "payload")


def jsonl(export: Export, file: IO[bytes]) -> int:
    """One line per comparison: its payload plus ``recorded_at``. Returns how many."""
    count = 0
    for row in export.rows:
        record = json.loads(row["payload"])
        record["recorded_at"] = row["recorded_at"]
        file.write(json.dumps(record, ensure_ascii=False, separators=(",", ":")).encode() + b"\n")
        count += 1
    return count


def parquet(export: Export, file: IO[bytes]) -> int:
    """One row per comparison: the ledger's typed columns, then ``measure_<name>`` for each measure, null if none."""
    schema = _schema(export.measures)
    count = 0
    with pq.ParquetWriter(file, schema, compression="zstd") as writer:
        while rows := [_flat(row) for row in islice(export.rows, BATCH)]:
            writer.write_table(pa.Table.from_pylist(rows, schema=schema))
            count += len(rows)
    return count


FORMATS: Final[dict[str, Callable[[Export, IO[bytes]], int]]] = {"jsonl": jsonl, "parquet": parquet}


def export(
    ledger: Ledger,
    path: Path,
    form: str,
    *,
    arm: str | None = None,
    since: float | None = None,
    until: float | None = None,
) -> int:
    """Write ``path`` in the format ``form``; returns the number of comparisons.

    The file appears under its name only when it is whole. Raises :class:`OSError` and
    :class:`~shadow.ledger.LedgerError`.
    """
    part = path.with_name(f"{path.name}.part")
    try:
        with ledger.export(arm, since, until) as found, part.open("wb") as file:
            count = FORMATS[form](found, file)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
    return count


def _schema(measures: tuple[str, ...]) -> pa.Schema:
    fields = [pa.field(column.name, _type(column.type)) for column in EXPORTED if column.name not in _SCORED]
    return pa.schema([*fields, *(pa.field(f"measure_{name}", pa.float64()) for name in measures)])


def _type(sql: Any) -> pa.DataType:
    if isinstance(sql, BigInteger):
        return pa.int64()
    return pa.float64() if isinstance(sql, Double) else pa.string()


def _flat(row: dict[str, Any]) -> dict[str, Any]:
    return {**row, **dict(_measures(row))}


def _measures(row: dict[str, Any]) -> Iterator[tuple[str, float]]:
    names, scores = json.loads(row["measures"] or "[]"), json.loads(row["scores"] or "[]")
    return ((f"measure_{name}", score) for name, score in zip(names, scores, strict=True))
