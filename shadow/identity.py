"""What may name a turn or a conversation. Standard library alone: the Tap checks ids with it inside production."""

from __future__ import annotations

import re
from typing import Final

ID_MAX: Final = 200
ID_PATTERN: Final = re.compile(r"[A-Za-z0-9_](?:\.?[A-Za-z0-9_:#@+=~/-])*\.?")
"""Ids are 1-200 ASCII characters, safe in logs, URLs, file names and SQL; no ``..``, no leading dot or slash."""


def valid_id(value: str) -> bool:
    """Whether ``value`` may name a turn or a conversation."""
    return len(value) <= ID_MAX and ID_PATTERN.fullmatch(value) is not None
