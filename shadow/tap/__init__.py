"""How production turns come in: the Tap writes turns, production's replies and outcomes to ``support.*``.

It runs inside production, as a guest: it never raises, never blocks, keeps bounded memory, and logs by the standard
library alone. Importing it loads only what it needs (kafka-python and orjson).
"""

from __future__ import annotations

from shadow.tap.call import Call
from shadow.tap.client import Tap
from shadow.tap.sender import TapStats

__all__ = ["Call", "Tap", "TapStats"]
