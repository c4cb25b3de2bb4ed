"""Rows as text: columns of some thousand rows to a line, which packs to a few bytes a value and reads back exactly."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

import orjson

from shadow.promotion.bundle import BundleError

ROWS_A_LINE: Final = 10_000


def dump(fields: Sequence[str], rows: Sequence[tuple[Any, ...]]) -> bytes:
    """The first line names the fields; each other line holds one list per field."""
    starts = range(0, len(rows), ROWS_A_LINE)
    lines = [orjson.dumps(list(zip(*rows[start : start + ROWS_A_LINE], strict=True))) for start in starts]
    return b"\n".join([orjson.dumps(fields), *lines, b""])


def load(name: str, fields: Sequence[str], data: bytes) -> Iterator[tuple[Any, ...]]:
    """The rows of member ``name``. Raises :class:`~shadow.promotion.bundle.BundleError` if it holds other fields."""
    head, *lines = data.splitlines()
    try:
        if tuple(orjson.loads(head)) != tuple(fields):
            raise BundleError([f"{name}: has other fields than this version reads; use the one that seal.json names"])
        for line in lines:
            yield from _rows(orjson.loads(line), len(fields))
    except ValueError as error:
        raise BundleError([f"{name}: cannot be read: {error}"], (name,)) from None


def _rows(columns: list[list[Any]], count: int) -> Iterable[tuple[Any, ...]]:
    if len(columns) != count:
        raise ValueError(f"{len(columns)} columns, {count} are needed")
    return list(zip(*columns, strict=True))
