"""When conversations close: forty are open at once, every production turn belongs to one of them by chance.

Time is counted in production turns. A conversation closes with its last turn, and the next begins in its place; what is
open at the horizon never closes. So short conversations come in first, and a verdict waits for the long ones.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from tests.statistics.population import sample_turns

OPEN = 40


@dataclass(frozen=True)
class Schedule:
    """Closed conversations in order of closing: one row per stream, padded with turns = 0 at the horizon."""

    turns: np.ndarray
    closing: np.ndarray
    """The production turn with which it closed, from 1; the horizon for padding."""
    conversation_of_turn: np.ndarray | None
    """Per production turn the place of its conversation in closing order; open ones follow after the closed."""
    conversations: int
    """Of each stream, closed and open."""


def schedule(
    rng: np.random.Generator, rows: int, horizon: int, *, per_turn: bool = False, places: int = OPEN
) -> Schedule:
    """``places``: how many are open at once, 256 at most."""
    place = rng.integers(0, places, (rows, horizon), dtype=np.uint8)
    order = np.argsort(place, axis=1, kind="stable")
    counts = np.stack([np.bincount(row, minlength=places) for row in place])
    start = np.cumsum(counts, axis=1) - counts
    most = counts.max()
    lengths = sample_turns(rng, (rows, places, math.ceil(most / 5.9 + 8 * math.sqrt(most) / 5 + 5)))
    ends = np.cumsum(lengths, axis=2)
    if not (ends[:, :, -1] >= most).all():
        raise AssertionError("a place ran out of conversations: draw more of them")
    closed = ends <= counts[:, :, None]
    at = np.where(closed, start[:, :, None] + ends - 1, 0)
    closing = np.take_along_axis(order, at.reshape(rows, -1), axis=1) + 1
    closing = np.where(closed.reshape(rows, -1), closing, horizon + 1)
    columns = int(closed.sum(axis=(1, 2)).max())
    by_closing = np.argsort(closing, axis=1)
    kept = by_closing[:, :columns]
    closing_sorted = np.take_along_axis(closing, kept, axis=1)
    turns = np.where(closing_sorted <= horizon, np.take_along_axis(lengths.reshape(rows, -1), kept, axis=1), 0)
    of_turn = _of_turn(by_closing, lengths, counts, order) if per_turn else None
    return Schedule(turns, np.minimum(closing_sorted, horizon), of_turn, by_closing.shape[1])


def _of_turn(by_closing, lengths, counts, order) -> np.ndarray:
    """In each place the turns follow one another, so conversations are runs of their length."""
    rank = np.empty_like(by_closing)
    np.put_along_axis(rank, by_closing, np.broadcast_to(np.arange(by_closing.shape[1]), by_closing.shape), axis=1)
    before = np.cumsum(lengths, axis=2) - lengths
    begun = np.clip(counts[:, :, None] - before, 0, lengths)  # its turns before the horizon
    found = np.empty_like(order)
    np.put_along_axis(found, order, np.repeat(rank.ravel(), begun.ravel()).reshape(order.shape), axis=1)
    return found
