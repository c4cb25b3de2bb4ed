"""What a stated fact means: a piece of text and its kind as a comparable value, for :mod:`shadow.text.facts`.

``49 USD``, ``$49.00`` and ``USD 49`` are one value, and so are ``2 weeks`` and ``14 days``.
"""

# ruff: noqa: E501 (a list of words reads better on its line)

from __future__ import annotations

import re
from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from typing import Final, Literal

Kind = Literal["amount", "number", "percent", "date", "time", "duration", "link", "email", "identifier"]
Fact = tuple[Kind, str]

CURRENCIES: Final = {
    "$": "USD", "us$": "USD", "usd": "USD", "dollar": "USD", "dollars": "USD", "dólares": "USD", "dólar": "USD",
    "€": "EUR", "eur": "EUR", "euro": "EUR", "euros": "EUR", "£": "GBP", "gbp": "GBP", "pounds": "GBP",
    "r$": "BRL", "brl": "BRL", "reais": "BRL", "¥": "JPY", "jpy": "JPY", "yen": "JPY", "₹": "INR", "inr": "INR",
    "chf": "CHF", "c$": "CAD", "ca$": "CAD", "cad": "CAD", "a$": "AUD", "au$": "AUD", "aud": "AUD",
}  # fmt: skip
MONTHS: Final = {
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
NUMBER_WORDS: Final = {
    word: number
    for number, words in enumerate(
        ("one", "two zwei dois duas dos", "three drei três tres", "four vier quatro cuatro", "five fünf cinco",
         "six sechs seis", "seven sieben sete siete", "eight acht oito ocho", "nine neun nove nueve", "ten zehn dez diez",
         "eleven elf onze once", "twelve zwölf doze doce", "thirteen dreizehn treze trece",
         "fourteen vierzehn quatorze catorze catorce", "fifteen fünfzehn quinze quince"),
        start=1,
    )
    for word in words.split()
}  # fmt: skip
UNITS: Final = {
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

NUMBER: Final = r"\d(?:[\d.,\u202f\u00a0]{0,30}\d)?"
"""The pattern of a number, with separators of any country."""
WORK: Final = r"(?:business|working|work)[ -]"
AFTER_WORK: Final = r" (?:úteis|útil|hábiles|hábil|laborables)\b"
"""Before or after a unit they say that working days are meant."""

_NUMBER: Final = re.compile(NUMBER)
_WORKDAY: Final = re.compile(f"{WORK}|{AFTER_WORK}")
_LETTERS: Final = re.compile(r"[^\W\d_]+")
_SEPARATOR: Final = re.compile("[.,]")
_SIGNED: Final = re.compile(r"\d+")
_THOUSAND: Final = 3
_EXACT: Final = 28
"""Digits that ``Decimal`` keeps."""
_PLAIN: Final = re.compile(r"[0-9]+\Z").match
_MONTH_DAYS: Final = 31
_YEAR_MONTHS: Final = 12


@lru_cache(maxsize=4_096)
def value(group: str | None, text: str) -> Fact | None:
    """The fact that ``text``, in lower case, means as a ``group`` of the finder's pattern, or None.

    Remembered: both replies to a turn mostly state the same ones.
    """
    return _READERS[str(group)](text)


def numbers(text: str) -> set[str]:
    """Every number in ``text`` whatever it means, normalised as in facts."""
    return {_decimal(match) for match in _NUMBER.findall(text)}


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


def _amount(text: str) -> Fact | None:
    match = _NUMBER.search(text)
    if match is None:
        return None
    currency = (text[: match.start()] + text[match.end() :]).strip(" \u00a0").lower()
    return "amount", f"{_decimal(match.group())} {CURRENCIES.get(currency, currency.upper())}"


def _percent(text: str) -> Fact | None:
    match = _NUMBER.search(text)
    return ("percent", _decimal(match.group())) if match else None


def _iso(text: str) -> Fact | None:
    return _date(text[:4], int(text[5:7]), int(text[8:]))


def _slashed(text: str) -> Fact | None:
    """Day first with dots; with slashes either may be meant, and both readings are kept."""
    first, second, year = re.split("[/.]", text)
    day_first, month_first = _date(year, int(second), int(first)), _date(year, int(first), int(second))
    readings = [day_first] if "." in text else [day_first, month_first]
    values = sorted({reading[1] for reading in readings if reading is not None})
    return ("date", "|".join(values)) if values else None


def _named(text: str) -> Fact | None:
    digits = _SIGNED.findall(text)
    month = next((MONTHS[word] for word in _LETTERS.findall(text) if word in MONTHS), 0)
    return _date(digits[1] if len(digits) > 1 else "----", month, int(digits[0]))


def _date(year: str, month: int, day: int) -> Fact | None:
    valid = 1 <= month <= _YEAR_MONTHS and 1 <= day <= _MONTH_DAYS
    return ("date", f"{year}-{month:02}-{day:02}") if valid else None


def _time(text: str) -> Fact | None:
    hour, *rest = (int(part) for part in _SIGNED.findall(text))
    half = text.lower()
    noon = 12
    if "a" in half or "p" in half:
        hour = hour % noon + (noon if "p" in half else 0)
    return "time", f"{hour:02}:{rest[0] if rest else 0:02}"


def _duration(text: str) -> Fact | None:
    lower = text.lower()
    counts = [int(number) for number in _SIGNED.findall(lower)]
    words = _LETTERS.findall(lower)
    base, factor = next((UNITS[word] for word in reversed(words) if word in UNITS), ("s", 1))
    if len(words) > 1 and _WORKDAY.search(lower):
        base, factor = "workday", 1
    return "duration", "-".join(str(count * factor) for count in counts) + f" {base}"


def _identifier(text: str) -> Fact | None:
    name = text.lstrip("#").rstrip("-_").upper()
    if not any(character.isdigit() for character in name):
        return None
    return ("number", _decimal(name)) if name.isascii() and name.isdigit() else ("identifier", name)


_READERS: Final[dict[str, Callable[[str], Fact | None]]] = {
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
