"""Language: the one that the customer writes in."""

from __future__ import annotations

from typing import Final

from shadow.events import Turn
from shadow.slices import Why
from shadow.slices.customer import last_said, said
from shadow.text.language import LANGUAGES, MAX_CHARACTERS, language

OTHER: Final = "language=other"


class Language:
    """``language=en``, ``de``, ``pt``, ``es``, ``fr``, or ``other``: none of these, or not certain. About 10 us.

    The last message's language; where that is too short to tell, the language of all the customer's messages together,
    the newest first. What a turn's metadata says of the language is not looked at.
    Source: ``shadow.text.language``.
    """

    version: Final = 1
    names = (*(f"language={code}" for code in LANGUAGES), OTHER)

    def slices(self, turn: Turn) -> Why:
        """See :class:`shadow.slices.Slicer`."""
        code = language(last_said(turn))
        if code is not None:
            return {f"language={code}": "customer's last message"}
        messages = said(turn)
        code = language("\n".join(reversed(messages))[:MAX_CHARACTERS]) if len(messages) > 1 else None
        if code is not None:
            return {f"language={code}": f"customer's {len(messages)} messages together"}
        return {OTHER: f"none of {', '.join(LANGUAGES)}, or too few words to tell"}
