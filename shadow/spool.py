"""Lines of files that may be packed, and a temporary file that gives each of them back by its place."""

from __future__ import annotations

import gzip
import os
import tempfile
import weakref
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple


class Place(NamedTuple):
    """Where a line lies: bytes from the beginning, and its length."""

    offset: int
    length: int


class Spool:
    """Lines out of memory's way, in an unnamed temporary file that is gone with the process."""

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile(prefix="shadow-")  # noqa: SIM115 (it lives as long as this object)
        weakref.finalize(self, self._file.close)
        self._end = self._flushed = 0

    def add(self, line: bytes) -> Place:
        """Keep a line."""
        place = Place(self._end, len(line))
        self._file.write(line)
        self._end += len(line)
        return place

    def get(self, place: Place) -> bytes:
        """A line that was kept; several threads may ask at once, while nobody adds."""
        if self._flushed < self._end:
            self._file.flush()
            self._flushed = self._end
        return os.pread(self._file.fileno(), place.length, place.offset)


def lines(file: str) -> Iterator[bytes]:
    """The lines of a file, unpacked if it ends in ``.gz``. Raises :class:`OSError`, also for a broken archive."""
    with Path(file).open("rb") as raw:
        try:
            yield from gzip.GzipFile(fileobj=raw) if file.endswith(".gz") else raw
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise OSError(f"{file}: broken gzip archive ({error})") from None
