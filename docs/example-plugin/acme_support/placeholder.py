"""Placeholder: a template that nobody has filled in."""

from __future__ import annotations

import re
from typing import Final

from shadow.events import Reply, Turn
from shadow.failures import NOTHING, Findings

MAX_CHARACTERS: Final = 20_000
"""Longer replies are cut: every plug-in bounds its own time."""

_OPEN: Final = re.compile(
    r"\{\{ ?[a-z_. ]{1,40}\}\}|\[(?:customer|order|agent|ticket)[ _](?:name|number|id)\]", re.IGNORECASE
)


class Placeholder:
    """``malformed``: the reply holds ``{{name}}`` or ``[order number]``. About 2 us.

    A kind is one of the closed set, and the cause says which of them it is here. Not found: other template languages.
    """

    version: Final = 1

    def detect(self, turn: Turn, reply: Reply) -> Findings:  # noqa: ARG002 (the family's signature)
        """See :class:`shadow.failures.Detector`."""
        if reply.message is None:
            return NOTHING
        found = _OPEN.search(reply.message.text[:MAX_CHARACTERS])
        return {"malformed": "a placeholder is left open"} if found else NOTHING
