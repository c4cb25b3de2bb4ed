"""Dead letters: broken records set aside with their raw bytes, so that one can be read, corrected and sent again.

One lies on ``shadow.dead-letters`` under the key ``topic/partition/offset`` (its id) with the broken record's value
unchanged. Its headers: ``reason`` (a closed set), ``detail`` (for people), ``key`` (the broken record's, if it had
one), ``at`` (Unix seconds), ``by`` (the consumer), and ``cut`` (bytes it had) where it was too large to be kept whole.
Delivery is at least once, so the same letter may lie there more than once: the first counts. A letter that was sent
again has a second record under its key, with the header ``redriven_to``.
"""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from shadow.broker import Headers, Stored, publish, read
from shadow.events import BrokenRecordError
from shadow.topology import BY_NAME, DEAD_LETTERS, MAX_STORED_BYTES

MAX_KEY_BYTES: Final = 30_000
"""Value, key and headers together must fit into the topic's largest record."""

Letter = tuple[bytes, bytes | None, Headers]
"""A letter's Kafka key, value and headers."""

_ID: Final = re.compile(r"([A-Za-z0-9._-]{1,249})/(\d{1,10})/(\d{1,19})")


class DeadLetterError(Exception):
    """A letter that cannot be shown or sent again, and why, in one line."""


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A broken record. Its bytes stay in the broker (``stored`` is their offset there) until :func:`contents` asks."""

    id: str
    topic: str
    partition: int
    offset: int
    reason: str
    detail: str
    key: bytes | None
    at_s: float
    by: str
    size: int
    cut: bool
    stored: tuple[int, int]
    redriven_to: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Redriven:
    """Where the copy of a letter lies now."""

    id: str
    topic: str
    partition: int
    offset: int


def letter(
    topic: str,
    partition: int,
    offset: int,
    key: bytes | None,
    value: bytes | None,
    *,
    reason: str,
    detail: str,
    by: str,
    at_s: float,
) -> Letter:
    """The record ``(key, value, headers)`` that sets a broken record aside. Pure: the caller sends it.

    A value larger than our topics take, or a key over 30 kB, is cut, and the header ``cut`` says how many
    bytes both had: refusing the letter would stop the consumer that found it.
    """
    size = len(key or b"") + len(value or b"")
    kept_value = value if value is None else value[:MAX_STORED_BYTES]
    kept_key = key if key is None else key[:MAX_KEY_BYTES]
    headers = [
        ("reason", reason.encode()),
        ("detail", detail[:500].encode("utf-8", "backslashreplace")),
        ("at", f"{at_s:.3f}".encode()),
        ("by", by.encode()),
    ]
    if kept_key is not None:
        headers.append(("key", kept_key))
    if (kept_value, kept_key) != (value, key):
        headers.append(("cut", str(size).encode()))
    return f"{topic}/{partition}/{offset}".encode(), kept_value, headers


def letter_for(record: Any, error: BrokenRecordError, *, by: str, at_s: float) -> Letter:
    """:func:`letter` for a record as a Kafka client gives it, and what is wrong with it."""
    return letter(
        record.topic,
        record.partition,
        record.offset,
        record.key,
        record.value,
        reason=error.reason,
        detail=error.detail,
        by=by,
        at_s=at_s,
    )


def listing(bootstrap: Sequence[str]) -> list[DeadLetter]:
    """Every letter once, oldest first. Raises :class:`~shadow.broker.BrokerError`."""
    letters: dict[str, DeadLetter] = {}
    redriven: dict[str, list[str]] = {}
    for record in read(bootstrap, DEAD_LETTERS):
        headers = dict(record.headers)
        if "redriven_to" in headers:
            redriven.setdefault(_text(record.key), []).append(_text(headers["redriven_to"]))
            continue
        found = _parse(record, headers)
        letters.setdefault(found.id, found)
    return [replace(found, redriven_to=tuple(redriven.get(found.id, ()))) for found in letters.values()]


def _parse(record: Stored, headers: dict[str, bytes]) -> DeadLetter:
    """The letter in ``record``. What somebody else put on the topic is shown too, as a letter from that topic."""
    match = _ID.fullmatch(_text(record.key))
    topic, partition, offset = match.groups() if match else (record.topic, record.partition, record.offset)
    at = _text(headers.get("at"))
    return DeadLetter(
        id=f"{topic}/{partition}/{offset}",
        topic=topic,
        partition=int(partition),
        offset=int(offset),
        reason=_text(headers.get("reason")) or "unknown",
        detail=_text(headers.get("detail")),
        key=headers.get("key"),
        at_s=float(at) if re.fullmatch(r"\d{1,11}(\.\d+)?", at) else record.timestamp_s,
        by=_text(headers.get("by")),
        size=len(record.value or b""),
        cut="cut" in headers,
        stored=(record.partition, record.offset),
    )


def _text(data: bytes | None) -> str:
    return (data or b"").decode("utf-8", "backslashreplace")


def find(letters: Sequence[DeadLetter], ids: Sequence[str]) -> list[DeadLetter]:
    """The letters of these ids, in their order. Raises :class:`DeadLetterError` for an id that is not there."""
    known = {item.id: item for item in letters}
    for wanted in ids:
        if wanted not in known:
            raise DeadLetterError(
                f"no dead letter is called {printable(wanted)}; `shadow dead-letters list` shows them"
            )
    return [known[wanted] for wanted in dict.fromkeys(ids)]


def contents(bootstrap: Sequence[str], item: DeadLetter) -> bytes | None:
    """The broken record's value, unchanged. Raises :class:`DeadLetterError` if it has expired since it was listed."""
    partition, offset = item.stored
    for record in read(bootstrap, DEAD_LETTERS, start={partition: offset}, end={partition: offset + 1}):
        return record.value
    raise DeadLetterError(f"{item.id} has just expired from {DEAD_LETTERS}")


def redrive(
    bootstrap: Sequence[str],
    ids: Sequence[str],
    *,
    again: bool = False,
    value: bytes | None = None,
    key: bytes | None = None,
) -> list[Redriven]:
    """Write letters back to the topics they came from: their own bytes and key, or corrected ones; and record it.

    1. Everything is checked before anything is written. 2. The copy is stored. 3. A marker on the dead-letter topic
    records where; a crash between 2 and 3 may write a copy twice, which consumers must bear anyway.
    Raises :class:`DeadLetterError` for an unknown id, a letter that was cut (without ``value``), one that was sent
    already (without ``again``) or that came from no topic of the data path.
    """
    letters = find(listing(bootstrap), ids)
    for item in letters:
        if reason := obstacle(item, again=again, mended=value is not None):
            raise DeadLetterError(reason)
    return [_redrive(bootstrap, item, value, key) for item in letters]


def obstacle(item: DeadLetter, *, again: bool = False, mended: bool = False) -> str | None:
    """Why a letter cannot be sent again as it is, and what would help; None if it can."""
    if item.topic not in BY_NAME or item.topic == DEAD_LETTERS:
        return f"{item.id} comes from no topic that Shadow reads: somebody else put it there"
    if item.redriven_to and not again:
        return f"{item.id} was sent again already, to {item.redriven_to[-1]}; --again sends it once more"
    if item.cut and not mended:
        return f"{item.id} was too large to be kept whole; --value FILE sends a corrected one"
    return None


def _redrive(bootstrap: Sequence[str], item: DeadLetter, value: bytes | None, key: bytes | None) -> Redriven:
    body = contents(bootstrap, item) if value is None else value
    name = item.key if key is None else key
    [(partition, offset)] = publish(
        bootstrap, item.topic, [(name, body, [])], partition=item.partition if name is None else None
    )
    marker: Headers = [("redriven_to", f"{partition}/{offset}".encode()), ("at", f"{time.time():.3f}".encode())]
    publish(bootstrap, DEAD_LETTERS, [(item.id.encode(), None, marker)])
    return Redriven(item.id, item.topic, partition, offset)


def printable(data: bytes | str | None) -> str:
    """``data`` as one line of text that no terminal obeys: control, direction and undecodable bytes are escaped."""
    text = data if isinstance(data, str) else _text(data)
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)
