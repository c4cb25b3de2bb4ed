"""The facts that a text states: amounts, numbers, dates, times, durations, links, e-mails and identifiers.

Facts come as comparable values: ``49 USD``, ``$49.00`` and ``USD 49`` are one fact. A pseudonym that the Tap put in
the place of personal data is an identifier.
Whatever is not recognised is no fact.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from shadow.text.fact_values import AFTER_WORK, CURRENCIES, MONTHS, NUMBER, NUMBER_WORDS, UNITS, WORK, Fact, value
from shadow.text.pseudonyms import PSEUDONYM

MAX_CHARACTERS: Final = 8_000
"""Longer texts are cut, and marked."""
MAX_FACTS: Final = 200
MAX_DATE: Final = 40


@dataclass(frozen=True, slots=True)
class Facts:
    """What a text states, each fact once, as (kind, normalised value); ``cut`` says that the text was read in part."""

    found: frozenset[Fact]
    cut: bool = False


NOTHING: Final = Facts(frozenset())

_MONTH: Final = "(?:" + "|".join(sorted(map(re.escape, MONTHS), key=len, reverse=True)) + r")\b\.?"
_UNIT: Final = "(?:" + "|".join(sorted(UNITS, key=len, reverse=True)) + r")\b"
_BEFORE: Final = r"(?:us\$|ca\$|au\$|r\$|c\$|a\$|[$€£¥₹]|\b(?:usd|eur|gbp|brl|jpy|inr|chf|cad|aud)\b)"
_AFTER: Final = (
    r"(?:us\$|r\$|[$€£¥₹]|(?:usd|eur|gbp|brl|jpy|inr|chf|cad|aud|dollars?|dólar(?:es)?|euros?|reais|pounds|yen)\b)"
)

_FACT: Final = re.compile(
    rf"(?P<iso>\b\d{{4}}-\d{{2}}-\d{{2}})(?!\d)"
    rf"|(?P<slashed>\b\d{{1,2}}[/.]\d{{1,2}}[/.]\d{{4}}\b)"
    rf"|(?P<amount>{_BEFORE}[ \u00a0]?{NUMBER}|\b{NUMBER}[ \u00a0]?{_AFTER})"
    rf"|(?P<percent>\b{NUMBER} ?(?:%|percent\b|prozent\b|por cento\b|por ciento\b))"
    rf"|(?P<time>\b\d{{1,2}}:\d{{2}}(?: ?[ap]\.?m\b)?|\b\d{{1,2}} ?[ap]\.?m\b)"
    rf"|(?P<dayfirst>\b\d{{1,2}}(?:st|nd|rd|th|\.)? (?:of |de )?{_MONTH}(?:,? (?:de )?\d{{4}}\b)?)"
    rf"|(?P<monthfirst>\b{_MONTH} \d{{1,2}}(?:st|nd|rd|th)?\b(?:,? \d{{4}}\b)?)"
    rf"|(?P<duration>\b\d{{1,4}}(?: ?(?:-|–|to|bis|a) ?\d{{1,4}})?[ -]?(?:{WORK})?{_UNIT}(?:{AFTER_WORK})?)"
    rf"|(?P<identifier>#[a-z0-9][\w-]{{2,30}}|\b[a-z]{{1,8}}[-_]?\d[a-z0-9_-]{{2,30}}|\b\d{{2,12}}[a-z-][a-z0-9-]{{3,24}})"
    rf"|(?P<number>{NUMBER})",
)
_SPELT: Final = re.compile(rf"(?:{WORK})?{_UNIT}(?:{AFTER_WORK})?")
_MARKER: Final = re.compile(rf"^[ \t]{{0,8}}\d{{1,2}}[.)][ \t](?!{_MONTH})", re.MULTILINE)
_DIGIT: Final = re.compile(r"[0-9]")
_LINK: Final = re.compile(r"(?:https?://|www\.)[^\s<>\"'()\[\]{}]{1,500}", re.IGNORECASE)
_EMAIL: Final = re.compile(r"[\w.+-]{1,64}@[\w.-]{1,200}")
_DATES: Final = frozenset({"iso", "slashed", "dayfirst", "monthfirst"})


def facts(text: str) -> Facts:
    """The facts of ``text``, at most 200 of its first 8,000 characters. Texts are remembered."""
    return _facts(text[:MAX_CHARACTERS], cut=len(text) > MAX_CHARACTERS)


@lru_cache(maxsize=2_048)
def _facts(text: str, *, cut: bool) -> Facts:
    found: set[Fact] = set()
    if "://" in text or "www." in text.lower():
        found.update(("link", link_value(match)) for match in _LINK.findall(text))
        text = _LINK.sub(" ", text)
    if "<" in text:
        found.update(("identifier", match[1:-1]) for match in PSEUDONYM.findall(text))
        text = PSEUDONYM.sub(" ", text)
    text = text.lower()
    if "@" in text:
        mails = [match.rstrip(".-_") for match in _EMAIL.findall(text)]
        found.update(("email", mail) for mail in mails if "." in mail.partition("@")[2])
        text = _EMAIL.sub(" ", text)
    if "\n" in text or text[:1].isdigit():
        text = _MARKER.sub(" ", text)
    words = text.split()
    if not NUMBER_WORDS.keys().isdisjoint(words):
        found.update(_spelt(words))
    for match in _matches(" ".join(words)):
        fact = value(match.lastgroup, match.group())
        if fact is not None:
            found.add(fact)
            if len(found) >= MAX_FACTS:
                cut = True
                break
    return Facts(frozenset(found), cut) if found or cut else NOTHING


def _matches(text: str) -> Iterator[re.Match[str]]:
    """Each fact with a digit, from the start of its word, or of the word before if that is a month or a currency."""
    end = 0
    while (digit := _DIGIT.search(text, end)) is not None:
        start = max(end, text.rfind(" ", end, digit.start()) + 1)
        if start > end:
            before = max(end, text.rfind(" ", end, start - 1) + 1)
            word = text[before : start - 1].strip("(.,")
            if word in MONTHS or word in CURRENCIES:
                start = before
        match = _FACT.search(text, start)
        if match is None:
            return
        end = match.end()
        yield match


def _spelt(words: list[str]) -> Iterator[Fact]:
    """Durations whose number is a word: ``two weeks``, ``five business days``."""
    for at in [at for at, word in enumerate(words) if word in NUMBER_WORDS]:
        match = _SPELT.match(" ".join(words[at + 1 : at + 4]))
        fact = value("duration", f"{NUMBER_WORDS[words[at]]} {match.group()}") if match is not None else None
        if fact is not None:
            yield fact


def link_value(link: str) -> str:
    """The link without scheme, ``www.``, case of the host and closing punctuation."""
    bare = re.sub(r"^(?:https?://)?(?:www\.)?", "", link.rstrip(".,;:!?*_/"), flags=re.IGNORECASE)
    host, slash, path = bare.partition("/")
    return host.lower() + slash + path


def same_date(left: str, right: str) -> bool:
    """Whether two date values may name one day: readings overlap, and a year that is not said fits each year."""
    for one in left.split("|"):
        for other in right.split("|"):
            if one[-5:] == other[-5:] and (one[:4] == other[:4] or "-" in (one[0], other[0])):
                return True
    return False


def date_of(text: str) -> str | None:
    """The one day that ``text`` is from beginning to end, in lower case, as ``year-month-day``; None if it is not."""
    if len(text) > MAX_DATE:
        return None
    match = _FACT.fullmatch(text)
    found = value(match.lastgroup, text) if match is not None and match.lastgroup in _DATES else None
    return found[1] if found is not None and "|" not in found[1] else None
