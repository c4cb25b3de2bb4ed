"""What a click leads to: the console's list of a candidate's worst pairs, and the first pair of it."""

from __future__ import annotations

import re
import urllib.request
from html import unescape
from pathlib import Path
from typing import Final

from dashboards.render.browser import Shot
from shadow.addresses import PAIRS, address

CLICKED: Final = {"candidate": "slice-worse", "guardrail": "facts", "slice": "tone_shift"}
"""Of the demo, the cell that fails."""

TIMEOUT_S: Final = 30.0


def shots(console: str, out: Path) -> list[Shot]:
    """Both pages, as much of each as a screen holds; ``console``: ``http://host:port``, which must have pairs."""
    found = f"{console}/{address(PAIRS, **CLICKED)}"
    with urllib.request.urlopen(found, timeout=TIMEOUT_S) as response:  # noqa: S310 (loopback)
        first = re.search(r'href="(pair\?[^"]*)"', response.read().decode())
    if first is None:
        raise RuntimeError(f"no pairs at {found}")
    pages = {"console-pairs.png": found, "console-pair.png": f"{console}/{unescape(first[1])}"}
    return [Shot(url, out / name, plain=True, whole=False) for name, url in pages.items()]
