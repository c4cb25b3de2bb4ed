"""The facts that a text states: amounts, numbers, dates, times, durations, links, e-mails and identifiers.

Facts come as comparable values: ``49 USD``, ``$49.00`` and ``USD 49`` are one fact.
Whatever is not recognised is no fact.
"""

# ruff: noqa: E501 (a pattern or a list of words reads better on its line)

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from typing import Final, Literal

MAX_CHARACTERS: Final = 8_000
"""Longer texts are cut, and marked."""
MAX_FACTS: Final = 200

Kind = Literal["amount", "number", "percent", "date", "time", "duration", "link", "email", "identifier"]


@dataclass(frozen=True, slots=True)
class Facts:
    """What a text states, each fact once, as (kind, normalised value); ``cut`` says that the text was read in part."""

    found: frozenset[tuple[Kind, str]]
    cut: bool = False


NOTHING: Final = Facts(frozenset())

_CURRENCIES: Final = {
    "$": "USD", "us$": "USD", "usd": "USD", "dollar": "USD", "dollars": "USD", "dólares": "USD", "dólar": "USD",
    "€": "EUR", "eur": "EUR", "euro": "EUR", "euros": "EUR", "£": "GBP", "gbp": "GBP", "pounds": "GBP",
    "r$": "BRL", "brl": "BRL", "reais": "BRL", "¥": "JPY", "jpy": "JPY", "yen": "JPY", "₹": "INR", "inr": "INR",
    "chf": "CHF", "c$": "CAD", "ca$": "CAD", "cad": "CAD", "a$": "AUD", "au$": "AUD", "aud": "AUD",
}  # fmt: skip
_MONTHS: Final = {
    name: number
    for number, names in enumerate(
        (
            "jan january januar janeiro enero", "feb february februar fevereiro febrero fev",
            "mar march märz março marzo", "apr april abril abr", "may mai maio mayo", "jun june juni junho junio",
            "jul july juli julho julio", "aug august agosto ago", "sep sept september setembro septiembre set",
            "oct october oktober outubro octubre okt out", "nov november novembro noviembre",
            "dec december dezember dezembro diciembre dez dic",
        ),
        start=1,
    )
    for name in names.split()
}  # fmt: skip
_WORDS: Final = {
    word: number
    for number, words in enumerate(
        ("one", "two zwei dois dos", "three drei três tres", "four vier quatro cuatro", "five fünf cinco",
         "six sechs seis", "seven sieben sete siete", "eight acht oito ocho", "nine neun nove nueve", "ten zehn dez diez"),
        start=1,
    )
    for word in words.split()
}  # fmt: skip
_UNITS: Final = {
    unit: (base, factor)
    for base, factor, units in (
        ("s", 1, "second seconds sekunde sekunden segundo segundos"),
        ("s", 60, "minute minutes min mins minuten minuto minutos"),
        ("s", 3_600, "hour hours hrs h stunde stunden hora horas"),
        ("s", 86_400, "day days tag tage tagen dia dias día días"),
        ("s", 604_800, "week weeks woche wochen semana semanas"),
        ("month", 1, "month months monat monate monaten mês meses mes"),
        ("year", 1, "year years jahr jahre jahren ano anos año años"),
        ("workday", 1, "werktag werktage werktagen arbeitstage arbeitstagen"),
    )
    for unit in units.split()
}

_N: Final = r"\d(?:[\d.,\u202f\u00a0]{0,30}\d)?"
_MONTH: Final = "(?:" + "|".join(sorted(map(re.escape, _MONTHS), key=len, reverse=True)) + r")\b\.?"
_UNIT: Final = "(?:" + "|".join(sorted(_UNITS, key=len, reverse=True)) + r")\b"
_WORK: Final = r"(?:business|working|work)[ -]"
_AFTER_WORK: Final = r" (?:úteis|útil|hábiles|hábil|laborables)\b"
_BEFORE: Final = r"(?:us\$|ca\$|au\$|r\$|c\$|a\$|[$€£¥₹]|\b(?:usd|eur|gbp|brl|jpy|inr|chf|cad|aud)\b)"
_AFTER: Final = (
    r"(?:us\$|r\$|[$€£¥₹]|(?:usd|eur|gbp|brl|jpy|inr|chf|cad|aud|dollars?|dólar(?:es)?|euros?|reais|pounds|yen)\b)"
)

_FACT: Final = re.compile(
    rf"(?P<iso>\b\d{{4}}-\d{{2}}-\d{{2}})(?!\d)"
    rf"|(?P<slashed>\b\d{{1,2}}[/.]\d{{1,2}}[/.]\d{{4}}\b)"
    rf"|(?P<amount>{_BEFORE}[ \u00a0]?{_N}|\b{_N}[ \u00a0]?{_AFTER})"
    rf"|(?P<percent>\b{_N} ?(?:%|percent\b|prozent\b|por cento\b|por ciento\b))"
    rf"|(?P<time>\b\d{{1,2}}:\d{{2}}(?: ?[ap]\.?m\b)?|\b\d{{1,2}} ?[ap]\.?m\b)"
    rf"|(?P<dayfirst>\b\d{{1,2}}(?:st|nd|rd|th|\.)? (?:of |de )?{_MONTH}(?:,? (?:de )?\d{{4}}\b)?)"
    rf"|(?P<monthfirst>\b{_MONTH} \d{{1,2}}(?:st|nd|rd|th)?\b(?:,? \d{{4}}\b)?)"
    rf"|(?P<duration>\b\d{{1,4}}(?: ?(?:-|–|to|bis|a) ?\d{{1,4}})?[ -]?(?:{_WORK})?{_UNIT}(?:{_AFTER_WORK})?)"
    rf"|(?P<identifier>#[a-z0-9][\w-]{{2,30}}|\b[a-z]{{1,8}}[-_]?\d[a-z0-9_-]{{2,30}}|\b\d{{2,12}}[a-z-][a-z0-9-]{{3,24}})"
    rf"|(?P<number>{_N})",
)
_SPELT: Final = re.compile(rf"(?:{_WORK})?{_UNIT}(?:{_AFTER_WORK})?")
_MARKER: Final = re.compile(rf"^[ \t]{{0,8}}\d{{1,2}}[.)][ \t](?!{_MONTH})", re.MULTILINE)
_DIGIT: Final = re.compile(r"[0-9]")
_WORKDAY: Final = re.compile(f"{_WORK}|{_AFTER_WORK}")
_LETTERS: Final = re.compile(r"[^\W\d_]+")
_SEPARATOR: Final = re.compile("[.,]")
_LINK: Final = re.compile(r"(?:https?://|www\.)[^\s<>\"'()\[\]{}]{1,500}", re.IGNORECASE)
_EMAIL: Final = re.compile(r"[\w.+-]{1,64}@[\w.-]{1,200}")
_NUMBER: Final = re.compile(_N)
_SIGNED: Final = re.compile(r"\d+")
_SKIP: Final = frozenset("-_")
_THOUSAND: Final = 3
_EXACT: Final = 28
"""Digits that ``Decimal`` keeps."""
_PLAIN: Final = re.compile(r"[0-9]+\Z").match
_MONTH_DAYS: Final = 31
_YEAR_MONTHS: Final = 12


def facts(text: str) -> Facts:
    """The facts of ``text``, at most 200 of its first 8,000 characters. Texts are remembered."""
    return _facts(text[:MAX_CHARACTERS], cut=len(text) > MAX_CHARACTERS)


@lru_cache(maxsize=2_048)
def _facts(text: str, *, cut: bool) -> Facts:
    found: set[tuple[Kind, str]] = set()
    if "://" in text or "www." in text.lower():
        found.update(("link", link_value(match)) for match in _LINK.findall(text))
        text = _LINK.sub(" ", text)
    text = text.lower()
    if "@" in text:
        mails = [match.rstrip(".-_") for match in _EMAIL.findall(text)]
        found.update(("email", mail) for mail in mails if "." in mail.partition("@")[2])
        text = _EMAIL.sub(" ", text)
    if "\n" in text or text[:1].isdigit():
        text = _MARKER.sub(" ", text)
    words = text.split()
    if not _WORDS.keys().isdisjoint(words):
        found.update(_spelt(words))
    for match in _matches(" ".join(words)):
        fact = _value(match.lastgroup, match.group())
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
            if word in _MONTHS or word in _CURRENCIES:
                start = before
        match = _FACT.search(text, start)
        if match is None:
            return
        end = match.end()
        yield match


@lru_cache(maxsize=4_096)
def _value(group: str | None, text: str) -> tuple[Kind, str] | None:
    """The fact that a match means; both replies to a turn mostly state the same ones."""
    return _READERS[str(group)](text)


def _spelt(words: list[str]) -> Iterator[tuple[Kind, str]]:
    """Durations whose number is a word: ``two weeks``, ``five business days``."""
    for at in [at for at, word in enumerate(words) if word in _WORDS]:
        match = _SPELT.match(" ".join(words[at + 1 : at + 4]))
        fact = _value("duration", f"{_WORDS[words[at]]} {match.group()}") if match is not None else None
        if fact is not None:
            yield fact


def numbers(text: str) -> set[str]:
    """Every number in ``text`` whatever it means, normalised as in facts."""
    return {_decimal(match) for match in _NUMBER.findall(text)}


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


def _decimal(text: str) -> str:
    """The plain decimal form; a lone separator before exactly three digits groups thousands, unless a zero leads."""
    text = text.replace("\u202f", "").replace("\u00a0", "")
    if text.isdecimal() and text.isascii() and text[0] != "0":
        return text
    whole, _, part = text.partition(".")
    if _PLAIN(whole) and _PLAIN(part) and whole[0] != "0" and len(part) != _THOUSAND and len(text) <= _EXACT:
        part = part.rstrip("0")
        return f"{whole}.{part}" if part else whole
    comma, dot = text.rfind(","), text.rfind(".")
    mark = "," if comma > dot else "."
    at = max(comma, dot)
    if at >= 0:
        groups = text.count(mark) > 1 or (min(comma, dot) < 0 and len(text) - at - 1 == _THOUSAND and text[0] != "0")
        whole = _SEPARATOR.sub("", text[:at])
        text = whole + text[at + 1 :] if groups else f"{whole}.{text[at + 1 :]}"
        text = text.replace(",", "")
    try:
        number = Decimal(text).normalize()
    except InvalidOperation:
        return text
    return f"{number:f}"


def _amount(text: str) -> tuple[Kind, str] | None:
    match = _NUMBER.search(text)
    if match is None:
        return None
    currency = (text[: match.start()] + text[match.end() :]).strip(" \u00a0").lower()
    return "amount", f"{_decimal(match.group())} {_CURRENCIES.get(currency, currency.upper())}"


def _percent(text: str) -> tuple[Kind, str] | None:
    match = _NUMBER.search(text)
    return ("percent", _decimal(match.group())) if match else None


def _iso(text: str) -> tuple[Kind, str] | None:
    return _date(text[:4], int(text[5:7]), int(text[8:]))


def _slashed(text: str) -> tuple[Kind, str] | None:
    """Day first with dots; with slashes either may be meant, and both readings are kept."""
    first, second, year = re.split("[/.]", text)
    day_first, month_first = _date(year, int(second), int(first)), _date(year, int(first), int(second))
    readings = [day_first] if "." in text else [day_first, month_first]
    values = sorted({reading[1] for reading in readings if reading is not None})
    return ("date", "|".join(values)) if values else None


def _named(text: str) -> tuple[Kind, str] | None:
    digits = _SIGNED.findall(text)
    month = next((_MONTHS[word] for word in _LETTERS.findall(text) if word in _MONTHS), 0)
    return _date(digits[1] if len(digits) > 1 else "----", month, int(digits[0]))


def _date(year: str, month: int, day: int) -> tuple[Kind, str] | None:
    valid = 1 <= month <= _YEAR_MONTHS and 1 <= day <= _MONTH_DAYS
    return ("date", f"{year}-{month:02}-{day:02}") if valid else None


def _time(text: str) -> tuple[Kind, str] | None:
    hour, *rest = (int(part) for part in _SIGNED.findall(text))
    half = text.lower()
    noon = 12
    if "a" in half or "p" in half:
        hour = hour % noon + (noon if "p" in half else 0)
    return "time", f"{hour:02}:{rest[0] if rest else 0:02}"


def _duration(text: str) -> tuple[Kind, str] | None:
    lower = text.lower()
    counts = [int(number) for number in _SIGNED.findall(lower)]
    words = _LETTERS.findall(lower)
    base, factor = next((_UNITS[word] for word in reversed(words) if word in _UNITS), ("s", 1))
    if len(words) > 1 and _WORKDAY.search(lower):
        base, factor = "workday", 1
    return "duration", "-".join(str(count * factor) for count in counts) + f" {base}"


def _identifier(text: str) -> tuple[Kind, str] | None:
    value = text.lstrip("#").rstrip("-_").upper()
    if not any(character.isdigit() for character in value):
        return None
    return ("number", _decimal(value)) if value.isascii() and value.isdigit() else ("identifier", value)


_READERS: Final[dict[str, Callable[[str], tuple[Kind, str] | None]]] = {
    "iso": _iso,
    "slashed": _slashed,
    "amount": _amount,
    "percent": _percent,
    "time": _time,
    "dayfirst": _named,
    "monthfirst": _named,
    "duration": _duration,
    "identifier": _identifier,
    "number": lambda text: ("number", _decimal(text)),
}
