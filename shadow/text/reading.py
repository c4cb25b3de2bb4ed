"""A text that is being read for personal data: what is left of it, what was found, what its words say of numbers."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable, Iterator
from itertools import chain
from typing import Final, NamedTuple

from shadow.text import looks as look
from shadow.text.pseudonyms import Kind

BEFORE: Final = 80
"""How many characters before and after digits may belong to them, or say what they are."""


class Found(NamedTuple):
    """One piece of personal data, and the value by which it is compared: no case, spaces or punctuation."""

    kind: Kind
    start: int
    end: int
    value: str


class Findings(NamedTuple):
    """What a text holds: personal data in order, and spans that look like an identifier and were none of ours."""

    found: tuple[Found, ...]
    unsure: tuple[tuple[int, int], ...]


class Reading:
    """A piece of text in which what has been recognised is blanked out, so that each character counts once."""

    def __init__(self, text: str) -> None:
        self.rest = text
        self.found: list[Found] = []
        self.zones = [(0, len(text))]

    def keep_to_digits(self) -> bool:
        """Look from now on only where digits are, with room for the words before them. Whether there are any."""
        self.zones = []
        for match in look.HAS_DIGITS.finditer(self.rest):
            start, end = max(0, match.start() - BEFORE), match.end() + BEFORE
            if self.zones and start <= self.zones[-1][1]:
                start = self.zones.pop()[0]
            self.zones.append((start, end))
        return bool(self.zones)

    def many_digits(self) -> bool:
        """Whether there are enough of them for anything but a date, an amount or an order number."""
        texts = [text for start, end in self.zones if look.MANY_DIGITS.search(text := self.rest[start:end])]
        return any(look.MANY_DIGITS.search(look.DATE.sub(" ", text)) for text in texts)

    def matches(self, pattern: re.Pattern[str]) -> Iterator[re.Match[str]]:
        """Where ``pattern`` stands in what is left."""
        return chain.from_iterable(pattern.finditer(self.rest, *zone) for zone in self.zones)

    def take(self, pattern: re.Pattern[str], read: Callable[[re.Match[str]], Found | None]) -> None:
        """Keep what ``read`` makes of each match, and blank it."""
        new: list[Found] = []
        for match in self.matches(pattern):
            found = read(match)
            if found is not None and not (new and found.start < new[-1].end):
                new.append(found)
        if new:
            self.found += new
            self.blank([(found.start, found.end) for found in new])

    def blank(self, spans: list[tuple[int, int]]) -> None:
        """Take these spans, which stand in order, for read."""
        parts, at = [], 0
        for start, end in spans:
            parts += [self.rest[at:start], "\0" * (end - start)]
            at = end
        self.rest = "".join([*parts, self.rest[at:]])

    def findings(self, unsure: tuple[tuple[int, int], ...] = ()) -> Findings:
        """What was found, in the order of the text."""
        return Findings(tuple(sorted(self.found, key=lambda found: found.start)), unsure)


class Said:
    """What the words before a number say that it is."""

    def __init__(self, reading: Reading) -> None:
        lower = reading.rest.lower()
        if len(lower) != len(reading.rest):  # a letter whose small form takes two
            lower = "".join(small if len(small := letter.lower()) == 1 else letter for letter in reading.rest)
        # each word with the sign before it, so the text gets one in front: a word ends where it began to be counted
        found = chain.from_iterable(look.WORDS.finditer(f" {lower}", at, end + 1) for at, end in reading.zones)
        self._words = [(match.end() - 1, match.lastgroup or "") for match in found]
        self._ends = [end for end, _ in self._words]

    @property
    def personal(self) -> bool:
        """Whether a word says that a number is somebody's."""
        return any(word not in ("other", "account") for _, word in self._words)

    def __contains__(self, what: str) -> bool:
        return any(word == what for _, word in self._words)

    def what(self, start: int) -> str | None:
        """``phone``, ``national_id``, ``card``, ``account`` or ``other``; the nearest word before ``start`` counts."""
        at = bisect_right(self._ends, start)
        if not at:
            return None
        end, what = self._words[at - 1]
        return what if start - end <= look.NEAR[what] else None
