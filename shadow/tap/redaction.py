"""Personal data in what the Tap sends is replaced by pseudonyms, before it leaves production. Pure: bytes to bytes.

A pseudonym is a keyed hash of (conversation, kind, value): the same value has one pseudonym in a whole conversation,
in turns, replies and outcomes, on every machine that holds the key, and another one in each other conversation. No
store is needed. Without the key nobody can make or undo a pseudonym; with it, and with the conversation that production
has anyway, :func:`originals` does.

What personal data is, :mod:`shadow.text.pii` says. It is imported when first used: importing the Tap stays cheap.
"""

from __future__ import annotations

import hmac
import json
import re
from collections import OrderedDict
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final, Literal, get_args

import orjson

from shadow.tap.declared import MAX_DEPTH, declared, given, opened

Mode = Literal["off", "on", "strict"]

MIN_KEY_BYTES: Final = 16
MAX_CHARACTERS: Final = 4_000_000
"""A record with more text than this is not sent."""

MAX_KNOWN: Final = 200
"""A record with more names than this is not sent."""

MAX_CONVERSATIONS: Final = 5_000
"""So many conversations' names are remembered, the last ones: a help to find them again, which no pseudonym needs."""

MAX_LOOKS: Final = 6
MAX_DETAIL: Final = 500
MAYBE_CUT: Final = 300
MAYBE_PERSONAL: Final = 80
SEARCHED: Final = ("messages", "message", "failure", "metadata", "params", "tools", "response_format", "value")
"""The fields of turns, replies and outcomes that hold text. The others are ids, clocks, counts and model names."""

NAMED: Final = ("conversation_id", "turn_id", "outcome_id")

_CAMEL: Final = re.compile(r"(?<=[a-z])(?=[A-Z])")
_SHORT: Final = 10_000
_BARE: Final = str.maketrans("", "", "<>")
_NOT_TEXT: Final = frozenset({"image_url", "image", "input_audio", "audio", "file", "document", "video"})


class NotRedactedError(ValueError):
    """A record that must not be sent; the text quotes nothing of it."""

    def __init__(self, reason: Literal["not_redacted", "unsure", "too_large"], text: str) -> None:
        super().__init__(text)
        self.reason = reason


class Redaction:
    """Redacts encoded records, in mode ``on`` or ``strict``. Whatever is wrong, no record passes as it was."""

    def __init__(self, mode: str, key: bytes, *, key_env: str = "the key's environment variable") -> None:
        self._strict = mode == "strict"
        self._key = key
        self._names: OrderedDict[str, tuple[tuple[str, str], ...]] = OrderedDict()
        self._problem = ""
        if mode not in get_args(Mode):
            self._problem = f"redaction must be off, on or strict, not {mode[:20]!r}"
        elif len(key) < MIN_KEY_BYTES:
            self._problem = f"redaction is {mode}, and {key_env} holds no key of {MIN_KEY_BYTES} bytes or more"

    def apply(self, value: bytes, *, limit: int) -> bytes:
        """The record without personal data, in ``limit`` bytes. Raises :class:`NotRedactedError`, and nothing else."""
        if self._problem:
            raise NotRedactedError("not_redacted", self._problem)
        try:
            redacted = self._redacted(orjson.loads(value))
        except NotRedactedError:
            raise
        except Exception as error:  # noqa: BLE001 - whatever it is: the record stays in production
            raise NotRedactedError("not_redacted", f"{type(error).__name__} while redacting") from None
        if len(redacted) > limit:
            raise NotRedactedError("too_large", f"{len(redacted)} bytes with pseudonyms, the limit is {limit}")
        return redacted

    def _redacted(self, record: dict[str, Any]) -> bytes:
        named = [record[field] for field in NAMED if field in record]
        if any(_personal_id(name) for name in named):
            raise NotRedactedError("not_redacted", "an id holds an e-mail address or a phone number; use an opaque id")
        if "failure" in record:
            record["failure"]["detail"] = _whole(record["failure"]["detail"])
        walk = _Walk(self._key, record["conversation_id"], self._known_by_now(record))
        for field in SEARCHED:
            if field in record:
                record[field] = walk.value(record[field], field)
        if self._strict and walk.unsure:
            raise NotRedactedError("unsure", f"the record holds {walk.unsure}")
        if "failure" in record:
            record["failure"]["detail"] = record["failure"]["detail"][:MAX_DETAIL]
        return orjson.dumps(record)

    def _known_by_now(self, record: dict[str, Any]) -> tuple[tuple[str, str], ...]:
        """The names of this record, and those of earlier ones: a tool gives a name, and the reply calls by it."""
        conversation_id = record["conversation_id"]
        names = dict.fromkeys([*_known(record), *self._names.pop(conversation_id, ())])
        known = tuple(names)[:MAX_KNOWN]
        if known:
            self._names[conversation_id] = known
            if len(self._names) > MAX_CONVERSATIONS:
                self._names.popitem(last=False)
        return known


def redaction_for(mode: str | None, key_env: str, environ: Mapping[str, str]) -> Redaction | None:
    """What the settings ask for; None is ``off``. With a mode that is none, or without a key, nothing is ever sent."""
    chosen = str(mode if mode is not None else environ.get("SHADOW_TAP_REDACTION", "")).strip().lower() or "off"
    key = environ.get(str(key_env), "").encode("utf-8", "surrogateescape")
    return None if chosen == "off" else Redaction(chosen, key, key_env=f"${key_env}")


def pseudonym(key: bytes, conversation_id: str, kind: Any, value: str) -> str:
    """``<EMAIL_kqdtbnrz>``: the first 32 bits of HMAC-SHA-256 over conversation, kind and comparable value."""
    from shadow.text.identifiers import TAIL  # noqa: PLC0415 (loaded only where redaction is on)
    from shadow.text.pseudonyms import spelt  # noqa: PLC0415

    same = value[-TAIL:] if kind == "phone" else value  # with and without its country's code
    return spelt(
        kind, hmac.digest(key, f"{conversation_id}\0{kind}\0{same}".encode("utf-8", "surrogatepass"), "sha256")
    )


def originals(text: str, key: bytes, conversation_id: str, known: tuple[str, ...] = ()) -> dict[str, str]:
    """What each pseudonym of a conversation stands for, from the text of the conversation as production has it."""
    walk = _Walk(key, conversation_id, tuple(map(given, known)))
    for line in (text, *text.splitlines()):  # a whole file of JSON, or JSON Lines
        walk.value(line)
    return walk.originals


def _known(record: dict[str, Any]) -> tuple[tuple[Any, str], ...]:
    """Names and addresses to look for: the caller's, and what fields of this record say that they are."""
    told = [given(str(name)) for name in record.pop("known", ())]
    said = [one for field in ("metadata", "messages", "message") for one in declared(record.get(field))]
    names = tuple(dict.fromkeys([*told, *said]))
    if len(names) > MAX_KNOWN:
        raise NotRedactedError("not_redacted", f"the record names more than {MAX_KNOWN} persons and addresses")
    return names


def _whole(detail: str) -> str:
    """An error's text without its end, if it may have been cut there: half an address is not recognised."""
    return detail if len(detail) < MAYBE_CUT else detail[:-MAYBE_PERSONAL]


def _personal_id(text: str) -> bool:
    from shadow.text.pii import find  # noqa: PLC0415 (loaded only where redaction is on)

    return any(kind == "email" or (kind == "phone" and "+" in text) for kind, *_ in find(text).found)


@lru_cache(maxsize=1_024)
def _before(name: str) -> str:
    """What a field's name says of what stands in it, as words before it."""
    return f"{_CAMEL.sub(' ', name)}: "


class _Walk:
    """One record's text, replaced piece by piece; remembers what was replaced, and what it is not sure of."""

    def __init__(self, key: bytes, conversation_id: str, known: tuple[tuple[Any, str], ...]) -> None:
        self._key = key
        self._conversation_id = conversation_id
        self._known = known
        self._left = MAX_CHARACTERS
        self.originals: dict[str, str] = {}
        self.unsure = ""

    def value(self, value: Any, name: str = "", depth: int = 0) -> Any:
        """``value`` with pseudonyms in its texts, names and whole numbers; ``name`` is the field that it stands in."""
        if isinstance(value, str):
            return self._string(value, name, depth)
        if isinstance(value, list):
            return [self.value(item, name, depth) for item in value]
        if isinstance(value, dict):
            if name == "content" and depth == 0 and str(value.get("type")) in _NOT_TEXT:
                self.unsure = "a part that is no text"
            found = {self._text(key): self.value(item, str(key), depth) for key, item in value.items()}
            if "role" in value and value.get("name") != found.get("name"):
                found["name"] = str(found["name"]).translate(_BARE)  # model servers take no other signs in a name
            return found
        if isinstance(value, int) and abs(value) >= _SHORT:  # True and False are 1 and 0
            plain = str(value)
            redacted = self._text(plain, name, number=True)
            return value if redacted == plain else redacted
        return value

    def _string(self, value: str, name: str, depth: int) -> str:
        """A text that may be JSON itself. What holds nothing personal stays as it is, to the byte."""
        inner = opened(value) if depth < MAX_DEPTH else None
        if inner is None:
            return self._text(value, name)
        try:
            closed = self.value(inner, name, depth + 1)
        except RecursionError:  # nested as nobody means it
            return self._text(value, name)
        return value if closed == inner else json.dumps(closed, ensure_ascii="\\u" in value)

    def _text(self, text: str, name: str = "", *, number: bool = False) -> str:
        """``text`` with pseudonyms, until another look finds nothing more: what was replaced may have hidden some."""
        self._left -= len(text)
        if self._left < 0:
            raise NotRedactedError("not_redacted", f"the record holds over {MAX_CHARACTERS} characters of text")
        if not self._known and text.replace("_", "").isalpha():  # a role, a field's name
            return text
        before = _before(name) if name else ""
        for _ in range(MAX_LOOKS):
            replaced = self._once(before, text, number=number)
            if replaced == text:
                return text
            text = replaced
        raise NotRedactedError("not_redacted", f"{MAX_LOOKS} looks at a text did not find all personal data in it")

    def _once(self, before: str, text: str, *, number: bool) -> str:
        from shadow.text.pii import find  # noqa: PLC0415 (loaded only where redaction is on)

        findings = find(before + text, known=self._known, in_links=True)
        if findings.unsure and not number:
            self.unsure = "digits that look like an identifier of no kind that is known"
        parts, at = [], 0
        for kind, start, end, value in findings.found:
            begin, stop = start - len(before), end - len(before)
            if begin < at:  # begins in the field's name
                continue
            token = pseudonym(self._key, self._conversation_id, kind, value)
            self.originals.setdefault(token, text[begin:stop])
            parts += [text[at:begin], token]
            at = stop
        return "".join([*parts, text[at:]])
