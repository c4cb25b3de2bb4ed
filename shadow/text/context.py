"""Looking things up in a long text: does a value stand there, whatever its spaces, dashes and case?"""

from __future__ import annotations

import re
from typing import Final

_DASHES: Final = re.compile(r"[^\w@./]+|_+")
_DELETED: Final = bytes(set(range(256)) - set(b"0123456789"))
_NO_VALUE: Final = bytes(code for code in range(128) if _DASHES.match(chr(code)))


def squeezed(text: str) -> str:
    """``text`` in one case, without white space, dashes and other punctuation; dots, slashes and ``@`` stay."""
    text = text.casefold()
    return text.encode().translate(None, _NO_VALUE).decode() if text.isascii() else _DASHES.sub("", text)


def digits_of(text: str) -> str:
    """The ASCII digits of ``text``, in their order."""
    return text.encode("ascii", "ignore").translate(None, _DELETED).decode()
