"""The language of a text, where its common little words leave no doubt: en, de, pt, es or fr."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from itertools import repeat
from typing import Final

from shadow.text.words import words

MAX_CHARACTERS: Final = 2_000
"""Longer texts are judged by their beginning."""

LANGUAGES: Final = ("en", "de", "pt", "es", "fr")
MIN_WORDS: Final = 3
MIN_SHARE: Final = 0.15
LEAD: Final = 1.7
MIXED_WORDS: Final = 2
MIXED_SHARE: Final = 0.1

_PROFILES: Final = {
    "en": "the and is my you to for it of have not was what can please this with are would how your i we be will that "
    "on has been there any if from as at our do or an us by please hello thanks thank",
    "de": "der die das und ist ich sie nicht ein eine mit für auf bitte wir ihre ihr zu den von haben wird es im dem "
    "kann wie auch noch sich wenn oder bei nach aus ihnen mein meine danke hallo hat sind werden zum zur einen",
    "pt": "o a os as e é de do da que não um uma para com por seu sua você está em no na foi meu minha se mais ao mas "
    "obrigado obrigada olá pelo pela isso são tem nos posso pode dias até",
    "es": "el la los las y es de del que no un una para con por su usted está en al lo mi se más pero gracias hola "
    "ha le puede si sus tiene como este esta fue días son nos hemos puedo",
    "fr": "le la les et est de du des que ne pas un une pour avec par votre vous je nous dans en au sur il mon ma ce "
    "bonjour merci cette sont être été qui mais ou si plus jours commande",
}
_AMBIGUOUS: Final = frozenset(
    {"was", "will", "an", "in", "on", "as", "do", "no", "a", "me", "has", "so", "one", "at", "of", "im", "it", "war"}
    | {"die", "sin", "como", "par"}
)
"""Words of one profile that another language, or a brand, has too: no sign that languages are mixed."""
_BITS: Final = 12
"""Of a language's counter in a packed number: the words of a text of 2,000 characters fit in."""
_FULL: Final = (1 << _BITS) - 1
_SHIFTS: Final = tuple(_BITS * at for at in range(len(LANGUAGES)))
_HITS: Final[dict[str, int]] = {}
_ALONE: Final[dict[str, int]] = {}
for _at, _words in enumerate(_PROFILES.values()):
    for _word in dict.fromkeys(_words.split()):
        _HITS[_word] = _HITS.get(_word, 0) + (1 << _BITS * _at)
_ALONE.update({word: hit for word, hit in _HITS.items() if hit.bit_count() == 1 and word not in _AMBIGUOUS})
_LINK: Final = re.compile(r"https?://\S{1,500}")


def language(text: str) -> str | None:
    """The language's code, or None where there is doubt: too few words, two languages, or one without a profile.

    Certain is: at least three known words, 15 % of all, 1.7 times as many as of any other language. About 5 us a text;
    texts are remembered.
    """
    return _read(text[:MAX_CHARACTERS])[0]


def languages(text: str) -> tuple[str, ...]:
    """The languages that a text certainly mixes, the one that it has most words of first; empty if it mixes none.

    Each has two different words or more that are no other's, and a tenth of all words. About 5 us; remembered.
    """
    return _read(text[:MAX_CHARACTERS])[1]


@lru_cache(maxsize=4_096)
def _read(text: str) -> tuple[str | None, tuple[str, ...]]:
    if "://" in text:
        text = _LINK.sub(" ", text)
    said = words(text)
    hits = _counts(said, _HITS)
    most, second = sorted(hits, reverse=True)[:2]
    certain = most >= max(MIN_WORDS, MIN_SHARE * len(said)) and most >= LEAD * second
    mixed: list[tuple[int, str]] = []
    if second >= MIXED_WORDS:
        enough = max(MIXED_WORDS, MIXED_SHARE * len(said))
        mixed = [one for one in zip(_counts(set(said), _ALONE), LANGUAGES, strict=True) if one[0] >= enough]
    return (
        LANGUAGES[hits.index(most)] if certain else None,
        tuple(name for _, name in sorted(mixed, key=lambda one: -one[0])) if len(mixed) > 1 else (),
    )


def _counts(said: Iterable[str], table: dict[str, int]) -> list[int]:
    """How many of the words each language has: all counters are added up at once, in one number."""
    packed = sum(map(table.get, said, repeat(0)))
    return [packed >> shift & _FULL for shift in _SHIFTS]
