"""Claimed action: the arm says that it did what no tool call did."""

# ruff: noqa: E501 (a pattern or a list of words reads better on its line)

from __future__ import annotations

import re
from typing import Final

from shadow.events import Reply, Turn
from shadow.failures import NOTHING, Findings

MAX_CHARACTERS: Final = 4_000

_DONE: Final = (
    "refunded|cancelled|canceled|processed|issued|updated|changed|booked|rebooked|initiated|submitted|escalated|"
    "transferred|closed|reset|applied|scheduled|placed|credited"
)
_CLAIMS: Final = re.compile(
    rf"\b(?:i've|i have|we've|we have) (?:just |now |already |also |successfully |gone ahead and ){{0,2}}(?:{_DONE})\b"
    rf"|\bhas (?:now |just )?been successfully (?:{_DONE})\b"
    r"|\bich habe\b[^.!?]{0,80}\b(?:storniert|erstattet|geändert|veranlasst|aktualisiert|gebucht|gekündigt|zurückgesetzt|eingeleitet)\b"
    r"|\b(?:cancelei|reembolsei|processei|atualizei|alterei|reservei|solicitei o reembolso)\b"
    r"|(?<!\bse )\bhe (?:cancelado|reembolsado|procesado|actualizado|cambiado|reservado|tramitado|iniciado)\b"
)

_HINTS: Final = (
    "i've",
    "i have",
    "we've",
    "we have",
    "been successfully",
    "ich habe",
    "celei",
    "bolsei",
    "cessei",
    "ualizei",
    "alterei",
    "reservei",
    "olicitei",
    "he can",
    "he re",
    "he pro",
    "he act",
    "he cam",
    "he tra",
    "he ini",
)
"""Where none of these stands, the pattern need not be tried."""


class ClaimedAction:
    """``claimed_action``: ``I have cancelled ...`` where tools are offered and none was called. About 6 us.

    A tool's result anywhere in the turn clears it: the action may be an earlier one. First person, or ``has been
    successfully ...``, in en, de, pt and es. Source: own phrases, first 4,000 characters.
    """

    version: Final = 1

    def detect(self, turn: Turn, reply: Reply) -> Findings:
        """See :class:`shadow.failures.Detector`."""
        if reply.message is None or reply.message.tool_calls or not turn.tools:
            return NOTHING
        if any(message.role == "tool" or message.tool_calls for message in turn.messages):
            return NOTHING
        text = reply.message.text[:MAX_CHARACTERS].lower().replace("’", "'")
        found = _CLAIMS.search(text) if any(map(text.__contains__, _HINTS)) else None
        return {"claimed_action": f"{found[0].rpartition(' ')[2]!r}, and no tool is called"} if found else NOTHING
