"""Refusal: the arm declines to help."""

# ruff: noqa: E501 (a pattern or a list of words reads better on its line)

from __future__ import annotations

import re
from typing import Final

from shadow.events import Reply, Turn
from shadow.failures import NOTHING, Findings

MAX_CHARACTERS: Final = 600

_SAYS_NO: Final = re.compile(
    r"(?<!you )\b(?:can't|cannot|can not|unable to|not able to|won't) "
    r"(?:help(?: you)?|assist(?: you)?|comply|fulfil?l|answer|do|provide|discuss|process|handle|support)"
    r"(?: you)?(?: with)? (?:that|this|your|such|the)(?: kind of| type of)?(?: request| question| information| topic)?s? ?(?:[.,;!?]|$)"
    r"|\b(?:can't|cannot|unable to|not able to) (?:help|assist|comply) ?(?:[.!]|$)"
    r"|\bas an ai\b[^.!?]{0,60}\b(?:can't|cannot|unable|not able)"
    r"|\bdabei kann ich (?:ihnen |dir )?(?:leider )?nicht (?:weiter)?helfen"
    r"|\bkann ich (?:ihnen |dir )?(?:dabei |damit |hierbei )?(?:leider )?nicht (?:weiter)?helfen"
    r"|\bkann (?:diese|dieser|ihre|ihrer) (?:anfrage|bitte) (?:leider )?nicht (?:nachkommen|bearbeiten|beantworten)"
    r"|\bnão (?:posso|consigo) (?:te |lhe |o |a )?(?:ajudar|ajudá-lo|ajudá-la|atender|auxiliar)(?: você)? ?(?:com (?:isso|esse pedido|essa solicitação)|nisso|[.,!])"
    r"|\bno puedo (?:ayudar(?:le|te|lo|la)?|atender|asistir(?:le|te)?) ?(?:con (?:eso|esto|esa|esta|ese)|en eso|[.,!])"
    r"|\bje ne peux pas vous aider (?:avec|sur) (?:cela|ça|cette)"
)

_HINTS: Final = (
    "can't",
    "cannot",
    "can not",
    "unable to",
    "not able",
    "won't",
    "nicht",
    "não",
    "no puedo",
    "ne peux pas",
)
"""Where none of these stands, the pattern need not be tried."""


class Refusal:
    """``refusal``: no tool is called and the reply's beginning declines to help (en, de, pt, es, fr). About 3 us.

    Declining one thing (``I cannot refund shipping``) is no refusal. Source: own phrases, first 600 characters.
    """

    version: Final = 1

    def detect(self, turn: Turn, reply: Reply) -> Findings:  # noqa: ARG002 (the family's signature)
        """See :class:`shadow.failures.Detector`."""
        if reply.message is None or reply.message.tool_calls:
            return NOTHING
        text = reply.message.text[:MAX_CHARACTERS].lower().replace("’", "'")
        found = _SAYS_NO.search(text) if any(map(text.__contains__, _HINTS)) else None
        return {"refusal": f"says {found[0]!r}"} if found else NOTHING
