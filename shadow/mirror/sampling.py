"""Which turns an arm sees: a hash of the conversation against a rate, and a filter on metadata.

Deterministic, so the mirror, the comparator and the audit agree without talking; by conversation, so that whole
conversations are in or out.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Final, Literal

from shadow.config import Arm
from shadow.events import Turn

Choice = Literal["sampled", "sampled_out", "out_of_scope"]

_SPAN: Final = 1 << 64


def position(conversation_id: str, salt: str) -> float:
    """Where a conversation lies in [0, 1): it is sampled at every rate above. Source: BLAKE2b, first 64 bits."""
    digest = hashlib.blake2b(conversation_id.encode(), digest_size=8, key=salt.encode()[:64]).digest()
    return int.from_bytes(digest, "big") / _SPAN


def choose(arm: Arm, conversation_id: str, metadata: Mapping[str, str]) -> Choice:
    """Whether ``arm`` answers this turn."""
    for name, values in arm.scope.items():
        if metadata.get(name) not in values:
            return "out_of_scope"
    rate = arm.sampling.rate
    if rate >= 1 or position(conversation_id, arm.sampling.salt) < rate:
        return "sampled"
    return "sampled_out"


class Sampler:
    """The arms of one configuration, each with its revision computed once."""

    def __init__(self, arms: Iterable[Arm]) -> None:
        self._arms = [(arm, arm.revision) for arm in arms]
        self._sets: dict[tuple[str, ...], Mapping[str, str]] = {}

    def expected(self, turn: Turn) -> Mapping[str, str]:
        """The arms that must answer ``turn``: name to revision. Turns with the same arms share one mapping."""
        chosen = {
            arm.name: revision
            for arm, revision in self._arms
            if choose(arm, turn.conversation_id, turn.metadata) == "sampled"
        }
        return self._sets.setdefault(tuple(chosen), MappingProxyType(chosen))
