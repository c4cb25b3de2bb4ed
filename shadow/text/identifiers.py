"""Whether a run of digits and letters is a card, an IBAN, an IP address, a phone number or a person's number."""

from __future__ import annotations

import ipaddress
import re
import string
import unicodedata
from collections.abc import Callable
from functools import lru_cache
from itertools import islice
from typing import Final

import phonenumbers
import stdnum.br.cpf
import stdnum.es.dni
import stdnum.es.nie
import stdnum.fi.hetu
import stdnum.fr.nir
import stdnum.iban
import stdnum.in_.aadhaar
import stdnum.in_.pan
import stdnum.it.codicefiscale
import stdnum.luhn
import stdnum.mx.curp
import stdnum.numdb
import stdnum.se.personnummer
import stdnum.us.itin
import stdnum.us.ssn

from shadow.text.context import digits_of

SEP: Final = r"[ \u00a0\u2007\u202f\u200b-\u200d\u2060\u00ad()./\u2010-\u2013-]"
"""What people write between the digits of one number: spaces of every width, brackets, dots, slashes, dashes."""

_FOREIGN_DIGIT: Final = re.compile(r"(?![0-9])\d")
_DASH: Final = re.compile(r"[\u2010-\u2013]")
_NO_WORD: Final = bytes(sign for sign in range(128) if not chr(sign).isalnum())
_ISSUERS: Final = re.compile(r"4|5|6|3[0-9]|2131|1800|22[2-9]|2[3-6]|27[01]|2720")
_FREE: Final = re.compile(r"(?:0{0,2}1)?8(?:00|33|44|55|66|77|88)|0800|(?:00)?49800|(?:00)?44800")
_GROUPED_REGIONS: Final = ("ES", "PL", "PT")
"""Where people write nine digits in three groups of three, and nothing before them."""

CARD_DIGITS: Final = range(12, 20)
PHONE_DIGITS: Final = range(7, 16)
TAIL: Final = 9
"""The last digits of a phone number that country codes and trunk zeros leave alone."""

_IBAN_VALUES: Final = {ord(letter): str(int(letter, 36)) for letter in string.ascii_uppercase}
"""For ``str.translate``: letters count from 10 on."""


def ascii_digits(text: str) -> str:
    """``text`` with the digits of other scripts as ASCII ones."""
    return text if text.isascii() else _FOREIGN_DIGIT.sub(lambda match: str(unicodedata.decimal(match[0])), text)


def digits(text: str) -> str:
    """The digits of ``text``, whatever script they are in."""
    return digits_of(ascii_digits(text))


def compact(text: str) -> str:
    """Letters and digits of ``text``, in capitals."""
    return compact_of(ascii_digits(text))


def compact_of(plain: str) -> str:
    """:func:`compact` of what :func:`ascii_digits` gave."""
    return plain.encode("ascii", "ignore").translate(None, _NO_WORD).decode().upper()


def luhn(number: str) -> bool:
    """Whether the check digit is right (ISO/IEC 7812-1); a number of one digit only is none."""
    return len(set(number)) > 1 and stdnum.luhn.is_valid(number)


def card(text: str, *, announced: bool = False) -> str | None:
    """The digits of a payment card, if its check digit is right.

    Twelve digits, or an issuer that is none, are a card only where the text says so: one number of ten passes.
    """
    number = digits(text)
    fits = len(number) in CARD_DIGITS and (announced or (len(number) > CARD_DIGITS.start and _ISSUERS.match(number)))
    return number if fits and luhn(number) else None


def iban(text: str) -> tuple[str, int] | None:
    """The IBAN that ``text`` begins with (ISO 13616: mod 97 is 1; the country's length and form), and its end."""
    whole = compact(text)
    number = whole[: _iban_length(whole[:2])]
    if (
        not number
        or int((number[4:] + number[:4]).translate(_IBAN_VALUES)) % 97 != 1
        or not stdnum.iban.is_valid(number)
    ):
        return None
    ends = (at for at, character in enumerate(text, start=1) if character.isalnum())
    return number, next(islice(ends, len(number) - 1, None))


@lru_cache(maxsize=26 * 26)
def _iban_length(country: str) -> int:
    """How long the country's IBANs are; 0 where there are none: few pairs of letters are such a country."""
    [(_, known), *_] = stdnum.numdb.get("iban").info(country)
    return 4 + sum(map(int, re.findall(r"\d+", known["bban"]))) if known else 0


def ip(text: str) -> str | None:
    """An address of the public internet; those of home networks, loopback and examples belong to nobody."""
    try:
        found = ipaddress.ip_address(text)
    except ValueError:
        return None
    return found.compressed if found.is_global else None


def free_call(number: str) -> bool:
    """Whether it costs nothing to call: such a number is a company's."""
    return _FREE.match(number) is not None


@lru_cache(maxsize=4_096)
def international(text: str) -> bool:
    """Whether a number that begins with ``+`` has a country's code and a length that is used there."""
    try:
        return bool(phonenumbers.is_possible_number(phonenumbers.parse(text, None)))
    except phonenumbers.NumberParseException:
        return False


@lru_cache(maxsize=4_096)
def grouped(number: str) -> bool:
    """Whether nine digits in groups of three are a number where phone numbers are written so."""
    return any(
        phonenumbers.is_valid_number(phonenumbers.parse(number, region)) for region in _GROUPED_REGIONS
    )  # nine digits always parse


_NATIONAL: Final[dict[str, tuple[str, Callable[[str], bool]]]] = {
    # name: what it looks like, and whether its check digits are right. No look alone suffices but where none exist.
    "us_ssn": (r"\d{3}[-\u2010-\u2013]\d{2}[-\u2010-\u2013]\d{4}", stdnum.us.ssn.is_valid),
    "us_itin": (r"9\d{2}[-\u2010-\u2013]\d{2}[-\u2010-\u2013]\d{4}", stdnum.us.itin.is_valid),
    "br_cpf": (r"\d{3}\.\d{3}\.\d{3}[-\u2010-\u2013]\d{2}", stdnum.br.cpf.is_valid),
    "es_dni": (r"\d{8}[ -]?[A-Za-z]", stdnum.es.dni.is_valid),
    "es_nie": (r"[XYZxyz][ -]?\d{7}[ -]?[A-Za-z]", stdnum.es.nie.is_valid),
    "gb_nino": (
        r"(?!BG|GB|NK|KN|TN|NT|ZZ)[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z] ?\d{2} ?\d{2} ?\d{2} ?[A-D]",
        lambda _: True,
    ),
    "it_codice_fiscale": (
        r"[A-Za-z]{6}\d{2}[A-Za-z]\d{2}[A-Za-z]\d{3}[A-Za-z]",
        stdnum.it.codicefiscale.is_valid,
    ),
    "mx_curp": (r"[A-Za-z]{4}\d{6}[A-Za-z]{6}[A-Za-z0-9]\d", stdnum.mx.curp.is_valid),
    "in_pan": (r"[A-Z]{5}\d{4}[A-Z]", stdnum.in_.pan.is_valid),
    "in_aadhaar": (r"[2-9]\d{3} \d{4} \d{4}", stdnum.in_.aadhaar.is_valid),
    "fi_hetu": (r"\d{6}[-+A][0-9]{3}[0-9A-Y]", stdnum.fi.hetu.is_valid),
    "se_personnummer": (r"(?:\d{2})?\d{6}[-+]\d{4}", stdnum.se.personnummer.is_valid),
    "fr_nir": (
        r"[12] ?\d{2} ?\d{2} ?\d[\dAB] ?\d{3} ?\d{3} ?\d{2}",
        stdnum.fr.nir.is_valid,
    ),
}
NATIONAL: Final = re.compile(
    r"(?<![\w.+-])(?:" + "|".join(f"(?P<{name}>{look})" for name, (look, _) in _NATIONAL.items()) + r")(?![\w]|-\w)"
)
"""Numbers that a state gives to a person, in a form that no other number has."""


def national(match: re.Match[str]) -> str | None:
    """The person's number that :data:`NATIONAL` matched, if its check digits are right."""
    text = ascii_digits(match.group())
    _, valid = _NATIONAL[str(match.lastgroup)]
    return compact(text) if valid(_DASH.sub("-", text)) else None
