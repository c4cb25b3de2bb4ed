"""The second estimand: harm per turn, where :mod:`shadow.gate.betting` has harm per conversation.

Harm that sits in long conversations hardly moves the mean over conversations. Here a conversation of m turns with s
more failures than production's gives ``y = margin * m - s``: E[y] > 0 says that the turns' failure rate stays under
the margin, without a quotient. The evidence is the half-normal mixture of :mod:`shadow.gate.robbins` over y divided by
its standard deviation. That is asymptotic, and with too few failures it promotes what it must not: it is admissible
after 100 conversations with 20 discordant ones among them. PROMOTE needs it besides the exact test, never instead.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from shadow.gate import budget
from shadow.gate.arguments import checked_margin, checked_positive, checked_times
from shadow.gate.budget import EventCounts
from shadow.gate.robbins import interval, log_e_half_normal

LEAST_CONVERSATIONS: Final = 100
LEAST_DISCORDANT: Final = 20
LONGEST_TURNS: Final = 20
"""Turns of a conversation that count; later ones would have to be balanced by many short conversations."""


@dataclass(frozen=True, slots=True)
class TurnSums:
    """Sums over closed conversations; m: turns, s: the candidate's failures minus production's. All integers."""

    conversations: int = 0
    discordant: int = 0
    sum_m: int = 0
    sum_s: int = 0
    sum_mm: int = 0
    sum_ss: int = 0
    sum_ms: int = 0

    def add(self, turns: int, harm: int, *, times: int = 1) -> TurnSums:
        """One more closed conversation, or ``times`` of them. ``discordant`` counts those whose harm is not zero."""
        checked_turns(turns, harm)
        if times != 1:
            checked_times(times)
        return TurnSums(
            self.conversations + times,
            self.discordant + times * (harm != 0),
            self.sum_m + times * turns,
            self.sum_s + times * harm,
            self.sum_mm + times * turns * turns,
            self.sum_ss + times * harm * harm,
            self.sum_ms + times * turns * harm,
        )

    def add_all(self, counted: Mapping[tuple[int, int], int]) -> TurnSums:
        """So many conversations of each (turns, harm): the same bits as one after the other."""
        conversations = discordant = m = s = mm = ss = ms = 0
        for (turns, harm), times in counted.items():
            checked_turns(turns, harm)
            checked_times(times)
            conversations += times
            m += times * turns
            mm += times * turns * turns
            if harm:
                discordant += times
                s += times * harm
                ss += times * harm * harm
                ms += times * turns * harm
        return self.merge(TurnSums(conversations, discordant, m, s, mm, ss, ms))

    def merge(self, other: TurnSums) -> TurnSums:
        """Both together: of disjoint sets of conversations."""
        return TurnSums(
            self.conversations + other.conversations,
            self.discordant + other.discordant,
            self.sum_m + other.sum_m,
            self.sum_s + other.sum_s,
            self.sum_mm + other.sum_mm,
            self.sum_ss + other.sum_ss,
            self.sum_ms + other.sum_ms,
        )

    @property
    def admissible(self) -> bool:
        """Whether there is enough for an asymptotic statement."""
        return self.conversations >= LEAST_CONVERSATIONS and self.discordant >= LEAST_DISCORDANT

    @property
    def alike(self) -> bool:
        """Whether all conversations have the same number of turns."""
        return self.conversations * self.sum_mm == self.sum_m * self.sum_m

    def mean(self) -> float | None:
        """Harm per turn; None without conversations."""
        return self.sum_s / self.sum_m if self.sum_m else None


def checked_turns(turns: int, harm: int) -> None:
    """At least one turn, and at most one failure in each. Raises :class:`ValueError`."""
    if turns < 1 or abs(harm) > turns:
        raise ValueError(f"harm is {harm!r} in {turns!r} turns: there is at least one turn, and one failure in each")


def log_e(sums: TurnSums, margin: float, *, rho: float) -> float | None:
    """Evidence that harm per turn is less than ``margin``; None while it is not admissible."""
    checked_margin(margin)
    checked_positive(rho, "rho")
    if not sums.admissible:
        return None
    total, variance = _moments(sums, margin)
    return log_e_half_normal(total / variance**0.5, sums.conversations, rho) if variance > 0 else None


def log_e_rare(sums: TurnSums, margin: float) -> float | None:
    """The same where too few conversations are discordant for an asymptotic statement; None before 100 conversations.

    No conversation counts more than ``LONGEST_TURNS`` turns, so harm of ``margin`` per turn means harm in more than
    ``margin * turns / LONGEST_TURNS`` of the conversations; that there is so little of it is an exact test of a budget.
    Discordant ones stand for the harmed. The mean number of turns is taken four standard errors low. It has half of the
    level, as it is a second chance beside the asymptotic test.
    """
    checked_margin(margin)
    n = sums.conversations
    if n < LEAST_CONVERSATIONS or sums.discordant >= LEAST_DISCORDANT:
        return None
    mean = sums.sum_m / n
    spread = max(sums.sum_mm / n - mean * mean, 0.0)
    turns = mean - 4 * (spread / n) ** 0.5
    rate = margin * min(turns, LONGEST_TURNS) / LONGEST_TURNS
    if rate <= 0:
        return None
    return budget.log_e(EventCounts(n, sums.discordant), min(rate, 0.49), "promote") - math.log(2)


def harm_interval(sums: TurnSums, *, alpha: float, rho: float) -> tuple[float, float] | None:
    """Two-sided confidence sequence of harm per turn, for display; None while it is not admissible.

    The quotient is linearised: its conversations' terms are ``s - mean * m``, over the mean number of turns.
    """
    mean = sums.mean()
    if mean is None or not sums.admissible:
        return None
    _, variance = _moments(sums, mean)
    turns = sums.sum_m / sums.conversations
    return interval(sums.conversations, mean, variance / turns**2, alpha=alpha, rho=rho)


def _moments(sums: TurnSums, rate: float) -> tuple[float, float]:
    """Sum, and variance around the mean, of ``rate * m - s``."""
    n = sums.conversations
    total = rate * sums.sum_m - sums.sum_s
    squares = rate * rate * sums.sum_mm - 2 * rate * sums.sum_ms + sums.sum_ss
    return total, max(squares / n - (total / n) ** 2, 0.0)
