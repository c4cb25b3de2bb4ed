"""The join of one partition: a turn, production's reply and each sampled arm's reply become resolved pairs.

Pure: arrivals and the watermark come in, resolved pairs and released records come out. The log is the state. A record
is released (its offset may be committed) only when its turn and all turns before it in the partition are resolved, so
that a restart reads every unfinished turn again together with all of its replies, and decides the same.
"""

from __future__ import annotations

import zlib
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import takewhile
from types import MappingProxyType
from typing import Any, Final, Literal

from shadow.events import PRODUCTION, Reply, Turn

Result = Literal["accepted", "duplicate", "conflict", "unexpected", "late"]

Coordinates = tuple[str, int]
"""Topic and offset of a record in this partition."""

REMEMBERED_WINDOWS: Final = 2
"""For how many join windows a resolved turn is still recognised, ..."""

DECODED: Final = 600
"""How many of a partition's waiting records are kept as events, the latest; older ones are packed to a tenth."""

REMEMBERED_TURNS: Final = 50_000
"""... and how many of them at most: about 10 MB."""


@dataclass(slots=True)
class Held:
    """A record that waits: as an event at first, later packed: ``event`` is None and ``value`` compressed."""

    value: bytes
    at: Coordinates
    arrived_s: float
    event: Turn | Reply | None
    shed: bool = False
    digest: int = 0
    waits: bool = True

    def pack(self) -> None:
        """Keep the bytes alone, compressed: a tenth of the size."""
        self.digest = hash(self.value)
        self.value = zlib.compress(self.value, 1)
        self.event = None

    def same_as(self, value: bytes) -> bool:
        """Whether a second delivery is the same to the byte (by hash)."""
        return self.hash() == hash(value)

    def hash(self) -> int:
        """Hash of the record's bytes, within this process."""
        return hash(self.value) if self.event is not None else self.digest

    def turn(self) -> Turn:
        """The record as a turn."""
        event = self.event or Turn.__pydantic_validator__.validate_json(zlib.decompress(self.value))
        assert isinstance(event, Turn)  # noqa: S101 (narrows the type: the topic decides it)
        return event

    def reply(self) -> Reply:
        """The record as a reply."""
        event = self.event or Reply.__pydantic_validator__.validate_json(zlib.decompress(self.value))
        assert isinstance(event, Reply)  # noqa: S101 (narrows the type: the topic decides it)
        return event


NOTHING: Final[Mapping[str, Any]] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Resolved:
    """A (turn, arm) whose outcome is decided: by both replies, or by the window's end (``expired``)."""

    partition: int
    turn: Held
    arm: str
    revision: str
    production: Held | None
    reply: Held | None
    expired: bool


@dataclass(slots=True)
class _Waiting:
    """A turn id that is not resolved yet; ``turn`` is None while only replies have come."""

    since_s: float
    turn: Held | None = None
    missing: Mapping[str, str] = field(default_factory=lambda: NOTHING)
    production: Held | None = None
    replies: Mapping[str, Held] = field(default_factory=lambda: NOTHING)
    extra: tuple[Coordinates, ...] = ()

    def coordinates(self) -> list[Coordinates]:
        """Every record that this turn holds back."""
        held = [self.turn, self.production, *self.replies.values()]
        return [*(record.at for record in held if record is not None), *self.extra]

    def let_go(self) -> None:
        """Nothing of it needs to be kept any more."""
        for held in (self.turn, self.production, *self.replies.values()):
            if held is not None:
                held.waits = False


class PartitionJoin:
    """Joins the records of one partition. ``expected(turn)`` gives the arms that must answer, with revisions."""

    def __init__(self, partition: int, *, window_s: float, expected: Callable[[Turn], Mapping[str, str]]) -> None:
        self._partition = partition
        self._window_s = window_s
        self._expected = expected
        self._waiting: dict[str, _Waiting] = {}
        self._order: deque[str] = deque()  # ids of turns, by offset
        self._settled: dict[str, list[Coordinates]] = {}  # resolved turns behind an unresolved one: records held back
        self._known: dict[str, tuple[float, int, int]] = {}  # resolved: arrived, digests of turn, production
        self._fresh: deque[Held] = deque()
        self._turns_read = -1
        self.turns = 0
        """How many turns wait for a reply; they expire by the time up to which replies have been read."""
        self._released: list[Coordinates] = []
        self._unmatched = 0

    def __len__(self) -> int:
        """How many turn ids wait: turns, and replies whose turn has not come."""
        return len(self._waiting)

    def turn(self, turn: Turn, value: bytes, at: Coordinates, arrived_s: float) -> tuple[Result, list[Resolved]]:
        """A turn's record arrived. ``conflict``: its id is taken by a turn with other content."""
        self._turns_read = at[1]
        known = self._known.get(turn.turn_id)
        waiting = self._waiting.get(turn.turn_id)
        if known is not None or (waiting is not None and waiting.turn is not None):
            first = known[1] if known else waiting.turn.hash()  # type: ignore[union-attr]
            self._hold_or_release(turn.turn_id, at)
            return ("duplicate" if first == hash(value) else "conflict"), []
        if waiting is None:
            waiting = self._waiting[turn.turn_id] = _Waiting(since_s=arrived_s)
        waiting.turn = self._keep(Held(value, at, arrived_s, turn))
        waiting.since_s = arrived_s
        waiting.missing = self._expected(turn)
        self._order.append(turn.turn_id)
        self.turns += 1
        return "accepted", self._resolve(turn.turn_id, waiting)

    def reply(self, reply: Reply, value: bytes, at: Coordinates, arrived_s: float) -> tuple[Result, list[Resolved]]:
        """A reply's record arrived: production's or an arm's, before or after its turn."""
        known = self._known.get(reply.turn_id)
        if known is not None:
            self._hold_or_release(reply.turn_id, at)
            if reply.arm == PRODUCTION and known[2] and known[2] != hash(value):
                return "conflict", []
            return "late", []
        if self._is_over(reply):
            self._released.append(at)
            return "late", []
        waiting = self._waiting.get(reply.turn_id)
        if waiting is None:
            waiting = self._waiting[reply.turn_id] = _Waiting(since_s=arrived_s)
        held = waiting.production if reply.arm == PRODUCTION else waiting.replies.get(reply.arm)
        if held is not None:
            waiting.extra += (at,)
            same = reply.arm != PRODUCTION or held.same_as(value)
            return ("duplicate" if same else "conflict"), []
        if waiting.turn is not None and reply.arm != PRODUCTION and reply.arm not in waiting.missing:
            waiting.extra += (at,)
            return "unexpected", []
        record = self._keep(Held(value, at, arrived_s, reply, shed=reply.shed is not None))
        if reply.arm == PRODUCTION:
            waiting.production = record
        else:
            waiting.replies = {**waiting.replies, reply.arm: record}
        return "accepted", self._resolve(reply.turn_id, waiting) if waiting.turn else []

    def advance(self, replies_s: float, turns_s: float) -> list[Resolved]:
        """All replies before ``replies_s`` and all turns before ``turns_s`` have been read.

        Turns whose window ended there are resolved as they stand; replies whose turn has not come are given up.
        """
        resolved: list[Resolved] = []
        latest = max(replies_s, turns_s) - self._window_s
        over = takewhile(lambda item: item[1].since_s <= latest, self._waiting.items())  # about in order of time
        for turn_id, waiting in list(over):
            if waiting.turn is not None and waiting.since_s <= replies_s - self._window_s:
                resolved += self._resolve(turn_id, waiting, expired=True)
            elif waiting.turn is None and waiting.since_s <= turns_s - self._window_s:
                self._unmatched += len(waiting.coordinates())
                self._released.extend(waiting.coordinates())
                del self._waiting[turn_id]
                waiting.let_go()
        self._forget(replies_s - REMEMBERED_WINDOWS * self._window_s)
        return resolved

    def pack(self) -> None:
        """Keep what has waited longest as raw bytes only; what came last is likely to be needed soon."""
        if len(self._fresh) > DECODED:
            self._fresh = deque(held for held in self._fresh if held.waits)
        while len(self._fresh) > DECODED:
            self._fresh.popleft().pack()

    def take_released(self) -> list[Coordinates]:
        """The records released since the last call: they may be committed once what they resolved is stored."""
        released, self._released = self._released, []
        return released

    def take_unmatched(self) -> int:
        """How many replies have been given up since the last call, because their turn has not come."""
        unmatched, self._unmatched = self._unmatched, 0
        return unmatched

    def _is_over(self, reply: Reply) -> bool:
        """Whether an arm's reply names a turn that was read and is not known any more: it was resolved long ago."""
        ref = reply.turn_ref
        return ref is not None and ref.offset <= self._turns_read and reply.turn_id not in self._waiting

    def _keep(self, held: Held) -> Held:
        self._fresh.append(held)
        return held

    def _resolve(self, turn_id: str, waiting: _Waiting, *, expired: bool = False) -> list[Resolved]:
        """The arms of this turn that are decided now; settles the turn when none is missing any more."""
        assert waiting.turn is not None  # noqa: S101 (callers have checked)
        resolved, missing = [], {}
        for arm, revision in waiting.missing.items():
            reply = waiting.replies.get(arm)
            if expired or (reply is not None and (reply.shed or waiting.production is not None)):
                resolved.append(
                    Resolved(self._partition, waiting.turn, arm, revision, waiting.production, reply, expired)
                )
            else:
                missing[arm] = revision
        if resolved:  # else it stays what many turns share
            waiting.missing = missing
        if not waiting.missing:
            self._settle(turn_id, waiting)
        return resolved

    def _settle(self, turn_id: str, waiting: _Waiting) -> None:
        turn, production = waiting.turn, waiting.production
        assert turn is not None  # noqa: S101 (callers have checked)
        del self._waiting[turn_id]
        self.turns -= 1
        self._known[turn_id] = (turn.arrived_s, turn.hash(), production.hash() if production else 0)
        waiting.let_go()
        self._settled[turn_id] = waiting.coordinates()
        while self._order and self._order[0] in self._settled:
            self._released.extend(self._settled.pop(self._order.popleft()))

    def _hold_or_release(self, turn_id: str, at: Coordinates) -> None:
        waiting = self._waiting.get(turn_id)
        if waiting is not None:
            waiting.extra += (at,)
        else:
            self._settled.get(turn_id, self._released).append(at)

    def _forget(self, before_s: float) -> None:
        for turn_id in list(self._known):
            if self._known[turn_id][0] > before_s and len(self._known) <= REMEMBERED_TURNS:
                break
            if turn_id not in self._settled:
                del self._known[turn_id]
