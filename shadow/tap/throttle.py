"""What the Tap says, to the standard library's log of the program that it is a guest in: little."""

from __future__ import annotations

import logging
import time
from typing import Final

LOG: Final = logging.getLogger("shadow.tap")

LOG_EVERY_S: Final = 60.0


class Throttle:
    """Lets one line through per subject per minute."""

    def __init__(self) -> None:
        self._last: dict[str, float] = {}

    def __call__(self, subject: str) -> bool:
        """Whether this line may be written now."""
        now = time.monotonic()
        if now - self._last.get(subject, -LOG_EVERY_S) < LOG_EVERY_S:
            return False
        self._last[subject] = now
        return True
