"""What a closed conversation says: the unit of inference, because the turns of one conversation resemble each other.

Closed by the clock, never by what the candidate did. A turn that the candidate did not answer in time counts as its
failure: left out, a candidate that times out on hard turns would be measured on the easy ones.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from shadow.gate.arguments import checked_pair


@dataclass(frozen=True, slots=True)
class TurnPair:
    """One turn: whether each side failed. None: that side's reply never came, which counts as a failure."""

    production_failed: bool | None
    candidate_failed: bool | None


@dataclass(frozen=True, slots=True)
class Closed:
    """A closed conversation: mean harm per turn in -1..1, number of turns, sum of harm, whether the sides differ."""

    x: float
    turns: int
    harm: int
    discordant: bool


def close(pairs: Iterable[TurnPair]) -> Closed | None:
    """The conversation made of these turns, in any order; None without turns."""
    turns = harm = 0
    for pair in pairs:
        turns += 1
        harm += failed(pair.candidate_failed) - failed(pair.production_failed)
    return Closed(harm / turns, turns, harm, discordant=harm != 0) if turns else None


def close_values(values: Iterable[float | None]) -> float | None:
    """Mean of the turns' values, each in -1..1; None: the turn has none. None without any value: no data is not zero.

    The sum is exactly rounded, so the order of turns does not change a bit.
    """
    have = [checked_pair(value, "a turn's value") for value in values if value is not None]
    return math.fsum(have) / len(have) if have else None


def close_events(events: Iterable[bool | None]) -> bool | None:
    """Whether the candidate did it in any turn; None in a turn: it was not examined, which counts as the event.

    None without turns. A reply that is known to be empty was examined: it can have leaked nothing.
    """
    seen = [failed(event) for event in events]
    return any(seen) if seen else None


def failed(value: bool | None) -> bool:  # noqa: FBT001 (the value itself, not a switch)
    """Whether it failed, or is missing."""
    return value is None or value
