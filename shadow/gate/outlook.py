"""How many conversations more: of a cell that is not shown yet, and before the candidate has begun.

For people, not for the decision: it supposes that things go on as they went.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Final

from shadow.gate import budget
from shadow.gate.betting import SCALE
from shadow.gate.budget import EventCounts
from shadow.gate.evidence import PER_TURN, Absolute, Evidence, Paired
from shadow.gate.turn_weighted import LEAST_CONVERSATIONS, LEAST_DISCORDANT

FAR: Final = 100_000_000
"""More conversations than this is never."""


def still_needed(evidence: Evidence, *, alpha: float) -> int | None:
    """Conversations with a value for the cell that are still to come; 0: it is shown; None: not at this rate."""
    goal = -math.log(alpha)
    if isinstance(evidence, Absolute):
        return _budget(evidence.counts, evidence.cell.margin, goal)
    found = list(_legs(evidence, goal))
    known = [each for each in found if each is not None]
    return math.ceil(max(known)) if len(known) == len(found) else None


def quiet_needed(p0: float, *, alpha: float) -> int:
    """Conversations without an event that certify the budget ``p0``."""
    return _budget(EventCounts(), p0, -math.log(alpha)) or 0


def _legs(evidence: Paired, goal: float) -> Iterator[float | None]:
    n, wealth = evidence.conversations, evidence.wealth
    if wealth.log_e("promote") >= goal:
        yield 0.0
    elif not n:
        yield None
    else:
        grown = [(each / SCALE, weight) for each, weight in zip(wealth.promote, wealth.bets.weights, strict=True)]
        yield min(
            (max(goal - math.log(weight) - each, 0.0) * n / each for each, weight in grown if each > 0), default=None
        )
    if evidence.sums is not None:
        yield _per_turn(evidence, goal)


def _per_turn(evidence: Paired, goal: float) -> float | None:
    n, discordant, log_e = evidence.conversations, evidence.discordant or 0, evidence.legs()[PER_TURN]
    if log_e is None:
        if not discordant:
            return float(LEAST_CONVERSATIONS - n) if n < LEAST_CONVERSATIONS else None
        return max(LEAST_CONVERSATIONS - n, (LEAST_DISCORDANT - discordant) * n / discordant, 0.0)
    if log_e >= goal:
        return 0.0
    return (goal - log_e) * n / log_e if log_e > 0 else None


def _budget(counts: EventCounts, p0: float, goal: float) -> int | None:
    """At the rate of events so far."""
    rate = counts.events / counts.conversations if counts.conversations else 0.0

    def shown(more: int) -> bool:
        later = EventCounts(counts.conversations + more, counts.events + math.floor(rate * more))
        return budget.log_e(later, p0, "promote") >= goal

    most = 1
    while not shown(most):
        most *= 2
        if most > FAR:
            return None
    least = -1
    while most - least > 1:
        middle = (least + most) // 2
        least, most = (least, middle) if shown(middle) else (middle, most)
    return most
