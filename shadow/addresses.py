"""Where the console shows what: whoever makes a link to it, and the console itself, go by this table."""

from __future__ import annotations

from typing import Final
from urllib.parse import urlencode

from shadow.metrics.labels import ALL

HOME: Final = "/"
PAIRS: Final = "/pairs"
PAIR: Final = "/pair"
HEALTH: Final = "/healthz"

CHOICE: Final = ("guardrail", "failure", "measure", "slice", "until")
"""What a list of pairs shows; a pair's page takes it along, for the way back."""

SERVED: Final[dict[str, tuple[str, ...]]] = {
    HOME: (),
    PAIRS: ("candidate", *CHOICE),
    PAIR: ("turn", "arm", "revision", *CHOICE),
    HEALTH: (),
}
"""Each path with the parameters that it takes."""

ONE_OF: Final = ("guardrail", "failure", "measure")
"""What a list of pairs is sorted by: one of these, or none."""

ALL_TRAFFIC: Final = "all traffic"
"""What dashboards call the slice of every turn."""

EVERY_TURN: Final = frozenset({"", ALL_TRAFFIC, ALL})
"""Values of ``slice`` that leave nothing out."""


def address(path: str, **parameters: str | None) -> str:
    """The path with its parameters, relative to the page that links it: a proxy may put the console below a folder.

    Parameters of None are left out. Raises :class:`ValueError` for a parameter that the path does not take.
    """
    if unknown := set(parameters) - set(SERVED[path]):
        raise ValueError(f"{path} takes no {min(unknown)!r}; it takes: {', '.join(SERVED[path]) or 'nothing'}")
    query = urlencode({name: value for name, value in parameters.items() if value is not None})
    return f"{path.removeprefix('/') or '.'}{'?' if query else ''}{query}"
