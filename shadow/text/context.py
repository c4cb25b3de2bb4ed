"""Looking things up in a long text: does a value stand there, whatever its spaces, dashes and case?"""

from __future__ import annotations

import re
from typing import Final

_DASHES: Final = re.compile(r"[^\w@./]+|_+")
_DELETED: Final = bytes(set(range(256)) - set(b"0123456789"))


def squeezed(text: str) -> str:
    """``text`` in one case, without white space, dashes and other punctuation; dots, slashes and ``@`` stay."""
    return _DASHES.sub("", text.casefold())


def digits_of(text: str) -> str:
    """The ASCII digits of ``text``, in their order."""
    return text.encode("ascii", "ignore").translate(None, _DELETED).decode()
