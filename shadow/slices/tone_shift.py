"""Tone shift: the customer's tone falls within the conversation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from shadow.events import Turn
from shadow.slices import NOTHING, Why
from shadow.slices.customer import said
from shadow.text.mood import mood

MAX_MESSAGES: Final = 50
FALL: Final = 0.2
ANGRY: Final = -0.5
GREETING: Final = 3
ANNOYED: Final = -0.25
PLEASED: Final = 0.25


class ToneShift:
    """``tone_shift``: the customer's tone has fallen, in this turn or before, and not risen again. About 10 us.

    A fall: a message that is annoyed (-0.25 or less, on a scale from -1 to 1) and 0.2 or more under the mean of the
    messages before it. So a first message is none, and who began angry must become angrier. Complaints of a first
    message, greetings left aside, count as neither: there they state the problem. A fall lasts until a pleased message.
    Reads en, de, pt, es and fr, by a lexicon: quiet disappointment mostly escapes it
    (``python -m tests.evaluate.tone_shift``).
    Source: ``shadow.text.mood``.
    """

    version: Final = 1
    names = ("tone_shift",)

    def slices(self, turn: Turn) -> Why:
        """See :class:`shadow.slices.Slicer`."""
        messages = said(turn)[-MAX_MESSAGES:]
        found = fall(tones(messages)) if len(messages) > 1 else None
        if found is None:
            return NOTHING
        number = max(1, turn.turn_index + 1 - (len(messages) - 1 - found.at))
        return {"tone_shift": f"customer's message {number}: from {found.before:+.2f} to {found.after:+.2f}"}


@dataclass(frozen=True, slots=True)
class Fall:
    """The message that is the fall, its tone, and the mean of those before it."""

    at: int
    before: float
    after: float


def tones(messages: Sequence[str]) -> list[float]:
    """The mood of each message, complaints of the opening left out."""
    values = [mood(message) for message in messages]
    for at, message in enumerate(messages):
        greets = not values[at] and len(message.split(maxsplit=GREETING)) <= GREETING
        values[at] = 0.0 if ANGRY < values[at] < 0 else values[at]
        if not greets:
            break
    return values


def fall(values: Sequence[float]) -> Fall | None:
    """The last fall from which the customer has not recovered."""
    found, total = None, values[0] if values else 0.0
    for at, value in enumerate(values[1:], start=1):
        before = total / at
        if value >= PLEASED:
            found = None
        elif value <= ANNOYED and value <= before - FALL:
            found = Fall(at, before, value)
        total += value
    return found
