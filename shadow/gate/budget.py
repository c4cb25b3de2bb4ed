"""An absolute budget for what must not happen (a leak, an unsafe action): at most so many conversations with an event.

No pairs: production's own events excuse nothing. With n conversations and k of them with an event, the evidence that
the rate is under the budget p0 is a mean of bets that lose ``theta`` on an event and win ``theta * p0 / (1 - p0)``
otherwise; the evidence that it is over p0 is a mean of likelihood ratios for 2, 5, 20 and 100 times p0. Both are exact,
depend on (n, k) alone, and may be looked at after every conversation.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

from shadow.gate.arguments import checked_alpha, checked_budget
from shadow.gate.betting import Side

STAKES: Final = (0.25, 0.5, 0.75, 0.95)
TIMES_WORSE: Final = (2, 5, 20, 100)


@dataclass(frozen=True, slots=True)
class EventCounts:
    """Closed conversations, and those in which the candidate did it at least once."""

    conversations: int = 0
    events: int = 0

    def __post_init__(self) -> None:
        """Refuse more events than conversations."""
        if not 0 <= self.events <= self.conversations:
            raise ValueError(
                f"events is {self.events!r} of {self.conversations!r} conversations: count each conversation once"
            )

    def add(self, *, event: bool) -> EventCounts:
        """One more closed conversation."""
        return EventCounts(self.conversations + 1, self.events + event)

    def merge(self, other: EventCounts) -> EventCounts:
        """Both together: of disjoint sets of conversations."""
        return EventCounts(self.conversations + other.conversations, self.events + other.events)

    def mean(self) -> float | None:
        """Rate of conversations with an event; None without conversations."""
        return self.events / self.conversations if self.conversations else None


def log_e(counts: EventCounts, budget: float, side: Side) -> float:
    """Evidence that the rate is under the budget (``promote``) or over it (``reject``)."""
    checked_budget(budget)
    return _log_e(counts, budget, side)


def rate_interval(counts: EventCounts, *, alpha: float) -> tuple[float, float]:
    """Rates that are neither certified as too high nor as too low: each side at ``alpha``, at any time."""
    goal = -math.log(checked_alpha(alpha))
    upper = _crossing(lambda rate: _log_e(counts, rate, "promote") >= goal)
    lower = _crossing(lambda rate: _log_e(counts, rate, "reject") < goal) if counts.events else 0.0
    return lower, upper


def _log_e(counts: EventCounts, rate: float, side: Side) -> float:
    quiet = counts.conversations - counts.events
    if side == "promote":
        odds = rate / (1 - rate)
        terms = [counts.events * math.log1p(-stake) + quiet * math.log1p(stake * odds) for stake in STAKES]
        return _log_mean(terms, len(STAKES))
    possible = [times for times in TIMES_WORSE if times * rate < 1]
    terms = [
        counts.events * math.log(times) + quiet * (math.log1p(-times * rate) - math.log1p(-rate)) for times in possible
    ]
    return _log_mean(terms, len(TIMES_WORSE))


def _log_mean(logs: Iterable[float], count: int) -> float:
    """Logarithm of the sum over ``count``; what is not in ``logs`` counts as zero, which can only cost power."""
    terms = list(logs)
    most = max(terms, default=-math.inf)
    if most == -math.inf:
        return -math.inf
    return most + math.log(math.fsum(math.exp(term - most) for term in terms) / count)


def _crossing(true_above: Callable[[float], bool]) -> float:
    """The rate from which on the condition holds; 1.0 if it never does."""
    low, high = 0.0, 1.0
    for _ in range(50):  # more, and the middle would be 1 itself
        middle = (low + high) / 2
        low, high = (low, middle) if true_above(middle) else (middle, high)
    return high
