"""The gate over many streams at once: its own terms, its own boundary, its own rule, in numpy.

Log-wealth is the same integers that :class:`shadow.gate.betting.Wealth` holds: a table of the gate's own terms per
(turns, harm), summed. The rule here is :func:`shadow.gate.verdict.decide` with a look after every conversation.
``test_vector.py`` runs both over the same streams: the same bits, the same verdicts at the same conversations.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache, cached_property

import numpy as np

from shadow.gate.betting import SCALE, Bets
from shadow.gate.evidence import Tuning
from shadow.gate.robbins import one_sided_boundary
from shadow.gate.rules import Rule
from shadow.gate.sentinel import Sentinel
from shadow.gate.turn_weighted import LEAST_CONVERSATIONS, LEAST_DISCORDANT
from shadow.gate.verdict import HUGE
from tests.statistics.population import MOST_TURNS, WIDTH

NEVER = np.iinfo(np.int64).max
LEAST = Rule(max_conversations=1_000).min_conversations
COMPUTED_AT_ONCE = 2_048
"""Of the boundary: streams differ a little in their number of conversations."""

ABSENT = MOST_TURNS
"""Index of a conversation that a cell has not seen: its terms are nought."""


def index(turns: np.ndarray, harm: np.ndarray) -> np.ndarray:
    """Where (turns, harm) stands in the tables; turns = 0 is a conversation that is not there."""
    return np.where(turns > 0, turns * WIDTH + harm + MOST_TURNS, ABSENT).astype(np.int32)


@cache
def terms(bets: Bets) -> tuple[np.ndarray, np.ndarray]:
    """The gate's terms by index: one row per lambda, of the promote and of the reject side."""
    tables = np.zeros((2, len(bets.weights), (MOST_TURNS + 1) * WIDTH), dtype=np.int64)
    for turns in range(1, MOST_TURNS + 1):
        for harm in range(-turns, turns + 1):
            tables[:, :, turns * WIDTH + harm + MOST_TURNS] = bets.growth(harm / turns)
    return tables[0], tables[1]


@cache
def sentinel_terms(empty: Sentinel) -> tuple[np.ndarray, np.ndarray]:
    """Likewise of the sentinel's two bets."""
    tables = np.zeros((2, len(empty.weights), (MOST_TURNS + 1) * WIDTH), dtype=np.int64)
    for turns in range(1, MOST_TURNS + 1):
        for harm in range(-turns, turns + 1):
            after = empty.add(harm / turns)
            tables[:, :, turns * WIDTH + harm + MOST_TURNS] = after.worse, after.better
    return tables[0], tables[1]


def log_wealth(table: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Log-wealth in units of 2**-32 after each conversation: lambda, stream, conversation."""
    return np.stack([np.cumsum(row[at], axis=1) for row in table])


def log_mixture(wealth: np.ndarray, weights: tuple[float, ...]) -> np.ndarray:
    most = wealth.max(axis=0)
    total = sum(weight * np.exp((each - most) / SCALE) for each, weight in zip(wealth, weights, strict=True))
    return most / SCALE + np.log(total)


def boundary(alpha: float, rho: float, most: int) -> np.ndarray:
    """The gate's boundary after 0, 1, ... conversations; infinite before it is admissible."""
    return _boundary(alpha, rho, -(-most // COMPUTED_AT_ONCE) * COMPUTED_AT_ONCE)[: most + 1]


@cache
def _boundary(alpha: float, rho: float, most: int) -> np.ndarray:
    return np.array(
        [one_sided_boundary(n, alpha, rho) if n >= LEAST_CONVERSATIONS else np.inf for n in range(most + 1)]
    )


def per_turn(
    turns: np.ndarray,
    harm: np.ndarray,
    margin: float,
    alpha: float,
    rho: float,
    *,
    discordant: int = LEAST_DISCORDANT,
) -> np.ndarray:
    """Whether harm per turn is shown to be under the margin, after each conversation."""
    n = np.cumsum(turns > 0, axis=1)
    m, s = np.cumsum(turns, axis=1), np.cumsum(harm, axis=1)
    mm, ss, ms = (np.cumsum(each, axis=1) for each in (turns * turns, harm * harm, turns * harm))
    count = np.maximum(n, 1)
    total = margin * m - s
    squares = margin * margin * mm - 2 * margin * ms + ss
    spread = np.sqrt(np.maximum(squares / count - (total / count) ** 2, 1e-300))
    enough = np.cumsum(harm != 0, axis=1) >= discordant
    return enough & (total / spread >= boundary(alpha, rho, turns.shape[1])[n])


@dataclass(frozen=True)
class Cell:
    """What the gate needs to know of a cell: its bets, its precision. Margins lie in the bets."""

    bets: Bets
    tuning: Tuning


@dataclass(frozen=True)
class Seen:
    """A cell's conversations, in the order of closing; turns = 0 where a conversation is none of the cell's."""

    cell: Cell
    turns: np.ndarray
    harm: np.ndarray

    def legs(self, alpha: float) -> tuple[np.ndarray, np.ndarray]:
        """Whether each leg is at 1/alpha at each look: per conversation, per turn."""
        bets = self.cell.bets
        bet = log_mixture(log_wealth(terms(bets)[0], index(self.turns, self.harm)), bets.weights)
        summed = per_turn(self.turns, self.harm, bets.margin, alpha, self.cell.tuning.one_sided_rho)
        return bet >= -math.log(alpha), summed

    @cached_property
    def log_reject(self) -> np.ndarray:
        """Log e-value of the harm being more than the margin, after each conversation."""
        bets = self.cell.bets
        return log_mixture(log_wealth(terms(bets)[1], index(self.turns, self.harm)), bets.weights)

    @property
    def e_reject(self) -> np.ndarray:
        return np.exp(np.minimum(self.log_reject, HUGE))


@dataclass(frozen=True)
class Looks:
    """Per stream after how many conversations: each leg latched, REJECT, PROMOTE (not rejected by then)."""

    legs: list[np.ndarray]
    reject: np.ndarray
    promote: np.ndarray


def decide(
    cells: list[Seen], alpha: float, *, cycle_end: np.ndarray | None = None, latch_always: bool = False
) -> Looks:
    """The rule, with a look after every conversation. ``cycle_end``: looks at the end of a whole cycle; None: all.

    ``latch_always`` is the rule as it must not be: a leg is latched in the middle of a cycle.
    """
    legs = latched(cells, alpha, None if latch_always else cycle_end)
    rejected = first(mean_e(cells) >= 1 / alpha)
    return Looks(legs, rejected, promotion(legs, rejected, cycle_end, cells[0].turns.shape[1]))


def latched(cells: list[Seen], alpha: float, when: np.ndarray | None = None) -> list[np.ndarray]:
    """The look at which each leg is latched: of those ``when`` it may be, with enough conversations."""
    enough = np.arange(1, cells[0].turns.shape[1] + 1) >= LEAST
    latching = enough if when is None else enough & when
    return [first(leg & latching) for cell in cells for leg in cell.legs(alpha)]


def mean_e(cells: list[Seen]) -> np.ndarray:
    """Mean of the cells' harm e-values after each conversation."""
    return sum(cell.e_reject for cell in cells) / len(cells)


def promotion(legs: list[np.ndarray], rejected: np.ndarray, cycle_end: np.ndarray | None, looks: int) -> np.ndarray:
    """The look of PROMOTE: every leg latched, the end of a cycle, not rejected by then."""
    shown = np.max(legs, axis=0)
    if cycle_end is not None:
        shown = first(cycle_end & (np.arange(1, looks + 1) >= shown[:, None]))
    return np.where((shown < rejected) & (shown <= looks), shown, NEVER)


def first(reached: np.ndarray) -> np.ndarray:
    """The first look at which it holds, from 1; ``NEVER`` if at none."""
    return np.where(reached.any(axis=1), reached.argmax(axis=1) + 1, NEVER)


def cycle_ends(closing: np.ndarray, cycle: int, horizon: int) -> np.ndarray:
    """The last look of each whole cycle of so many production turns."""
    day = (closing - 1) // cycle
    after = np.concatenate([day[:, 1:], np.full((len(day), 1), horizon // cycle)], axis=1)
    return (day != after) & (day < horizon // cycle)


def turns_at(looks: np.ndarray, closing: np.ndarray) -> np.ndarray:
    """The production turn of each stream's look; ``NEVER`` where there is none."""
    at = np.minimum(looks, closing.shape[1]) - 1
    return np.where(looks == NEVER, NEVER, np.take_along_axis(closing, at[:, None].astype(int), axis=1)[:, 0])
