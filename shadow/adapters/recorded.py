"""An arm that says again what it said before: a target for ``adapter: {type: callable}``, live and in a backtest.

``{type: callable, target: "shadow.adapters.recorded:reply", settings: {file: replies.jsonl, arm: cand}}``: the file has
one reply a line, as it stands on the wire (docs/data-format.md), also packed (``.gz``). Of two replies to a turn the
first counts, and lines that are no reply of the arm are passed over. Latency and tokens are those that were recorded.
"""

from __future__ import annotations

from functools import lru_cache

import orjson

from shadow.adapters.base import AdapterError, Answer, ProviderError
from shadow.events import BrokenRecordError, GenAI, Reply, Turn, decode
from shadow.spool import Place, Spool, lines

TARGET = "shadow.adapters.recorded:reply"


class Recorded:
    """The replies of ``arm`` in ``file``, by turn. Raises :class:`OSError`."""

    def __init__(self, file: str, arm: str) -> None:
        self._spool = Spool()
        self._places: dict[str, Place] = {}
        for line in lines(file):
            found = _reply(line, arm)
            if found is not None and found.turn_id not in self._places:
                self._places[found.turn_id] = self._spool.add(line)
        self._arm = arm

    def __len__(self) -> int:
        """How many turns it has a reply to."""
        return len(self._places)

    def find(self, turn_id: str) -> Reply | None:
        """The reply to that turn; None: there is none, or the arm was not asked then (shed)."""
        place = self._places.get(turn_id)
        return None if place is None else _reply(self._spool.get(place), self._arm)


async def reply(turn: Turn, *, file: str, arm: str, sha256: str = "") -> Answer:
    """What ``arm`` answered to this turn. Raises :class:`AdapterError`, as recorded or where nothing is.

    ``sha256`` is not compared: it makes the arm's revision say which file it was.
    """
    found = recorded(file, arm, sha256).find(turn.turn_id)
    if found is None:
        raise ProviderError(f"{file} holds no reply of {arm!r} to turn {turn.turn_id!r}", retryable=False)
    if found.message is None:
        kind, detail = (found.failure.kind, found.failure.detail) if found.failure else ("empty", "")
        raise AdapterError(kind, detail, retryable=False)
    gen_ai = found.gen_ai or GenAI()
    reasons = gen_ai.finish_reasons
    return Answer(
        found.message,
        reasons[0] if reasons else None,
        found.time_to_first_token_s,
        gen_ai,
        latency_s=found.latency_s,
    )


@lru_cache(maxsize=8)
def recorded(file: str, arm: str, sha256: str = "") -> Recorded:  # noqa: ARG001 (another content is another key)
    """The file's replies, read once."""
    return Recorded(file, arm)


reply.prepare = recorded  # type: ignore[attr-defined]


def _reply(line: bytes, arm: str) -> Reply | None:
    try:
        row = orjson.loads(line)
        if not isinstance(row, dict) or row.get("type") != "reply" or row.get("arm") != arm:
            return None
        found = decode(Reply, line, str(row.get("conversation_id")).encode())
    except (orjson.JSONDecodeError, BrokenRecordError):
        return None
    return None if found.shed is not None else found
