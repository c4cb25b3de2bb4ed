"""What differs from one installation to the next: where links lead, who receives alerts, and how fast time runs."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from shadow.config import Console

RUNBOOKS: Final = "deploy/runbooks"
CONSOLE: Final = f"http://127.0.0.1:{Console().port}"
"""`shadow console` on the reader's own machine: whoever has another one says so."""
UNITS_MS: Final = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_DURATION: Final = re.compile(r"(\d+)(ms|[smhd])")
_WINDOW: Final = re.compile(r"(?<=\[)\d+[smhd](?=\])|(?<=offset )\d+[smhd]")
_TIMES: Final = frozenset(
    {"for", "keep_firing_for", "interval", "scrape_interval", "evaluation_interval", "group_wait", "group_interval",
     "repeat_interval"}
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Site:
    """One installation.

    ``webhook``: every receiver of Alertmanager is a POST to this URL, ``{receiver}`` in it being its name; empty: the
    usual Slack, PagerDuty and mail. ``faster``: every window, wait and interval is so many times shorter, and rules are
    otherwise the same to the letter: for a rehearsal of what takes hours. Limits do not change, so a guard that counts
    events in a window needs so many times the traffic.
    """

    grafana: str = ""
    runbooks: str = RUNBOOKS
    console: str = CONSOLE
    webhook: str = ""
    faster: float = 1.0


HERE: Final = Site()
"""What is committed: links are relative, the console is the local one, time runs as it does."""


def shortened(duration: str, faster: float) -> str:
    """A duration of Prometheus, so many times shorter, a millisecond at least."""
    found = _DURATION.fullmatch(duration)
    if found is None:
        raise ValueError(f"{duration!r} is no duration")
    return f"{max(1, round(int(found[1]) * UNITS_MS[found[2]] / faster))}ms"


def quicker(document: Any, faster: float) -> Any:
    """A configuration or rule file in which every time is so many times shorter; itself if ``faster`` is 1."""
    if faster == 1:
        return document
    if isinstance(document, list):
        return [quicker(each, faster) for each in document]
    if isinstance(document, Mapping):
        return {key: _quicker(key, value, faster) for key, value in document.items()}
    return document


def _quicker(key: str, value: Any, faster: float) -> Any:
    if key in _TIMES:
        return shortened(value, faster)
    if key == "expr":
        return _WINDOW.sub(lambda found: shortened(found[0], faster), value)
    return quicker(value, faster)
