"""Opens pages in headless Chromium, keeps a picture of each, and says what is on them."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode

from dashboards.render import programs

WIDTH: Final = 1304
PLAIN_WIDTH: Final = 1100
TIMEOUT_S: Final = 600.0


@dataclass(frozen=True)
class Shot:
    """One page to open. ``png``: where its picture goes, if anywhere; ``plain``: any other page, drawn at once.

    ``whole``: all of it is pictured, not a screen of it.
    """

    url: str
    png: Path | None = None
    plain: bool = False
    whole: bool = True


@dataclass(frozen=True)
class Span:
    """Seconds since 1970; ``scrape_s``: how often Prometheus scrapes, which rates go by."""

    begin_s: float
    end_s: float
    scrape_s: float


def address(site: str, uid: str, span: Span, **chosen: Sequence[str]) -> str:
    """The page of one dashboard; ``chosen``: values of its variables, all of them where a variable is not named."""
    asked = [("board", uid), ("from", span.begin_s), ("to", span.end_s), ("scrape", span.scrape_s)]
    asked += [(f"var-{name}", value) for name, values in chosen.items() for value in values]
    return f"{site}/?{urlencode(asked)}"


def look(shots: Sequence[Shot]) -> list[dict[str, Any]]:
    """What is on each page: ``error``, ``complaints``, and of each panel title, kind, state, error, text, links.

    A state is ``data``, ``empty``, ``error`` (the query, the unit) or ``broken`` (the component threw). Of a plain page
    also ``requests``, what the browser ``said``, and its ``text``.
    Raises :class:`~dashboards.render.programs.MissingError`, and :class:`RuntimeError` with what the browser said.
    """
    programs.require("node", "chromium", "page")
    pages = [
        {"url": shot.url, "png": str(shot.png.absolute()) if shot.png else None, "plain": shot.plain,
         "whole": shot.whole, "width": PLAIN_WIDTH if shot.plain and shot.whole else WIDTH}
        for shot in shots
    ]  # fmt: skip
    asked = json.dumps({"chromium": programs.path("chromium"), "pages": pages})
    command = [programs.path("node"), "shoot.mjs"]
    done = subprocess.run(  # noqa: S603 (found on the path, and asked by nobody else)
        command, cwd=programs.PAGE, input=asked, capture_output=True, text=True, timeout=TIMEOUT_S, check=False
    )
    if done.returncode:
        raise RuntimeError(f"the browser: {done.stderr.strip()}")
    return [json.loads(line) for line in done.stdout.splitlines()]


def faults(seen: Sequence[dict[str, Any]]) -> list[str]:
    """What is wrong with pages, a line each: what could not be loaded, asked, drawn. Empty panels are no fault here."""
    found = []
    for page in seen:
        found += [f"{page['url']}: {fault}" for fault in (page["error"], *page["complaints"]) if fault]
        found += [
            f"{each['title']}: {each['error']}" for each in page["panels"] if each["state"] in {"error", "broken"}
        ]
    return found
