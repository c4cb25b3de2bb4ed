"""The programs that rendering needs, found, or named with how to install them."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Final

NODE: Final = 20
INSTALL: Final = {
    "node": f"Node.js {NODE} or later: apt-get install nodejs, or `npm install --global node@{NODE}` over an older one",
    "npm": "npm: apt-get install npm",
    "chromium": "Chromium: apt-get install chromium",
    "prometheus": "Prometheus: apt-get install prometheus",
}
PAGE: Final = Path(__file__).parent / "page"
READY: Final = "make render-page"
"""Installs the page's packages and builds it."""


class MissingError(Exception):
    """Something that rendering needs is not there; the text says how to get it, a line each."""


def require(*names: str) -> None:
    """Raises :class:`MissingError` for all that is missing at once; ``page`` is the built page."""
    missing = [INSTALL[name] for name in names if name in INSTALL and shutil.which(name) is None]
    if "node" in names and shutil.which("node") and _node() < NODE:
        missing.append(INSTALL["node"])
    if "page" in names and not built():
        missing.append(f"the page: {READY}")
    if missing:
        raise MissingError("\n".join(missing))


def path(name: str) -> str:
    """Where a program is. Raises :class:`MissingError`."""
    require(name)
    return shutil.which(name) or name


def built() -> bool:
    """Whether the page has been built, from the sources as they are."""
    made = PAGE / "dist" / "main.js"
    sources = [*(PAGE / "src").iterdir(), *PAGE.glob("*.*"), PAGE / "package-lock.json"]
    return made.exists() and all(source.stat().st_mtime <= made.stat().st_mtime for source in sources)


def _node() -> int:
    said = subprocess.run(["node", "--version"], capture_output=True, text=True, check=True).stdout  # noqa: S607
    return int(said.removeprefix("v").partition(".")[0])
