"""Plays recorded conversations through the Tap, at their own pace or another, and counts what it could not read."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

from shadow.simulate.draw import log_normal
from shadow.simulate.replay import MalformedError, Step, steps
from shadow.spool import lines
from shadow.tap import Tap

Pace = Literal["real", "none"] | float
"""``real``: by timestamps; ``none``: as fast as the Tap takes it; a number: turns per second."""

OPEN_CONVERSATIONS: Final = 64
MAX_QUEUED: Final = 2_000
MAX_QUEUED_BYTES: Final = 16_000_000
STALL_S: Final = 30.0
FLUSH_S: Final = 30.0
START_EVERY_S: Final = 5.0  # real pace, without timestamps: a conversation starts this often
THINK_S: Final = 20.0  # median time until the customer writes again
ANSWER_S: Final = 1.2  # median latency of production
SIGMA: Final = 0.5
NO_REPLY: Final = ("provider_error", "the recording holds no reply")


class StalledError(RuntimeError):
    """The broker took nothing for :data:`STALL_S` while records waited."""


@dataclass(slots=True)
class Played:
    """What a replay did. ``missing``: turns without a recorded reply, ``problems``: one line per malformed line."""

    conversations: int = 0
    turns: int = 0
    replies: int = 0
    missing: int = 0
    malformed: int = 0
    problems: list[str] = field(default_factory=list)
    dropped: dict[str, int] = field(default_factory=dict)
    flushed: bool = True
    seconds: float = 0.0

    @property
    def good(self) -> bool:
        """Whether every line was read and every record reached the broker."""
        return self.flushed and not self.malformed and not self.dropped


class Player:
    """One replay; ``on_problem`` hears of each malformed line as it is met.

    ``missing`` says what becomes of a turn without a recorded reply: ``none``, or ``fail``: production's failure.
    """

    def __init__(
        self,
        tap: Tap,
        *,
        pace: Pace = "none",
        speedup: float = 1.0,
        missing: Literal["none", "fail"] = "none",
        on_problem: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._tap, self._pace, self._speedup, self._missing = tap, pace, speedup, missing
        self._on_problem = on_problem
        self.played = Played()

    def play(self, files: Sequence[str], *, limit: int | None = None, run_id: str | None = None) -> Played:
        """Play the first ``limit`` conversations of ``files`` and flush.

        Raises :class:`OSError` of a file that cannot be read, and :class:`StalledError`.
        """
        started = time.monotonic()
        conversations = self._read(files, limit, run_id)
        if self._pace == "real":
            self._play_timed(conversations)
        else:
            self._play_on(conversations)
        self.played.flushed = self._tap.flush(FLUSH_S)
        self.played.dropped = {reason: n for reason, n in self._tap.stats().dropped.items() if n}
        self.played.seconds = time.monotonic() - started
        return self.played

    def _read(self, files: Sequence[str], limit: int | None, run_id: str | None) -> Iterator[list[Step]]:
        for file in files:
            for number, line in enumerate(lines(file), 1):
                if limit is not None and self.played.conversations >= limit:
                    return
                if not line.strip():
                    continue
                try:
                    found = steps(line, run_id=run_id)
                except MalformedError as error:
                    self.played.malformed += 1
                    self.played.problems.append(f"{file}:{number}: {error}")
                    self._on_problem(self.played.problems[-1])
                    continue
                self.played.conversations += 1
                yield found

    def _play_on(self, conversations: Iterable[list[Step]]) -> None:
        """Turn by turn, many conversations side by side; each reply right behind its turn."""
        started = time.monotonic()
        for number, step in enumerate(_side_by_side(conversations)):
            if isinstance(self._pace, float):
                _sleep_until(started + number / self._pace)
            else:
                self._wait_for_room()
            self._turn(step)
            self._reply(step)

    def _play_timed(self, conversations: Iterable[list[Step]]) -> None:
        """Each turn and each reply at its own time, as recorded (else drawn), divided by the speed-up."""
        events = schedule(conversations)
        started = time.monotonic()
        for at_s, kind, step in events:
            _sleep_until(started + at_s / self._speedup)
            if kind == "turn":
                self._turn(step)
            else:
                self._reply(step)

    def _turn(self, step: Step) -> None:
        self.played.turns += 1
        self._tap.turn(
            conversation_id=step.conversation_id,
            turn_id=step.turn_id,
            turn_index=step.turn_index,
            messages=step.messages,
            tools=step.tools,
            metadata=step.metadata,
        )

    def _reply(self, step: Step) -> None:
        message, failure = step.reply, None
        if message is not None:
            self.played.replies += 1
        else:
            self.played.missing += 1
            if self._missing == "none":
                return
            failure = NO_REPLY
        self._tap.reply(
            conversation_id=step.conversation_id,
            turn_id=step.turn_id,
            message=message,
            failure=failure,
            latency_s=latency_s(step) if message is not None else None,
        )

    def _wait_for_room(self) -> None:
        """Until the Tap's queue is short. Raises :class:`StalledError` if the broker takes nothing for long."""
        stats = self._tap.stats()
        sent, since = stats.sent, time.monotonic()
        while stats.queued > MAX_QUEUED or stats.queued_bytes > MAX_QUEUED_BYTES:
            time.sleep(0.002)
            stats = self._tap.stats()
            if stats.sent != sent:
                sent, since = stats.sent, time.monotonic()
            elif time.monotonic() - since > STALL_S:
                raise StalledError(f"the broker took nothing for {STALL_S:g} s with {stats.queued} records waiting")


def latency_s(step: Step) -> float:
    """Production's latency: as recorded, else drawn by the turn's id."""
    if step.asked_at is not None and step.replied_at is not None:
        return max(0.0, step.replied_at - step.asked_at)
    return log_normal(ANSWER_S, SIGMA, "latency", step.turn_id)


def schedule(conversations: Iterable[list[Step]]) -> list[tuple[float, Literal["turn", "reply"], Step]]:
    """When each turn and reply happens, in seconds from the first, in order; within a conversation never backwards.

    Conversations without timestamps start one every :data:`START_EVERY_S`, and their customers' pauses are drawn.
    """
    events: list[tuple[float, int, Literal["turn", "reply"], Step]] = []
    known = list(conversations)
    times = [step.asked_at for conversation in known for step in conversation if step.asked_at is not None]
    first = min(times, default=0.0)
    for number, conversation in enumerate(known):
        clock = number * START_EVERY_S if not conversation or conversation[0].asked_at is None else 0.0
        for step in conversation:
            if step.asked_at is not None:
                clock = max(clock, step.asked_at - first)
            elif step.turn_index:
                clock += log_normal(THINK_S, SIGMA, "think", step.turn_id)
            events.append((clock, len(events), "turn", step))
            clock += latency_s(step)
            events.append((clock, len(events), "reply", step))
    return [(at_s, kind, step) for at_s, _, kind, step in sorted(events, key=lambda event: event[:2])]


def _side_by_side(conversations: Iterable[list[Step]]) -> Iterator[Step]:
    """One turn of each of :data:`OPEN_CONVERSATIONS` in rotation, each conversation's own in order."""
    source = iter(conversations)
    open_ones: deque[deque[Step]] = deque()
    while True:
        while len(open_ones) < OPEN_CONVERSATIONS and (found := next(source, None)) is not None:
            open_ones.append(deque(found))
        if not open_ones:
            return
        conversation = open_ones.popleft()
        if conversation:
            yield conversation.popleft()
            open_ones.append(conversation)


def _sleep_until(at: float) -> None:
    if (wait_s := at - time.monotonic()) > 0:
        time.sleep(wait_s)
