"""What the arms answered, kept as it comes: a backtest that was killed goes on without asking a turn again.

JSON Lines: a header that names the history, then one reply a line as it stands on the wire. A line that a kill cut off
is taken away. The file is locked while a backtest is at work. It can serve as ``--replies`` of another backtest.
"""

from __future__ import annotations

import fcntl
import json
import os
from pathlib import Path
from typing import Self

from shadow.backtest.lines import BacktestError
from shadow.events import BrokenRecordError, Reply, decode
from shadow.spool import Place

Key = tuple[str, str, str]
"""Turn, arm, revision."""


class Journal:
    """The journal at ``path``, of a backtest over the history with this digest. Raises :class:`BacktestError`."""

    def __init__(self, path: Path, digest: str) -> None:
        self.path = path
        self.spent_usd = 0.0
        self._places: dict[Key, Place] = {}
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        except OSError as error:
            raise BacktestError(f"{path}: cannot be written ({error.strerror}); name another --ledger") from None
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._read(digest)
        except BlockingIOError:
            self.close()
            raise BacktestError(f"{path}: another run of this backtest is at work; wait, or end it") from None
        except BaseException:
            self.close()
            raise

    def find(self, key: Key) -> Reply | None:
        """What was answered, if it was."""
        place = self._places.get(key)
        return None if place is None else _reply(os.pread(self._file, place.length, place.offset))

    def add(self, reply: Reply, value: bytes) -> None:
        """Keep a reply: it outlives this process from here on. ``value`` is its wire form."""
        place = Place(os.lseek(self._file, 0, os.SEEK_END), len(value))
        os.write(self._file, value + b"\n")
        self._know(reply, place)

    def close(self) -> None:
        """Give the file back."""
        os.close(self._file)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _read(self, digest: str) -> None:
        header = json.dumps({"backtest": {"history": digest}}).encode()
        offset = 0
        with os.fdopen(os.dup(self._file), "rb") as lines:
            lines.seek(0)
            for number, line in enumerate(lines, 1):
                if not line.endswith(b"\n"):
                    break
                if number == 1 and line.strip() != header:
                    raise BacktestError(f"{self.path}: belongs to another history; name another --ledger, or remove it")
                if number > 1:
                    self._know(self._parsed(number, line), Place(offset, len(line) - 1))
                offset += len(line)
        os.ftruncate(self._file, offset)
        if not offset:
            os.write(self._file, header + b"\n")

    def _parsed(self, number: int, line: bytes) -> Reply:
        try:
            return _reply(line)
        except (BrokenRecordError, ValueError, KeyError) as error:
            raise BacktestError(f"{self.path}:{number}: {error}; take this line out: its turn is asked again") from None

    def _know(self, reply: Reply, place: Place) -> None:
        key = (reply.turn_id, reply.arm, reply.arm_revision)
        if key not in self._places:
            self._places[key] = place
            self.spent_usd += reply.cost_usd or 0.0


def _reply(line: bytes) -> Reply:
    return decode(Reply, line, str(json.loads(line)["conversation_id"]).encode())
