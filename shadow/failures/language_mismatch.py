"""Language mismatch: the arm answers in another language than the customer's."""

from __future__ import annotations

from typing import Final

from shadow.events import Reply, Turn
from shadow.failures import NOTHING, Findings
from shadow.text.language import language


class LanguageMismatch:
    """``language_mismatch``: the reply's language is not that of the customer's last message. About 13 us.

    Only where both are certain; short messages seldom are. Source: ``shadow.text.language``.
    """

    version: Final = 1

    def detect(self, turn: Turn, reply: Reply) -> Findings:
        """See :class:`shadow.failures.Detector`."""
        if reply.message is None:
            return NOTHING
        spoken = language(reply.message.text)
        if spoken is None:
            return NOTHING
        asked = next((language(message.text) for message in reversed(turn.messages) if message.role == "user"), None)
        if asked is None or asked == spoken:
            return NOTHING
        return {"language_mismatch": f"asked in {asked}, answered in {spoken}"}
