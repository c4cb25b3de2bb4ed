"""The words of a text, in lower case."""

from __future__ import annotations

import re
from typing import Final

_WORD: Final = re.compile(r"\w+")
_ASCII: Final = bytes(ord(char.lower()) if _WORD.match(char) else ord(" ") for char in map(chr, range(128))) * 2
"""Each byte of an ASCII text in lower case, a space for what stands in no word; the second half is never looked up."""


def words(text: str) -> list[str]:
    r"""What ``\w+`` finds in the lower-cased text, in its order. About 1 us a short ASCII text, 3 us another."""
    return text.encode().translate(_ASCII).decode().split() if text.isascii() else _WORD.findall(text.lower())
