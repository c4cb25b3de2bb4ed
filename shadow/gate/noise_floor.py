"""The noise floor: production asked again (the control) differs from production too; only what exceeds that counts.

For one candidate, per measure and slice: how far it and the control are from production, and its *excess*, paired on
the turns that both answered, as the mean over conversations of each one's mean (turns of one conversation resemble each
other). It rests on turns in which both arms would still have been in the conversation (:mod:`.prefix`); the others are
counted, and their means shown apart.

- An arm that failed to answer is as far from production as can be: 1, on either side alike, in each measure that the
  other arm has. Turns that were shed, expired, or without production's reply are not given in.
- ``action`` and ``facts`` abstain where neither reply calls a tool or states a fact, which is agreement: where only one
  arm has a value, the other counts as 0. Left out, a candidate that calls what nobody asked for would go unseen.
- Any other turn on which one arm has no value is left out.

Numpy does nothing here but compare, count, add integers, and divide once: so the bits are the same everywhere.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from shadow.gate.betting import SCALE
from shadow.gate.excess import GRID, Call, Excess, growth
from shadow.gate.guardrails import OVERALL, WORST
from shadow.gate.prefix import PREFIXES
from shadow.gate.sides import Flags, Integers, Measured, Side, Values
from shadow.gate.turn_weighted import LEAST_CONVERSATIONS

ALIKE_WHEN_SILENT: Final = frozenset({"action", "facts"})
"""Measures that abstain where neither reply has what they look at."""

NO_CONTROL: Final = "no control answered"
UNPAIRED: Final = "unpaired: the control answered other turns"


@dataclass(frozen=True, slots=True)
class Floor:
    """One measure on one slice (``__all__``: on every turn), of a candidate held against the control.

    ``control`` and ``candidate`` are mean divergences from production, ``excess`` their difference, ``lower`` and
    ``upper`` its time-uniform interval: all over turns with a valid prefix, of which there are ``turns`` in
    ``conversations``. ``others`` holds both means over the turns without. None: no data, which is not zero.
    """

    measure: str
    slice: str
    call: Call
    reason: str
    paired: bool
    control: float | None = None
    candidate: float | None = None
    excess: float | None = None
    lower: float | None = None
    upper: float | None = None
    turns: int = 0
    conversations: int = 0
    prefixes: Mapping[str, int] = field(default_factory=dict)
    others: Mapping[str, float | None] = field(default_factory=dict)


def noise_floor(candidate: Iterable[Measured], control: Iterable[Measured], *, alpha: float) -> list[Floor]:
    """Every measure and slice, from rows: overall first, then by slice. See :func:`between`."""
    return list(between(Side.of(candidate), Side.of(control), alpha=alpha))


def between(candidate: Side, control: Side, *, alpha: float, sliced: bool = True) -> Iterator[Floor]:
    """Each measure, overall and then by slice, each with its call at error rate ``alpha``.

    Paired if any turn has both arms; else the two arms' own intervals are held against each other, which needs several
    times as many turns, and 100 conversations of each; without any control there is no call.
    """
    _, mine, theirs = np.intersect1d(candidate.turns, control.turns, return_indices=True)
    names = (OVERALL, *(candidate.slices if sliced else ()))
    both = _Rows.of(candidate, mine, control.prefixes[theirs])
    own, other = _Rows.of(candidate), _Rows.of(control)
    for measure in sorted({*candidate.scores, *control.scores}):
        left, right = candidate.score(measure), control.score(measure)
        if len(mine):
            left, right = left[mine], right[theirs]
            filled = _stand_in(measure, left, candidate.failed[mine], right)
            other_filled = _stand_in(measure, right, control.failed[theirs], left)
            for name in names:
                yield _paired(measure, name, both, filled, other_filled, alpha=alpha)
        else:
            filled = _stand_in(measure, left, candidate.failed, own.zeros)
            other_filled = _stand_in(measure, right, control.failed, other.zeros)
            for name in names:
                alone, other_alone = _Alone.of(own, filled, name), _Alone.of(other, other_filled, name)
                yield _apart(measure, name, alone, other_alone, alpha=alpha)


def _stand_in(measure: str, scores: Values, failed: Flags, other: Values) -> Values:
    """``scores``, with what stands for a missing one where the other arm has a value."""
    missing = np.isnan(scores) & ~np.isnan(other)
    scores = np.where(missing & failed, WORST, scores)
    return np.where(missing & ~failed, 0.0, scores) if measure in ALIKE_WHEN_SILENT else scores


@dataclass(frozen=True, slots=True)
class _Rows:
    """What all measures share of some turns; conversations are numbered 0, 1, ..."""

    conversations: NDArray[np.intp]
    prefixes: Integers
    slices: Mapping[str, Flags]

    @classmethod
    def of(cls, side: Side, rows: NDArray[np.intp] | None = None, prefixes: Integers | None = None) -> Self:
        """Of these rows, or all; of the prefixes the worse one."""
        at = slice(None) if rows is None else rows
        own = side.prefixes[at]
        _, conversations = np.unique(side.conversations[at], return_inverse=True)
        worse = own if prefixes is None else np.maximum(own, prefixes)
        return cls(conversations, worse, {name: flags[at] for name, flags in side.slices.items()})

    @property
    def zeros(self) -> Values:
        return np.zeros(len(self.prefixes))

    def chosen(self, values: Values, name: str) -> tuple[_Chosen, _Chosen]:
        """Turns of the slice that have a value: with a valid prefix, and the others."""
        have = ~np.isnan(values)
        if name != OVERALL:
            have &= self.slices.get(name, False)
        valid = self.prefixes == 0
        return _Chosen.of(self, have & valid), _Chosen.of(self, have & ~valid)


@dataclass(frozen=True, slots=True)
class _Chosen:
    """Some of the turns: ``conversations`` are theirs, ``counts`` how many each of those has, none of them zero."""

    at: NDArray[np.intp]
    conversations: NDArray[np.intp]
    counts: NDArray[np.intp]
    present: NDArray[np.intp]
    prefixes: Mapping[str, int]

    @classmethod
    def of(cls, rows: _Rows, flags: Flags) -> Self:
        at = np.flatnonzero(flags)
        conversations = rows.conversations[at]
        counts = np.bincount(conversations)
        present = np.flatnonzero(counts)
        prefixes = np.bincount(rows.prefixes[at], minlength=len(PREFIXES)).tolist()
        return cls(at, conversations, counts[present], present, dict(zip(PREFIXES, prefixes, strict=True)))

    def means(self, values: Values) -> Values:
        """Each conversation's mean. Sums of integers: the order of rows does not change a bit."""
        sums = np.bincount(self.conversations, weights=np.rint(values[self.at] * SCALE))
        means: Values = sums[self.present] / (self.counts * SCALE)
        return means

    def excess(self, values: Values) -> Excess:
        """The evidence of the conversations' means."""
        return _excess(np.rint(self.means(values) * GRID).astype(np.int64), turns=len(self.at))

    def mean(self, values: Values) -> float | None:
        """The mean of the conversations' means; None without any."""
        means = self.means(values)
        return float(np.rint(means * SCALE).sum()) / (SCALE * len(means)) if len(means) else None

    def with_prefixes_of(self, other: _Chosen) -> dict[str, int]:
        """How many turns of both have each prefix."""
        return {name: count + other.prefixes[name] for name, count in self.prefixes.items()}


def _excess(steps: Integers, *, turns: int) -> Excess:
    """:meth:`Excess.of` of one conversation for each x in ``steps``: sums of integers, so to the same bits."""
    counts = np.bincount(steps + GRID, minlength=2 * GRID + 1)
    xs = np.arange(-GRID, GRID + 1)
    wealth = tuple((counts @ _growths()).tolist())
    return Excess(len(steps), turns, len(steps) - int(counts[GRID]), int(counts @ xs), int(counts @ (xs * xs)), wealth)


@cache
def _growths() -> Integers:
    """What each x from -1 to 1 adds to the stakes: one row a step."""
    return np.array([growth(x) for x in range(-GRID, GRID + 1)], np.int64)


def _paired(measure: str, name: str, rows: _Rows, candidate: Values, control: Values, *, alpha: float) -> Floor:
    differences = candidate - control
    valid, rest = rows.chosen(differences, name)
    excess = valid.excess(differences)
    lower, upper = excess.bounds(alpha=alpha) or (None, None)
    n, call = excess.conversations, excess.call(alpha=alpha)
    return Floor(
        measure,
        name,
        call,
        f"{n} of {LEAST_CONVERSATIONS} conversations" if call == "not_enough_data" else "",
        paired=True,
        control=valid.mean(control),
        candidate=valid.mean(candidate),
        excess=excess.mean(),
        lower=lower,
        upper=upper,
        turns=excess.turns,
        conversations=n,
        prefixes=valid.with_prefixes_of(rest),
        others={"control": rest.mean(control), "candidate": rest.mean(candidate)},
    )


@dataclass(frozen=True, slots=True)
class _Alone:
    """One arm's divergence by itself."""

    sums: Excess
    mean: float | None
    rest: float | None
    prefixes: Mapping[str, int]

    @classmethod
    def of(cls, rows: _Rows, values: Values, name: str) -> Self:
        valid, rest = rows.chosen(values, name)
        return cls(valid.excess(values), valid.mean(values), rest.mean(values), valid.with_prefixes_of(rest))


def _apart(measure: str, name: str, own: _Alone, other: _Alone, *, alpha: float) -> Floor:
    """Each arm's interval at half of alpha: their difference holds at alpha."""
    bounds, other_bounds = own.sums.interval(alpha=alpha / 2), other.sums.interval(alpha=alpha / 2)
    lower = upper = None
    call: Call = "not_enough_data"
    if bounds and other_bounds:
        lower, upper = bounds[0] - other_bounds[1], bounds[1] - other_bounds[0]
        call = "no_difference" if lower <= 0 <= upper else "different"
    return Floor(
        measure,
        name,
        call,
        UNPAIRED if other.sums.turns else NO_CONTROL,
        paired=False,
        control=other.mean,
        candidate=own.mean,
        excess=None if own.mean is None or other.mean is None else own.mean - other.mean,
        lower=lower,
        upper=upper,
        turns=own.sums.turns,
        conversations=own.sums.conversations,
        prefixes=own.prefixes,
        others={"control": other.rest, "candidate": own.rest},
    )
