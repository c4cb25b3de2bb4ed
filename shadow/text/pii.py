"""Personal data in a text: the one place that says what it is. Leak detection and redaction both ask here.

E-mail addresses, phone numbers, payment cards, IBANs, public IP addresses, the numbers that a state gives to a person,
and dates that the text calls dates of birth; besides, the names and addresses that the caller knows. **Names and
addresses that nobody declared are not found**: no rule finds them without finding much else.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache, partial
from typing import Final

from shadow.text import identifiers as ids
from shadow.text import looks as look
from shadow.text.pseudonyms import PSEUDONYM, Kind
from shadow.text.reading import BEFORE, Findings, Found, Reading, Said

MAX_CHARACTERS: Final = 20_000
"""A reply is looked into as far as this for leaks."""

WINDOW: Final = 8_192
"""Long texts are read in pieces: one piece holds the interpreter for some milliseconds, and pieces are remembered."""

REACH: Final = 400
"""How far the pieces overlap: no identifier is longer."""

MAX_NAME: Final = 200


NOTHING: Final = Findings((), ())


def personal_data(text: str) -> list[tuple[Kind, str]]:
    """Each piece of personal data once, as (kind, comparable value), in order. About 3 us a text without digits.

    Mailboxes of a role (``support@``) and free-call numbers belong to nobody and are left out. Links are not looked
    into. Only the first 20,000 characters are read.
    """
    return list(dict.fromkeys((kind, value) for kind, _, _, value in find(text[:MAX_CHARACTERS]).found))


def find(text: str, *, known: tuple[tuple[Kind, str], ...] = (), in_links: bool = False) -> Findings:
    """Where personal data stands in ``text``. Takes time in proportion to the length, whatever is written there.

    ``known`` are names or addresses to find too, the parts of a name as well (see :func:`names`). With ``in_links``,
    links are searched for e-mail addresses, cards, IBANs and known names.
    """
    signs = "@" in text or "%40" in text or text.count(":") > 1 or look.HAS_DIGITS.search(text)
    if not (signs or (known and any(pattern.search(text) for _, pattern in names(known)))):
        return NOTHING
    found: list[Found] = []
    unsure: list[tuple[int, int]] = []
    for start in range(0, len(text), WINDOW):
        first = max(0, start - REACH)
        piece = _read(text[first : start + WINDOW + REACH], known, in_links=in_links)
        here = range(start - first, start - first + WINDOW)
        found += [Found(kind, at + first, end + first, value) for kind, at, end, value in piece.found if at in here]
        unsure += [(at + first, end + first) for at, end in piece.unsure if at in here]
    return Findings(tuple(found), tuple(unsure))


@lru_cache(maxsize=64)
def names(known: tuple[tuple[Kind, str], ...]) -> tuple[tuple[Kind, re.Pattern[str]], ...]:
    """Patterns for what the caller knows: as a whole in whatever case; a person's name also part by part.

    A part begins with a capital, or is written in capitals, and has three letters at least; ``van`` is none.
    One that is a word as well (``May``, ``Will``) is found as that word too, where it is written so.
    """
    looks: dict[Kind, dict[str, None]] = {"person": {}, "address": {}}
    for kind, text in sorted(known, key=lambda one: len(one[1]), reverse=True):  # the longest that fits
        words = text[:MAX_NAME].split()
        if len("".join(words)) < look.MIN_NAME:
            continue
        whole = r"[\s,]{1,3}".join(map(re.escape, words))
        looks[kind][_bounded(f"(?i:{whole})", text)] = None
        if kind == "person" and len(words) > 1:
            looks[kind].update(dict.fromkeys(_bounded(re.escape(part), part) for part in _parts(words)))
    return tuple((kind, re.compile("|".join(found))) for kind, found in looks.items() if found)


def _parts(words: list[str]) -> Iterator[str]:
    small = all(word.islower() for word in words)
    for word in (word.strip(".,") for word in words):
        part = word.capitalize() if small else word
        if len(part) > look.MIN_NAME and not part[0].islower() and part.lower() not in look.NO_PART:
            yield from (part, part.upper())


def _bounded(pattern: str, text: str) -> str:
    """The pattern between word boundaries; scripts without case are written without spaces too."""
    return rf"(?<!\w){pattern}(?!\w)" if text.lower() != text.upper() else pattern


@lru_cache(maxsize=512)
def _read(text: str, known: tuple[tuple[Kind, str], ...], *, in_links: bool) -> Findings:
    """The findings of one piece. The order of the steps settles what a number is that could be two things."""
    reading = Reading(text)
    links = [match.span() for match in look.LINK.finditer(text)] if "://" in text else []
    if "<" in text:
        reading.blank([match.span() for match in PSEUDONYM.finditer(text)])
    if not in_links:
        reading.blank(links)
    if "@" in reading.rest or "%40" in reading.rest:
        reading.take(look.EMAIL, _email)
    for kind, pattern in names(known):
        reading.take(pattern, partial(_name, kind))
    if reading.rest.count(":") > 1:
        reading.take(look.IPV6, _ip)
    if not reading.keep_to_digits():
        return reading.findings()
    said = Said(reading)
    if not (said.personal or reading.many_digits()):
        return reading.findings()
    reading.take(look.IBAN, _iban)
    reading.take(look.CARD, partial(_card, said))
    reading.blank(links)
    if "birth_date" in said:
        reading.take(look.BIRTH, partial(_birth_date, said))
    reading.blank([match.span() for match in reading.matches(look.DATE)])
    reading.take(ids.NATIONAL, lambda match: _found("national_id", match, ids.national(match)))
    reading.take(look.IPV4, _ip)
    reading.take(look.TOKEN, partial(_announced_id, said))
    reading.take(look.PHONE, partial(_phone, said))
    reading.take(look.RUN, partial(_announced_run, said))
    return reading.findings(tuple(_unsure(reading, said)))


def _found(kind: Kind, match: re.Match[str], value: str | None) -> Found | None:
    return None if value is None else Found(kind, match.start(), match.end(), value)


def _name(kind: Kind, match: re.Match[str]) -> Found:
    return Found(kind, match.start(), match.end(), " ".join(match[0].casefold().replace(",", " ").split()))


def _email(match: re.Match[str]) -> Found | None:
    text = match[0].rstrip("-_")
    box, _, host = text.lower().replace("%40", "@").rpartition("@")
    belongs = box not in look.ROLES and not host.rpartition(".")[2].isdigit()
    return Found("email", match.start(), match.start() + len(text), f"{box}@{host}") if belongs else None


def _iban(match: re.Match[str]) -> Found | None:
    read = ids.iban(match[1])
    return None if read is None else Found("iban", match.start(), match.start() + read[1], read[0])


def _card(said: Said, match: re.Match[str]) -> Found | None:
    return _found("card", match, ids.card(match[0], announced=said.what(match.start()) == "card"))


def _birth_date(said: Said, match: re.Match[str]) -> Found | None:
    """A date that the text calls a date of birth; its digits, where the month is no word."""
    what = said.what(match.start())
    return _found("birth_date", match, ids.compact(match[0])) if what == "birth_date" else None


def _ip(match: re.Match[str]) -> Found | None:
    version = look.VERSION.search(match.string[max(0, match.start() - BEFORE) : match.start()])
    return None if version else _found("ip", match, ids.ip(match[0]))


def _announced_id(said: Said, match: re.Match[str]) -> Found | None:
    """A token that the text calls a passport, a driver's licence, a tax number: whatever its check digits say."""
    if said.what(match.start()) != "national_id":
        return None
    text = match[0] if len(ids.digits(match[0])) in look.ID_DIGITS else match[0].split(" ")[0]
    if len(ids.digits(text)) not in look.ID_DIGITS:
        return None
    return Found("national_id", match.start(), match.start() + len(text), ids.compact(text))


def _phone(said: Said, match: re.Match[str]) -> Found | None:
    """A number that is written as phone numbers are."""
    shape, what = str(match.lastgroup), said.what(match.start())
    number = ids.digits(match[shape])
    if shape == "plus":
        fits = what == "phone" or ids.international(ids.ascii_digits(match["plus"]))
    elif what == "other":
        fits = False
    elif shape == "three":
        fits = what == "phone" or ids.grouped(number)
    else:
        fits = len(number) in (ids.PHONE_DIGITS if what == "phone" else look.BARE_PHONE_DIGITS[shape])
    return _found("phone", match, number) if fits and not ids.free_call(number) else None


def _announced_run(said: Said, match: re.Match[str]) -> Found | None:
    """Any run of digits that the text calls a phone number or a card, before it or after."""
    what = said.what(match.start())
    number = ids.card(match[0], announced=what == "card")
    if number is not None:
        return _found("card", match, number)
    if what != "phone" and not look.AFTER.match(match.string, match.end()):
        return None
    # Numbers may follow one another: take as many groups as one number can have.
    end, count = match.end(), 0
    for group in look.GROUP.finditer(match[0]):
        if count + len(group[0]) > ids.PHONE_DIGITS.stop - 1:
            break
        end, count = match.start() + group.end(), count + len(group[0])
    number = ids.digits(match.string[match.start() : end])
    if len(number) not in ids.PHONE_DIGITS or ids.free_call(number):
        return None
    return Found("phone", match.start(), end, number)


def _unsure(reading: Reading, said: Said) -> Iterator[tuple[int, int]]:
    """Digits left over that are as many as an identifier has, unless the text says that they are an order's."""
    for match in reading.matches(look.RUN):
        number = ids.digits(match[0])
        free = ids.free_call(number) or look.IPV4.fullmatch(match[0])
        if len(number) >= look.UNSURE_DIGITS and not free and said.what(match.start()) != "other":
            yield match.span()
