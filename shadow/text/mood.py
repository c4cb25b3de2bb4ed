"""How a customer sounds, from angry to pleased: by a lexicon of what customers say, and by how they write it."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from functools import lru_cache
from typing import Final

from shadow.text.mood_words import ANGRY, ANNOYED, DECLINES, NEGATED, NEGATORS, PLEASED, REFUSALS, WEIGHTS
from shadow.text.words import words

MAX_CHARACTERS: Final = 2_000
"""Longer messages are judged by their beginning."""
FULL: Final = 4.0
"""So many marks are as angry, or as pleased, as can be."""
MIN_SHOUTED: Final = 3
MIN_CORRECTION: Final = 4

_FOLD: Final = str.maketrans("áàâãäéèêëíìîïóòôõöúùûüçñ’", "aaaaaeeeeiiiiooooouuuucn'", "\u0301\u0303\u0308")
_ELIDED: Final = re.compile(r"\w+(?:'\w+)?")
_LOUD: Final = ("!!", "??", "!?", "?!")
_LOWER: Final = bytes(range(ord("a"), ord("z") + 1))
_SHOUTED: Final = re.compile(r"\b[^\W\d_a-z]{3,}\b")
_PLACEHOLDER: Final = re.compile(r"[#<\[{]\w{1,30}[#>\]}]")
_ANGRY_SIGN: Final = re.compile("[😠😡🤬👎💩🖕😤]")
_PLEASED_SIGN: Final = re.compile("[😊🙂😀😃😄👍❤🙏🎉😍🥰]")

_PHRASES: Final[dict[str, list[tuple[list[str], float, bool]]]] = defaultdict(list)
"""By first word: the rest, the mark, and whether a negator turns it round; the longest first."""
for _mark, _lists in WEIGHTS:
    for _phrase in ", ".join(_lists).split(", "):
        _first, *_rest = _phrase.split()
        _PHRASES[_first].append((_rest, _mark, _phrase in NEGATED))
        _PHRASES[_first].sort(key=lambda known: -len(known[0]))


def mood(text: str) -> float:
    """-1 (angry) over 0 (neither) to 1 (pleased), of one message. About 5 us; messages are remembered.

    A quarter of the sum of marks, cut at 1. Marks: an angry word or sign -2; a complaint (``immer noch``), a correction
    (``no, I need two``), a message in capitals -1; ``!!`` or ``??`` where nothing pleases -0.5; thanks or praise 1. A
    negator just before makes praise a complaint and takes a complaint back. Irony is not seen. That a request comes
    again is no mark: of 16 such messages in labelled talk two were falls.
    """
    return _mood(text[:MAX_CHARACTERS])


@lru_cache(maxsize=2_048)
def _mood(text: str) -> float:
    simple = text.isascii() and "'" not in text
    total = _said(words(text) if simple else _ELIDED.findall(_folded(text))) + _written(text)
    if total <= 0 and any(map(text.__contains__, _LOUD)):
        total -= 0.5
    return max(-1.0, min(1.0, total / FULL))


def _folded(text: str) -> str:
    """``text`` in lower case and without accents."""
    return text.lower().translate(_FOLD).replace("ß", "ss")


def _said(said: Sequence[str]) -> float:
    """The marks of the words; of phrases that begin alike, the longest counts."""
    total, end = 0.0, 0
    for at in [at for at, word in enumerate(said) if word in _PHRASES]:
        for rest, mark, turns in _PHRASES[said[at]] if at >= end else ():
            after = at + 1 + len(rest)
            if said[at + 1 : after] == rest:
                end = after
                negated = turns and not NEGATORS.isdisjoint(said[max(0, at - 2) : at])
                total += mark if not negated else ANNOYED if mark > 0 else 0.0
                break
    if len(said) >= MIN_CORRECTION and said[0] in REFUSALS:
        total += ANNOYED * (said[1] not in DECLINES and not said[1].isdecimal())
    return total


def _written(text: str) -> float:
    """The marks of capitals and signs."""
    total = 0.0
    if not text.isascii():
        total += PLEASED * bool(_PLEASED_SIGN.search(text)) + ANGRY * bool(_ANGRY_SIGN.search(text))
    encoded = text.encode(errors="replace")
    if 2 * (len(encoded) - len(encoded.translate(None, _LOWER))) < len(text):
        bare = _PLACEHOLDER.sub(" ", text)
        shouted = _SHOUTED.findall(bare)
        if len(shouted) >= MIN_SHOUTED and 2 * sum(map(len, shouted)) > sum(map(str.isalpha, bare)):
            total += ANNOYED
    return total
