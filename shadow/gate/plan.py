"""Before the candidate starts: which bets, how many conversations, and what no method could undercut.

``values`` are closed conversations' pair values from the control arm or from history, never the candidate's own counted
ones: bets chosen after looking at what they are settled on prove nothing.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import Final

from shadow.gate.arguments import checked_alpha, checked_margin, checked_pair, checked_positive
from shadow.gate.betting import Bets, Side, focused4, spread5
from shadow.gate.robbins import maximise

LEAST_VALUES: Final = 100
"""Fewer conversations say too little of the variance: the default grid is used."""


def plan_bets(margin: float, values: Sequence[float]) -> Bets:
    """Bets around the best one for these values; the default grid where they are few or all alike."""
    spread = variance(values) if len(values) >= LEAST_VALUES else None
    return focused4(margin, spread) if spread else spread5(margin)


def variance(values: Sequence[float]) -> float | None:
    """Variance of pair values around their mean; None without any."""
    if not values:
        return None
    mean = math.fsum(map(checked_pair, values)) / len(values)
    return math.fsum((value - mean) ** 2 for value in values) / len(values)


def conversations_needed(bets: Bets, values: Sequence[float], *, alpha: float, side: Side) -> float | None:
    """About how many conversations like ``values`` bring the evidence to 1/alpha; None: they do not.

    The best single lambda's growth must make up for its weight too: ln(1/(alpha * weight)) over growth.
    """
    goal = -math.log(checked_alpha(alpha))
    stakes = bets.promote if side == "promote" else bets.reject
    counted = Counter(map(checked_pair, values))
    rates = [_growth(stake, counted, bets.margin, side) for stake in stakes]
    needed = [(goal - math.log(weight)) / rate for rate, weight in zip(rates, bets.weights, strict=True) if rate > 0]
    return min(needed, default=None)


def remaining(log_e: float, needed: float, *, alpha: float) -> float:
    """Conversations still to go, if the evidence goes on growing as planned."""
    goal = -math.log(checked_alpha(alpha))
    checked_positive(needed, "needed")
    if math.isnan(log_e):
        raise ValueError(f"log_e is {log_e!r}: it must be a number")
    return max(goal - log_e, 0.0) * needed / goal


def physical_limit(values: Sequence[float], margin: float, *, alpha: float) -> float | None:
    """The expected number of conversations that no rule of level ``alpha`` can undercut; None: never shown.

    ln(1/alpha) over KL_inf, where KL_inf is the growth under the best fixed lambda for these values: the distance to
    the nearest distribution whose mean is the margin (data processing and Wald's identity).
    """
    distance = kl_inf(values, margin)
    return -math.log(checked_alpha(alpha)) / distance if distance > 0 else None


def kl_inf(values: Sequence[float], margin: float) -> float:
    """Largest mean of ln(1 + lambda * (margin - x)) over all lambdas that cannot ruin; 0 if the mean is no less."""
    checked_margin(margin)
    counted = Counter(map(checked_pair, values))
    if not counted or math.fsum(value * count for value, count in counted.items()) >= margin * counted.total():
        return 0.0
    edge = (1 - 1e-9) / (1 - margin)
    best = maximise(lambda stake: _growth(stake, counted, margin, "promote"), 0.0, edge)
    return max(_growth(best, counted, margin, "promote"), 0.0)


def _growth(stake: float, counted: Counter[float], margin: float, side: Side) -> float:
    """Mean log factor per conversation."""
    sign = 1 if side == "promote" else -1
    terms = (count * math.log1p(sign * stake * (margin - value)) for value, count in counted.items())
    return math.fsum(terms) / counted.total() if counted else 0.0
