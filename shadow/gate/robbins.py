"""Robbins' normal mixtures: boundaries that the sum of n centred, standardised terms crosses with small chance, ever.

Asymptotic: they hold for means of many independent conversations, so the callers demand enough of these first.
``rho`` is a mixture's precision: the boundary is tightest near the number of conversations that it is tuned for.

Sources: Howard, Ramdas, McAuliffe, Sekhon 2021 (arXiv 1810.08240); Waudby-Smith et al. 2024 (arXiv 2103.06476).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final

from shadow.gate.arguments import checked_alpha, checked_positive

FAR_TAIL: Final = -30.0
"""Below it the normal distribution function is computed by its series: it would soon be zero otherwise."""

GOLDEN: Final = (math.sqrt(5) - 1) / 2


def log_normal_cdf(z: float) -> float:
    """Logarithm of the standard normal distribution function."""
    if z > FAR_TAIL:
        return math.log(0.5 * math.erfc(-z / math.sqrt(2)))
    inverse = 1 / (z * z)
    return -z * z / 2 - math.log(-z) - math.log(2 * math.pi) / 2 + math.log1p(-inverse + 3 * inverse * inverse)


def log_e_half_normal(total: float, n: float, rho: float) -> float:
    """Evidence that the terms' mean is positive: ``total`` is their sum over their standard deviation."""
    width = n + rho
    log_ratio = math.log(2) + 0.5 * math.log(rho / width)
    return log_ratio + total * total / (2 * width) + log_normal_cdf(total / math.sqrt(width))


def one_sided_boundary(n: float, alpha: float, rho: float) -> float:
    """The standardised sum at which :func:`log_e_half_normal` reaches ln(1/alpha)."""
    goal = -math.log(checked_alpha(alpha))
    low, high = 0.0, math.sqrt(2 * (n + rho) * (goal + 0.5 * math.log((n + rho) / rho)))
    for _ in range(80):
        middle = (low + high) / 2
        low, high = (low, middle) if log_e_half_normal(middle, n, rho) > goal else (middle, high)
    return (low + high) / 2


def two_sided_boundary(n: float, alpha: float, rho: float) -> float:
    """What the absolute standardised sum crosses, ever, with chance alpha at most."""
    width = n + rho
    return math.sqrt(width * math.log(width / (rho * checked_alpha(alpha) ** 2)))


def tightest_rho(boundary: Callable[[float, float, float], float], conversations: float, alpha: float) -> float:
    """The precision that makes ``boundary`` lowest at so many conversations."""
    centre = math.log(checked_positive(conversations, "conversations"))
    best = maximise(lambda log_rho: -boundary(conversations, alpha, math.exp(log_rho)), centre - 15, centre + 15)
    return math.exp(best)


def maximise(function: Callable[[float], float], low: float, high: float) -> float:
    """Where a function with one maximum in ``low..high`` has it: golden section."""
    left, right = high - GOLDEN * (high - low), low + GOLDEN * (high - low)
    at_left, at_right = function(left), function(right)
    for _ in range(60):
        if at_left < at_right:
            low, left, at_left = left, right, at_right
            right = low + GOLDEN * (high - low)
            at_right = function(right)
        else:
            high, right, at_right = right, left, at_left
            left = high - GOLDEN * (high - low)
            at_left = function(left)
    return (low + high) / 2


def interval(n: int, mean: float, variance: float, *, alpha: float, rho: float) -> tuple[float, float]:
    """A two-sided confidence sequence for the running mean: for display, valid however often it is looked at."""
    radius = math.sqrt(variance) * two_sided_boundary(n, alpha, rho) / n
    return mean - radius, mean + radius
