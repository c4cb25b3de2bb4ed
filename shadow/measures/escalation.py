"""Escalation: does one reply hand the customer over to a human, and the other not?"""

# ruff: noqa: E501 (a pattern or a list of words reads better on its line)

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from shadow.events import Message, Score
from shadow.measures import NO_TEXT, Pair

MAX_CHARACTERS: Final = 4_000

_WHO: Final = (
    r"(?:human|agent|representative|specialist|colleague|supervisor|manager|advisor|person|team member|support team)"
)
_HANDS_OVER: Final = re.compile(
    rf"\b(?:transfer|connect|forward|hand|pass|put|refer)(?:ring|ing|red|ed)? (?:you|this|your [a-z]{{1,12}}) (?:now |over |on |through |directly ){{0,2}}(?:to|with) [a-z' ]{{0,30}}\b{_WHO}"
    rf"|\bescalat(?:e|ed|ing) (?:this|your|the|it)\b"
    rf"|\b{_WHO}s? will (?:contact|call|reach|get back|take over|be with)"
    r"|\b(?:verbinde|leite|gebe|übergebe)\b[^.!?]{0,50}\b(?:mitarbeiter|kolleg|berater|fachabteilung|support-team|menschen|vorgesetzten)"
    r"|\b(?:transferir|transferindo|encaminhar|encaminhando|encaminhei|passar|conectar)\b[^.!?]{0,50}\b(?:atendente|agente|especialista|supervisor|humano|colega|equipe|equipa)"
    r"|\b(?:transferir(?:le|lo|la|te)?|transfiero|comunicar(?:le|lo|te)?|comunico|paso|derivar(?:lo|le)?|derivo|escalar|conectar(?:le|lo|te)?)\b[^.!?]{0,50}\b(?:agente|especialista|supervisor|humano|compañer|asesor|equipo)"
)
_TOOL: Final = re.compile(r"human|escalat|hand_?-?(?:off|over)|transfer_to|live_?agent|supervisor", re.IGNORECASE)

_HINTS: Final = (
    "transf",
    "connect",
    "forward",
    "hand",
    "pass",
    "put",
    "refer",
    "escal",
    " will ",
    "verbinde",
    "leite",
    "gebe",
    "encaminh",
    "conect",
    "comuni",
    "paso",
    "deriv",
)
"""Where none of these stands, the pattern need not be tried."""


class Escalation:
    """1 where one side hands over to a human, in words or by a tool, and the other does not; else 0. About 10 us.

    Phrases of en, de, pt and es; in another language only tools are seen. An offer (``would you like an agent?``)
    counts only where it names the hand-over. Abstains where a side has neither text nor tool call. Source: own phrases.
    """

    version: Final = 1

    def score(self, pairs: Sequence[Pair]) -> list[Score]:
        """See :class:`shadow.measures.Measure`."""
        read: dict[str, bool] = {}  # production's reply is in as many pairs as there are arms
        return [self._one(pair.production, pair.arm, read) for pair in pairs]

    def _one(self, production: Message, arm: Message, read: dict[str, bool]) -> Score:
        left, right = _hands_over(production, read), _hands_over(arm, read)
        return NO_TEXT if left is None or right is None else Score.trusted(value=float(left != right), abstained=None)


def _hands_over(message: Message, read: dict[str, bool]) -> bool | None:
    text = message.text[:MAX_CHARACTERS]
    if not message.tool_calls and not text.strip():
        return None
    if any(_TOOL.search(call.function.name[:200]) for call in (message.tool_calls or [])[:64]):
        return True
    if text not in read:
        lower = text.lower()
        read[text] = any(map(lower.__contains__, _HINTS)) and _HANDS_OVER.search(lower) is not None
    return read[text]
