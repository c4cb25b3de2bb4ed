"""What a simulated model reads out of a conversation: language, intent, tone, the facts that it may repeat.

By word lists, one file per language: good enough to answer in kind, and never a measure of anything.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib import resources
from typing import Any, Final

import yaml

LANGUAGES: Final = ("en", "de", "pt", "es")
MAX_READ: Final = 4_000
"""Characters of a message that are read; the rest of a very long one changes nothing."""

Message = Mapping[str, Any]

_AMOUNT: Final = re.compile(
    r"(?:R\$|[$€£])\s?\d[\d.,]*\d|(?:R\$|[$€£])\s?\d|\d[\d.,]*\s?(?:€|EUR\b|USD\b|euros?\b|reais\b)", re.IGNORECASE
)
_ORDER: Final = re.compile(r"\b[A-Z]{1,4}-?\d{4,12}\b|#\d{4,12}\b|\b\d{6,12}\b")
_WORD: Final = re.compile(r"[^\W\d_]+(?:'[^\W\d_]+)?")
_MONEY_KEY: Final = re.compile(r"amount|total|refund|price|fee|betrag|valor|importe", re.IGNORECASE)
_ORDER_KEY: Final = re.compile(r"order.?(?:id|number)?$|reference", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Understood:
    """One reading of a conversation. ``fallen``: the customer is angry now, or was in the message before."""

    language: str = "en"
    intent: str = "unknown"
    fallen: bool = False
    amount: str | None = None
    order: str | None = None
    name: str | None = None
    found: str | None = None


@dataclass(frozen=True, slots=True)
class _Seen:
    language: str | None
    intent: str
    angry: bool
    amount: str | None
    order: str | None
    name: str | None


@cache
def phrases(language: str) -> dict[str, Any]:
    """The phrase file of one of :data:`LANGUAGES`."""
    path = resources.files("shadow.simulate").joinpath("phrases", f"{language}.yaml")
    data: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return data


def text_of(message: Message) -> str:
    """The text of a chat message in OpenAI format; of multi-part content its text parts; ``""`` if there is none."""
    content = message.get("content")
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        return ""
    parts = (part.get("text") for part in content if isinstance(part, Mapping))
    return "\n".join(part for part in parts if isinstance(part, str))


def understand(messages: Sequence[Message]) -> Understood:
    """What the conversation is about. The last customer message leads; earlier ones fill in what it leaves open."""
    seen = [_read(text_of(m)[:MAX_READ]) for m in messages if m.get("role") == "user"] or [_read("")]
    latest = seen[::-1]
    facts = _tool_facts(messages)
    return Understood(
        language=next((s.language for s in latest if s.language), "en"),
        intent=_intent(latest),
        fallen=any(s.angry for s in latest[:2]),
        amount=facts.get("amount") or next((s.amount for s in latest if s.amount), None),
        order=next((s.order for s in latest if s.order), None) or facts.get("order"),
        name=next((s.name for s in latest if s.name), None),
        found=facts.get("found"),
    )


def _intent(latest: Sequence[_Seen]) -> str:
    """The last message's own intent, else, if it has none, the latest that any message had."""
    if latest[0].intent != "unknown":
        return latest[0].intent
    return next((s.intent for s in latest if s.intent not in ("unknown", "smalltalk", "empty", "injection")), "unknown")


@lru_cache(maxsize=20_000)
def _read(text: str) -> _Seen:
    language = _language(text)
    amount, order = _AMOUNT.search(text), _ORDER.search(_AMOUNT.sub(" ", text))
    return _Seen(
        language=language,
        intent=_intent_of(text, language),
        angry=_angry(text),
        amount=amount.group().strip() if amount else None,
        order=order.group().lstrip("#") if order else None,
        name=_name(text, language or "en"),
    )


def _language(text: str) -> str | None:
    """The language with the most stop words, ``None`` if there are none: an earlier message may tell."""
    words = [word.lower() for word in _WORD.findall(text)]
    scores = {language: sum(word in _stopwords(language) for word in words) for language in LANGUAGES}
    best = max(LANGUAGES, key=lambda language: scores[language])
    if scores[best]:
        return best
    return next((language for language in LANGUAGES if _keywords(language).search(text)), None)


def _intent_of(text: str, language: str | None) -> str:
    if not _WORD.search(text):
        return "unknown" if _ORDER.search(text) or _AMOUNT.search(text) else "empty"
    for candidate in (language or "en", "en"):
        # the first intent in the file wins, wherever its word stands
        found = {match.lastgroup for match in _keywords(candidate).finditer(text)}
        for intent in phrases(candidate)["keywords"]:
            if intent in found:
                return str(intent)
    return "unknown"


def _angry(text: str) -> bool:
    """An angry word of any language, or shouting: three words and most letters in capitals."""
    if any(_angry_words(language).search(text) for language in LANGUAGES):
        return True
    letters = [c for c in text if c.isalpha()]
    return len(letters) > 15 and sum(c.isupper() for c in letters) > 0.7 * len(letters)  # noqa: PLR2004 (a rule of thumb)


def _name(text: str, language: str) -> str | None:
    for pattern in phrases(language)["names"]:
        if match := re.search(pattern, text):
            return match.group(1)
    return None


def _tool_facts(messages: Sequence[Message]) -> dict[str, str]:
    """Amount, order and a short listing from the tool results behind the last customer message."""
    results = []
    for message in reversed(messages):
        if message.get("role") == "user":
            break
        if message.get("role") == "tool":
            results.append(text_of(message))
    pairs = [pair for result in reversed(results) for pair in _pairs(result[:MAX_READ])]
    if not results:
        return {}
    facts = {"found": ", ".join(f"{key} {value}" if key else value for key, value in pairs[:6]) or "-"}
    for key, value in pairs:
        if _MONEY_KEY.search(key) and any(c.isdigit() for c in value):
            facts.setdefault("amount", value if _AMOUNT.search(value) else f"${value}")
        elif _ORDER_KEY.search(key):
            facts.setdefault("order", value)
    return facts


def _pairs(result: str) -> list[tuple[str, str]]:
    """The leaves of a JSON result as (name, value), at most 40; a result that is no JSON is one value."""
    try:
        data = json.loads(result)
    except (ValueError, RecursionError):
        return [("", result[:200])] if result.strip() else []
    pairs: list[tuple[str, str]] = []
    todo: list[tuple[str, Any]] = [("", data)]
    while todo and len(pairs) < 40:  # noqa: PLR2004 (a reply quotes six)
        key, value = todo.pop(0)
        if isinstance(value, Mapping):
            todo[:0] = [(str(k).replace("_", " "), v) for k, v in value.items()]
        elif isinstance(value, list):
            todo[:0] = [(key, v) for v in value[:5]]
        elif value is not None:
            pairs.append((key[:40], str(value)[:80]))
    return pairs


@cache
def _stopwords(language: str) -> frozenset[str]:
    return frozenset(phrases(language)["stopwords"])


@cache
def _keywords(language: str) -> re.Pattern[str]:
    groups = (
        f"(?P<{intent}>{'|'.join(re.escape(word) for word in words)})"
        for intent, words in phrases(language)["keywords"].items()
    )
    return re.compile(rf"(?<!\w)(?:{'|'.join(groups)})", re.IGNORECASE)


@cache
def _angry_words(language: str) -> re.Pattern[str]:
    words = "|".join(re.escape(word) for word in phrases(language)["angry"])
    return re.compile(rf"(?<!\w)(?:{words})", re.IGNORECASE)
