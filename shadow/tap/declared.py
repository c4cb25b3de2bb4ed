"""What a record's own fields say of its text: JSON within text, and names and addresses by the field they stand in."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import suppress
from typing import Any, Final

MAX_DEPTH: Final = 4
"""How often JSON text within JSON text is opened; below that it is plain text."""

_PERSON_KEY: Final = re.compile(
    r"(?:first|last|full|given|family|middle|customer|contact|cardholder|passenger|guest|recipient)[_ -]?name|surname"
    r"|vorname|nachname|kundenname|apellidos?|sobrenome|pr[eé]nom",
    re.IGNORECASE,
)
_ADDRESS_KEY: Final = re.compile(
    r"(?:shipping|billing|home|delivery|mailing|customer)[_ -]?address|address[_ -]?(?:line[_ -]?)?[1-3]|lieferadresse",
    re.IGNORECASE,
)
_NO_NAME: Final = frozenset(
    {"", "-", "n/a", "na", "none", "null", "unknown", "string", "name", "customer", "user", "guest"}
)


def given(text: str) -> tuple[str, str]:
    """What the caller declares: an address if a digit is in it."""
    return ("address" if any(character.isdigit() for character in text) else "person"), text


def declared(value: Any, depth: int = 0) -> Iterator[tuple[str, str]]:
    """The values of fields such as ``first_name`` and ``shipping_address``, in tool results and arguments too."""
    if isinstance(value, str):
        found = opened(value) if depth < MAX_DEPTH else None
        if found is not None:
            with suppress(RecursionError):  # nested as nobody means it
                yield from declared(found, depth + 1)
    elif isinstance(value, list):
        for item in value:
            yield from declared(item, depth)
    elif isinstance(value, dict):
        for key, item in value.items():
            kind = "person" if _PERSON_KEY.fullmatch(key) else "address" if _ADDRESS_KEY.fullmatch(key) else None
            if kind is None or not isinstance(item, str):
                yield from declared(item, depth)
            elif item.strip().lower() not in _NO_NAME:
                yield kind, item


def opened(text: str) -> Any:
    """The dict or list that ``text`` is as JSON, or None. A name that stands twice in an object makes it plain text."""
    if text.lstrip()[:1] not in ("{", "["):
        return None
    try:
        found = json.loads(text, object_pairs_hook=_once)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, (dict, list)) else None


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a name stands twice")
    return found
