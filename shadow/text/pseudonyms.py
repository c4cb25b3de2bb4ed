"""What stands in place of personal data: ``<EMAIL_kqdtbnrz>``. The form alone; who makes them holds a key.

Letters only, and no vowel: no rule of ours takes them for a number, an amount or a word, and none spells one.
"""

from __future__ import annotations

import re
from typing import Final, Literal

Kind = Literal["email", "phone", "card", "iban", "ip", "national_id", "birth_date", "person", "address"]

LABELS: Final[dict[Kind, str]] = {
    "email": "EMAIL",
    "phone": "PHONE",
    "card": "CARD",
    "iban": "IBAN",
    "ip": "IP",
    "national_id": "ID",
    "birth_date": "BIRTH",
    "person": "PERSON",
    "address": "ADDRESS",
}
LETTERS: Final = "bcdfghjkmnpqrtvz"
"""One for each half of a byte."""

SIZE: Final = 8
"""32 bits: of 100 values of one kind in a conversation, two fall together once in a million times."""

PSEUDONYM: Final = re.compile(f"<(?:{'|'.join(LABELS.values())})_[{LETTERS}]{{{SIZE}}}>")


def spelt(kind: Kind, digest: bytes) -> str:
    """The pseudonym that the first four bytes of ``digest`` make."""
    letters = "".join(LETTERS[byte >> 4] + LETTERS[byte & 15] for byte in digest[: SIZE // 2])
    return f"<{LABELS[kind]}_{letters}>"
