"""Messages that models stumble over: empty, emoji only, very long, code, injection, mixed language."""

# ruff: noqa: E501 (a pattern or a list of words reads better on its line)

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import Final

from shadow.text.language import languages

MAX_CHARACTERS: Final = 8_000
"""Longer messages are ``very_long``, and looked into for the rest only so far."""
VERY_LONG: Final = 2_000
"""Of 1,801 customers' messages in recorded chats, one was longer."""

_LETTER: Final = re.compile(r"[^\W_]")
_EMOJI: Final = re.compile("[\u2190-\u2bff\u3297\u3299\U0001f000-\U0001faff©®‼⁉™ℹ]")
_KEYCAP: Final = re.compile("[0-9#*]\ufe0f?\u20e3")
_SOME: Final = re.compile(r"\S")

_CODE: Final = re.compile(
    r"```|\bTraceback \(most recent call last\)|^\s{0,20}at [\w$.]{1,200}\([\w$.: ]{1,100}\)|\b[A-Z]\w{0,80}(?:Error|Exception): "
    r"|^\s{0,40}(?:(?:async )?(?:def|function) \w{1,80} ?\(|class \w{1,80}[^\n]{0,100}[{:]$|(?:const|let|var) [\w{]{1,80} ?=|from [\w.]{1,80} import \w|import [^\n]{1,80} from ['\"]|#include ?[<\"]|(?:public|private) (?:static|class|void|final) )"
    r"|\bSELECT\b[^\n]{1,200}\bFROM\b|\bINSERT INTO \w|\bUPDATE \w{1,60} SET\b|^\s{0,40}(?:\$ )?(?:curl (?:-|https?:)|sudo [a-z]|npm (?:i|install|run)\b|pip install\b)"
    r"|[;{]\s{0,20}$(?=[^\n]{0,5}\n[^\n]{0,300}[;{}])|</?(?:div|html|script|body|span|table|p|a|br|img)\b[^>\n]{0,200}>"
    r"|^\s{0,40}\{\s{0,40}\"[^\"\n]{1,80}\"\s{0,10}:",
    re.MULTILINE,
)
_CODE_HINTS: Final = (
    "`",
    "(",
    ";",
    "<",
    "{",
    "Error:",
    "Exception:",
    "=",
    "SELECT",
    "INSERT",
    "curl ",
    "import ",
    "class ",
    "public ",
    "private ",
    "sudo ",
    "npm ",
    "pip ",
)

_EARLIER: Final = r"(?:previous|prior|above|earlier|preceding|existing|former|system|safety|initial|original)"
_RULES: Final = r"(?:instructions?|prompts?|rules?|guidelines|directions|programming)"
_DROP: Final = r"(?:ignor(?:e|a|en|em|es|er|ez|ar)|esque[çc]a[ms]?|desconsidere[ms]?|desobede(?:[çz]a|zca)|olvid[ae][rsn]?|oublie[rzs]?|outrepasse[rzs]?)"
_ORDERS: Final = r"(?:instruções|instrucoes|regras|diretrizes|instrucciones|reglas|directrices|instructions|consignes|règles|directives)"
_INJECTION: Final = re.compile(
    rf"\b(?:ignore|disregard|forget|override|bypass|overlook|skip)\b[^.!?\n]{{0,30}}\b(?:{_EARLIER}\b[^.!?\n]{{0,20}}\b{_RULES}|(?:all|any|these|those|your)(?: of)?(?: the| my| your)? {_RULES})\b"
    rf"|\b(?:print|show|reveal|repeat|output|display|tell|give|leak|share|write)\b[^.!?\n]{{0,30}}\b(?:(?:hidden|secret|initial|internal|developer) (?:prompts?|instructions)\b|your (?:prompts?|instructions) ?(?:[.,!?:;]|$|to me\b|verbatim|in full|word))"
    r"|\bsystem ?-?prompts?\b|\b(?:developer|debug|god|dan|jailbreak|admin) mode\b|\bjailbreak|\bdo anything now\b"
    r"|\byou are (?:now (?:an? |the |in |acting )|no longer (?:an? |bound |the ))|\b(?:pretend|act) (?:to be|as if you|as though you|as an? (?:unrestricted|unfiltered|uncensored|different|evil))"
    r"|\bfrom now on,? (?:you|ignore|act|respond|answer)\b|\bnew (?:system )?instructions? ?:"
    r"|<\|?(?:im_start|im_end|system|endoftext)\|?>|\[/?inst\]|<</?sys>>|</?(?:system|instructions?)>|^ {0,3}#{2,4} ?(?:system|instructions?)\b|^(?:system|assistant|developer) ?:"
    r"|\b(?:ignoriere?n?|vergiss|vergesse?n?|missachte?n?|überspringe?n?|umgehe?n?)\b[^.!?\n]{0,20}\b(?:alle|deine|ihre|vorherige|bisherige|vorige|obige|frühere|system)\w{0,4}\b[^.!?\n]{0,25}\b(?:anweisung|instruktion|regel|vorgabe|richtlinie)"
    rf"|\b{_DROP}\b[^.!?\n]{{0,20}}\b(?:todas|suas|tuas|sus|tus|toutes|tes|vos)\b[^.!?\n]{{0,15}}\b{_ORDERS}\b"
    rf"|\b{_DROP}\b[^.!?\n]{{0,25}}\b{_ORDERS}\b[^.!?\n]{{0,15}}\b(?:anteriores|prévias|previas|acima|iniciais|iniciales|précédentes|antérieures|ci-dessus|(?:do|del|du) (?:sistema|système))\b"
    r"|\b(?:zeig|nenn|verrat|gib|mostr|muestr|muéstr|revel|imprim|diga|dime|affich|montr|révèl)\w{0,4}\b[^.!?\n]{0,40}\b(?:system-?prompt|systemanweisung|prompt (?:do|de|del|du) (?:sistema|système)|prompt système)"
    r"|\bmodo (?:desarrollador|desenvolvedor)\b|\bentwicklermodus\b|\bmode développeur\b",
    re.MULTILINE,
)
_INJECTION_HINTS: Final = (
    "instru", "prompt", "rule", "guideline", "directi", "directri", "programming", " mode", "jailbreak", "anything now",
    "you are n", "pretend", "act ", "from now", "<", "inst]", "# ", "ystem:", "assistant:", "developer:", "anweis",
    "regel", "vorgabe", "richtlini", "regra", "diretri", "regla", "consigne", "règle", "modo ", "modus",
)  # fmt: skip
"""Where none of these stands, the pattern need not be tried."""


def edges(text: str) -> Mapping[str, str]:
    """The kinds of edge that a customer's message is, each with why, in words that are not the customer's.

    About 6 us a message; the last ones are remembered, for several slicers ask.
    """
    found = _edges(text[:MAX_CHARACTERS])
    return found if len(text) <= MAX_CHARACTERS else {**found, "very_long": f"{len(text):,} characters"}


@lru_cache(maxsize=512)
def _edges(text: str) -> Mapping[str, str]:
    found = {}
    for edge, look in _LOOKS.items():
        why = look(text)
        if why is not None:
            found[edge] = why
    return MappingProxyType(found)


def _empty(text: str) -> str | None:
    return None if _SOME.search(text) else "no text"


def _emoji_only(text: str) -> str | None:
    bare = _KEYCAP.sub("☐", text) if "\u20e3" in text else text
    return "emoji, and neither letter nor digit" if not _LETTER.search(bare) and _EMOJI.search(bare) else None


def _very_long(text: str) -> str | None:
    return f"{len(text):,} characters" if len(text) >= VERY_LONG else None


def _code(text: str) -> str | None:
    hinted = any(map(text.__contains__, _CODE_HINTS))
    return "code, markup, a query or an error's trace" if hinted and _CODE.search(text) else None


def _injection(text: str) -> str | None:
    lower = text.lower()
    hinted = any(map(lower.__contains__, _INJECTION_HINTS))
    return "tells the model to leave its instructions, or to show them" if hinted and _INJECTION.search(lower) else None


def _mixed_language(text: str) -> str | None:
    found = languages(text)
    return " and ".join(found) if len(found) > 1 else None


_LOOKS: Final[Mapping[str, Callable[[str], str | None]]] = {
    "empty": _empty,
    "emoji_only": _emoji_only,
    "very_long": _very_long,
    "code": _code,
    "injection": _injection,
    "mixed_language": _mixed_language,
}
EDGES: Final = tuple(_LOOKS)
