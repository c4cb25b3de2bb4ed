"""Personal data in a text: e-mail addresses, phone numbers, payment cards (Luhn) and IBANs (mod 97)."""

# ruff: noqa: E501 (a pattern or a list of words reads better on its line)

from __future__ import annotations

import re
from typing import Final, Literal

from shadow.text.context import digits_of

MAX_CHARACTERS: Final = 20_000
"""Longer texts are cut."""

Kind = Literal["email", "phone", "card", "iban"]

_K_IBAN: Final[Kind] = "iban"
_K_CARD: Final[Kind] = "card"
_K_PHONE: Final[Kind] = "phone"
_LONG: Final = re.compile(r"\d[\d ()./-]{7,40}\d")
_OTHER: Final = re.compile(r"\D")
_LINK: Final = re.compile(r"https?://\S{1,500}")
_EMAIL: Final = re.compile(r"[\w.+-]{1,64}@[\w.-]{1,200}")
_CARD: Final = re.compile(r"(?<![\w.+])\d[\d -]{11,22}\d(?![\w])")
_IBAN: Final = re.compile(r"[A-Z]{2}\d{2}[A-Z0-9 ]{11,42}")
_PHONE: Final = re.compile(
    r"(?<![\w.])(?<!\d )(?:\+\d[\d ()./-]{6,20}\d|\(?\d{3}\)?[ .-]\d{3}[ .-]\d{4}|\(?0\d{1,4}\)?[ /-]\d{3,8}(?:[ -]\d{2,6})?)(?![\w])"
)
_ROLES: Final = frozenset(
    {"abuse", "accounts", "admin", "billing", "care", "contact", "customercare", "customerservice", "feedback", "hello"}
    | {"help", "helpdesk", "info", "kontakt", "mail", "media", "noreply", "no-reply", "office", "orders", "press"}
    | {"privacy", "returns", "sales", "service", "suporte", "support", "team"}
)
_FREE: Final = ("1800", "1888", "1877", "1866", "1855", "1844", "1833", "800", "888", "877", "866", "0800", "49800")
_IBAN_LENGTHS: Final = {
    "AT": 20, "BE": 16, "BR": 29, "CH": 21, "DE": 22, "DK": 18, "ES": 24, "FI": 18, "FR": 27, "GB": 22, "IE": 22,
    "IT": 27, "LU": 20, "NL": 18, "NO": 15, "PL": 28, "PT": 25, "SE": 24,
}  # fmt: skip
_CARD_DIGITS: Final = range(13, 20)
_PHONE_DIGITS: Final = range(9, 16)


def personal_data(text: str) -> list[tuple[Kind, str]]:
    """Each piece of personal data as (kind, comparable value), in no order. About 3 us a text without digits.

    Mailboxes of a role (``support@``) and free-call numbers belong to nobody and are left out. Links are not looked
    into. Names and addresses are not looked for: no rule finds them without finding much else.
    """
    text = text[:MAX_CHARACTERS]
    if "://" in text:
        text = _LINK.sub(" ", text)
    found: dict[tuple[Kind, str], None] = dict.fromkeys(_mails(text) if "@" in text else ())
    if len(digits_of(text)) < _PHONE_DIGITS.start:
        return list(found)
    long = any(len(digits_of(match)) >= _PHONE_DIGITS.start for match in _LONG.findall(text))
    for kind, pattern, read in ((_K_IBAN, _IBAN, _iban), (_K_CARD, _CARD, _card), (_K_PHONE, _PHONE, _phone)):
        for match in pattern.findall(text) if long or kind == "iban" else ():
            value = read(match)
            if value is not None:
                found[kind, value] = None
                text = text.replace(match, " ")
    return list(found)


def _mails(text: str) -> list[tuple[Kind, str]]:
    mails = [match.lower().rstrip(".-_").partition("@") for match in _EMAIL.findall(text)]
    return [("email", f"{box}@{host}") for box, _, host in mails if "." in host and box not in _ROLES]


def _card(text: str) -> str | None:
    digits = _OTHER.sub("", text)
    return digits if len(digits) in _CARD_DIGITS and digits[0] in "3456" and luhn(digits) else None


def _phone(text: str) -> str | None:
    digits = _OTHER.sub("", text)
    return digits if len(digits) in _PHONE_DIGITS and not digits.startswith(_FREE) else None


def luhn(digits: str) -> bool:
    """Whether the check digit of a card number is right (ISO/IEC 7812-1); a number of one digit only is none."""
    doubled = [int(digit) * (1 + at % 2) for at, digit in enumerate(reversed(digits))]
    return len(set(digits)) > 1 and sum(value - 9 * (value > 9) for value in doubled) % 10 == 0  # noqa: PLR2004 (ISO 7812)


def _iban(text: str) -> str | None:
    """The IBAN that ``text`` begins with, without spaces, if its check digits are right (ISO 13616, mod 97 is 1)."""
    compact = text.replace(" ", "")
    length = _IBAN_LENGTHS.get(compact[:2])
    if length is None or len(compact) < length:
        return None
    compact = compact[:length]
    moved = compact[4:] + compact[:4]
    return compact if int("".join(str(int(character, 36)) for character in moved)) % 97 == 1 else None
