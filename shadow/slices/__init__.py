"""What kind of turn it is, from the customer's side only: a slicer maps a turn to names of a closed set, each with why.

A slicer is a class without arguments, registered under the entry point group ``shadow.slices``; ``slices`` is pure and
never sees a reply: a slice that depended on what an arm said would choose the evidence by its result. A turn may be in
several slices, or in none. ``metadata`` alone takes its fields from the configuration.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, Protocol, runtime_checkable

from shadow.events import Turn

__all__ = ["MAX_SLICES", "NOTHING", "Slicer", "Why"]

MAX_SLICES: Final = 24
"""All slicers' names together: each is a column of verdicts, of panels and of metric series."""

Why = Mapping[str, str]
"""Slices, each with its reason for people: one line, and none of the customer's words."""

NOTHING: Final[Why] = MappingProxyType({})


@runtime_checkable
class Slicer(Protocol):
    """One property of turns. ``names`` is everything it may ever say."""

    names: tuple[str, ...]

    def slices(self, turn: Turn) -> Why:
        """The slices that ``turn`` is in; empty if none."""
