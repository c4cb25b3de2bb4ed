"""``python -m tests.statistics.variants``: what was tried instead of the gate's own numbers, on the same streams.

Stakes, the conversations before which nothing counts, the discordant ones that the per-turn leg needs, its level; and
how many conversations may be open at once. ``--write`` puts the tables into docs/design/gate.md.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache

import numpy as np
from rich.console import Console
from rich.progress import track

from shadow.gate.betting import FOCUSED, FOCUSED_WEIGHTS, Bets, largest_stake
from shadow.gate.evidence import Tuning
from shadow.gate.plan import conversations_needed, variance
from shadow.gate.turn_weighted import LEAST_DISCORDANT
from tests.statistics import report
from tests.statistics.catalogue import BASE, HORIZON, MARGIN, USUAL, informative
from tests.statistics.figures import Measured, mean_over, median, over, share
from tests.statistics.goals import EXPIRES_AFTER
from tests.statistics.population import Population
from tests.statistics.scenario import ALPHA, harm_of
from tests.statistics.schedule import OPEN, schedule
from tests.statistics.vector import LEAST, Cell, Seen, first, per_turn, promotion, turns_at

ROWS = 50
STREAMS = 3_000
RARE, RARE_MARGIN, RARE_ICC = 0.002, 0.002, 0.3
CORRELATED = (0.1, 0.2, 0.3)
BEFORE = ((0.25, 0.5, 1.0, 2.0), (0.15, 0.30, 0.40, 0.15))
"""The stakes and weights of STATISTICS, as they were."""

STEEPER = ((0.35, 0.7, 1.2, 2.0), (0.10, 0.30, 0.45, 0.15))
OTHERS = (
    ((0.3, 0.6, 1.1, 1.8), (0.12, 0.28, 0.45, 0.15)),
    ((0.4, 0.8, 1.4), (0.25, 0.40, 0.35)),
)
CROWDS = ((10, 300), (40, 300), (100, 300), (100, 600), (200, 300), (200, 600), (200, 1_200))
"""Conversations open at once, and closed before anything counts."""


@dataclass(frozen=True)
class Variant:
    """A gate with one cell. ``least``: conversations closed before anything is latched."""

    stakes: tuple[float, ...] = FOCUSED
    weights: tuple[float, ...] = FOCUSED_WEIGHTS
    least: int = LEAST
    discordant: int = LEAST_DISCORDANT
    turn_alpha: float = ALPHA
    misplanned: float = 1.0
    """The planned variance over the true one."""

    def bets(self, population: Population, margin: float) -> Bets:
        planned = margin / (_control_variance(population.production, population.icc) * self.misplanned)
        up, down = largest_stake(margin, "promote"), largest_stake(margin, "reject")
        wanted = [part * planned for part in self.stakes]
        return Bets(margin, tuple(min(x, up) for x in wanted), tuple(min(x, down) for x in wanted), self.weights)

    def looks(self, population: Population, margin: float, horizon: int, *, places: int = OPEN) -> np.ndarray:
        """Per stream after how many conversations it is promoted, and at which production turn: two rows."""
        bets = self.bets(population, margin)
        needed = conversations_needed(bets, population.control(), alpha=ALPHA, side="promote")
        cell = Cell(bets, Tuning.at(needed or 1_000, alpha=self.turn_alpha))
        return np.concatenate(
            [self._block(cell, *streams) for streams in _streams(population, horizon, places)], axis=1
        )

    def _block(self, cell: Cell, turns: np.ndarray, harm: np.ndarray, closing: np.ndarray) -> np.ndarray:
        seen = Seen(cell, turns.astype(np.int64), harm.astype(np.int64))
        counts = np.arange(1, turns.shape[1] + 1) >= self.least
        bet, _ = seen.legs(ALPHA)
        summed = per_turn(
            seen.turns,
            seen.harm,
            cell.bets.margin,
            self.turn_alpha,
            cell.tuning.one_sided_rho,
            discordant=self.discordant,
        )
        legs = [first(bet & counts), first(summed & counts)]
        look = promotion(legs, first(seen.log_reject >= -np.log(ALPHA)), None, turns.shape[1])
        return np.stack([look, turns_at(look, closing.astype(np.int64))])


@cache
def _control_variance(production: float, icc: float) -> float:
    found = variance(Population(production, production, icc).control())
    assert found
    return found


@cache
def _streams(population: Population, horizon: int, places: int) -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    rng = np.random.default_rng([7, places])
    blocks = []
    for _ in range(streams_of(horizon) // ROWS):
        plan = schedule(rng, ROWS, horizon, places=places)
        harm = harm_of(rng, population, plan)
        blocks.append((plan.turns.astype(np.int16), harm.astype(np.int16), plan.closing.astype(np.int32)))
    return blocks


def streams_of(horizon: int) -> int:
    """A third of the streams where each is three times as long."""
    return STREAMS if horizon == USUAL else STREAMS // 3 // ROWS * ROWS


def time(variant: Variant, icc: float) -> Measured:
    """Median closed conversations of an equal candidate over a fixed test's."""
    equal = Population(BASE, BASE, icc)
    return over(median(variant.looks(equal, MARGIN, USUAL)[0]), equal.fixed_conversations(MARGIN))


def harmed(variant: Variant, *, places: int = OPEN) -> Measured:
    """Harm in long conversations, at the margin per turn: promoted."""
    return share(variant.looks(informative(), MARGIN, USUAL, places=places)[0])


def rules() -> Iterator[tuple[str, ...]]:
    """What counts when, beside what it costs."""
    rare = Population(RARE, RARE, RARE_ICC)
    rare_limit = rare.limit_turns(RARE_MARGIN, ALPHA)
    early = Variant(*BEFORE, least=200)
    steep = replace(early, stakes=STEEPER[0], weights=STEEPER[1])
    tried = (
        early,
        steep,
        replace(steep, turn_alpha=0.04),
        replace(steep, discordant=30),
        replace(steep, discordant=40),
        replace(steep, least=300),
        replace(steep, least=300, discordant=25),
        Variant(),
    )
    for variant in track(tried, "rules", console=Console(stderr=True)):
        times = ", ".join(f"{time(variant, icc).value:.2f}" for icc in CORRELATED)
        slow = mean_over(variant.looks(rare, RARE_MARGIN, HORIZON[RARE])[1], HORIZON[RARE], rare_limit)
        yield (
            str(variant.least),
            str(variant.discordant),
            f"{variant.turn_alpha:.0%}",
            _numbers(variant.stakes),
            f"{harmed(variant).value:.1%}",
            times,
            f"{slow.value:.2f}",
        )


def stakes() -> Iterator[tuple[str, ...]]:
    """Which stakes: sooner, or less often too late."""
    equal, half = Population(BASE, BASE, 0.2), Population(BASE, BASE + MARGIN / 2, 0.2)
    for chosen in track((BEFORE, *OTHERS, (FOCUSED, FOCUSED_WEIGHTS), STEEPER), "stakes", console=Console(stderr=True)):
        variant = Variant(*chosen)
        needed = conversations_needed(variant.bets(equal, MARGIN), equal.control(), alpha=ALPHA, side="promote")
        assert needed
        by_then = share(variant.looks(equal, MARGIN, USUAL)[1], by=EXPIRES_AFTER * needed * equal.mean_turns())
        yield (
            _numbers(chosen[0]),
            _numbers(chosen[1]),
            f"{time(variant, 0.2).value:.2f}",
            f"{by_then.value:.1%}",
            f"{share(variant.looks(half, MARGIN, USUAL)[1]).value:.0%}",
        )


def misplanned() -> Iterator[tuple[str, ...]]:
    """The time where the variance was planned wrongly."""
    for times in track((0.25, 0.5, 1.0, 2.0, 4.0), "variance", console=Console(stderr=True)):
        variant = Variant(misplanned=times)
        yield (f"{times:g}", ", ".join(f"{time(variant, icc).value:.2f}" for icc in CORRELATED))


def crowds() -> Iterator[tuple[str, ...]]:
    """How many are open at once."""
    for places, least in track(CROWDS, "open at once", console=Console(stderr=True)):
        yield str(places), str(least), str(harmed(Variant(least=least), places=places))


def _numbers(values: Sequence[float]) -> str:
    return ", ".join(f"{value:g}" for value in values)


TABLES = {
    "What counts when": (
        ("closed before anything counts", "discordant", "level per turn", "stakes", "harm in long ones, promoted",
         "time, ICC 0.1, 0.2, 0.3", "mean at 0.2 % over the limit"),
        rules,
    ),
    "Which stakes": (
        ("stakes", "weights", "time", "promoted by four times the plan", "half of the margin, promoted"),
        stakes,
    ),
    "A variance that is planned wrongly": (("times the true one", "time, ICC 0.1, 0.2, 0.3"), misplanned),
    "Open at once": (("open", "closed before anything counts", "harm in long ones, promoted"), crowds),
}  # fmt: skip


def main() -> int:
    """Print the tables."""
    parser = argparse.ArgumentParser(prog="python -m tests.statistics.variants", description=__doc__)
    parser.add_argument("--write", action="store_true")
    given = parser.parse_args()
    lines: list[str] = [f"{STREAMS:,} streams a line, the same for all; a third of them at 0.2 %."]
    for title, (header, rows) in TABLES.items():
        lines += ["", f"**{title}**", "", *report.markdown(header, rows())]
    sys.stdout.write("\n".join(lines) + "\n")
    if given.write:
        report.put(lines, "variants")
    return 0


if __name__ == "__main__":
    sys.exit(main())
