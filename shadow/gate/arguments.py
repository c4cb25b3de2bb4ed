"""What the gate's numbers must be. Each check returns its value, or names the field, the value and the remedy."""

from __future__ import annotations

import math

ALPHA_BELOW = 0.5


def checked_margin(value: float, field: str = "margin") -> float:
    """A margin: how much worse the candidate may be, in units of the pair variable; more than 0, less than 1."""
    if not 0 < value < 1:
        raise ValueError(
            f"{field} is {value!r}: it must be more than 0 and less than 1, in units of the pair variable; "
            f"one percentage point is 0.01"
        )
    return value


def checked_alpha(value: float, field: str = "alpha") -> float:
    """An error rate: more than 0, less than a half."""
    if not 0 < value < ALPHA_BELOW:
        raise ValueError(f"{field} is {value!r}: it must be more than 0 and less than 0.5; 0.05 is usual, 0.01 strict")
    return value


def checked_budget(value: float, field: str = "budget") -> float:
    """The rate of conversations with an event that is still allowed: more than 0, less than a half."""
    if not 0 < value < ALPHA_BELOW:
        raise ValueError(
            f"{field} is {value!r}: it must be more than 0 and less than 0.5; no event at all cannot be certified, "
            f"one in a thousand is 0.001"
        )
    return value


def checked_variance(value: float, field: str = "variance") -> float:
    """A variance that bets can be planned from: positive and finite."""
    if not 0 < value < math.inf:
        raise ValueError(f"{field} is {value!r}: it must be positive and finite; without one, use the default grid")
    return value


def checked_pair(value: float, field: str = "x") -> float:
    """A conversation's pair value: finite, in -1..1."""
    if not -1 <= value <= 1:
        raise ValueError(f"{field} is {value!r}: it must lie in -1..1; clip or scale the metric before it is compared")
    return value


def checked_times(value: int, field: str = "times") -> int:
    """How many conversations alike: a whole number, 0 or more."""
    if value < 0 or value != int(value):
        raise ValueError(f"{field} is {value!r}: it must be a whole number of conversations, 0 or more")
    return value


def checked_duration(value: float, field: str) -> float:
    """A latency in seconds: 0 or more; endless is allowed, not-a-number is not, as it is over no limit."""
    if not value >= 0:
        raise ValueError(f"{field} is {value!r}: a latency is 0 seconds or more; None says that no reply came")
    return value


def checked_positive(value: float, field: str) -> float:
    """A duration, cost, length or number of conversations: positive and finite."""
    if not 0 < value < math.inf:
        raise ValueError(f"{field} is {value!r}: it must be positive and finite")
    return value
