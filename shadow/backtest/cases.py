"""The conversations that history consists of: each turn with production's reply, and what became of it. Pure.

A turn that production gave no reply to has nothing to be compared with: it is counted, and not asked.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from shadow.backtest.lines import LineError, Said
from shadow.config import Arm
from shadow.events import PRODUCTION, Outcome, Reply, Turn
from shadow.mirror.sampling import choose, position

SALT: Final = "backtest"

Identity = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Asked:
    """A turn, and what production answered."""

    turn: Turn
    production: Reply


@dataclass(frozen=True, slots=True)
class Case:
    """A conversation: its turns in order, and every outcome of them."""

    conversation_id: str
    asked: tuple[Asked, ...]
    outcomes: tuple[Outcome, ...]


def identity(event: Said) -> Identity:
    """What tells this event from every other of a history."""
    if isinstance(event, Turn):
        return ("turn", event.turn_id)
    if isinstance(event, Reply):
        return ("reply", event.turn_id, event.arm)
    return ("outcome", event.outcome_id)


@dataclass(slots=True)
class Known:
    """What was read so far, by identity: a second line must say the same. ``counts`` holds what was found."""

    counts: Counter[str] = field(default_factory=Counter)
    _digests: dict[Identity, bytes] = field(default_factory=dict)
    _outcomes: Counter[str] = field(default_factory=Counter)

    def take(self, events: Sequence[Said]) -> bool:
        """Whether something of a line is new. Raises :class:`LineError` if it contradicts an earlier line."""
        found = {identity(event): hashlib.blake2b(event.to_json(), digest_size=8).digest() for event in events}
        for name, digest in found.items():
            if self._digests.get(name, digest) != digest:
                what = f"{' of '.join(name)} was given by an earlier line with other content"
                raise LineError(f"{name[0]}_id", what, "give each its own id, or leave one line out")
        new = found.keys() - self._digests.keys()
        self._digests.update({name: found[name] for name in new})
        self.counts.update(name[0] for name in new)
        self._outcomes.update(each.turn_id for each in events if isinstance(each, Outcome) and identity(each) in new)
        return bool(new)

    def unanswered(self) -> int:
        """Turns without production's reply."""
        return sum(name[0] == "turn" and ("reply", name[1], PRODUCTION) not in self._digests for name in self._digests)

    def strays(self) -> int:
        """Replies and outcomes of turns that are not there."""
        replies = sum(name[0] == "reply" and ("turn", name[1]) not in self._digests for name in self._digests)
        return replies + sum(n for turn_id, n in self._outcomes.items() if ("turn", turn_id) not in self._digests)


def case(conversation_id: str, events: Iterable[Said], arm: Arm) -> Case | None:
    """The conversation that ``events`` make, as far as ``arm``'s scope takes it; None: nothing of it is asked.

    Of two events with one identity the first counts. Sampling is not obeyed: a backtest has budgets instead.
    """
    first: dict[Identity, Said] = {}
    for event in events:
        if event.conversation_id == conversation_id:
            first.setdefault(identity(event), event)
    whole = arm.model_copy(update={"sampling": arm.sampling.model_copy(update={"rate": 1.0})})
    asked = []
    for event in first.values():
        reply = first.get(("reply", event.turn_id, PRODUCTION))
        if isinstance(event, Turn) and isinstance(reply, Reply) and _in_scope(whole, event):
            asked.append(Asked(event, reply))
    asked.sort(key=lambda each: (each.turn.turn_index, each.turn.occurred_at, each.turn.turn_id))
    turns = {each.turn.turn_id for each in asked}
    later = tuple(event for event in first.values() if isinstance(event, Outcome) and event.turn_id in turns)
    return Case(conversation_id, tuple(asked), later) if asked else None


def drawn(conversation_ids: Iterable[str]) -> Iterator[str]:
    """Their order in a backtest: by a hash, so that any beginning of it is a fair sample of the whole."""
    yield from sorted(conversation_ids, key=lambda name: (position(name, SALT), name))


def _in_scope(arm: Arm, turn: Turn) -> bool:
    return choose(arm, turn.conversation_id, turn.metadata) == "sampled"
