"""What an arm did that a customer must not see: a failure detector maps (turn, reply) to kinds of a closed set.

Each kind comes with its cause in words. A detector is a class without arguments, registered under the entry point group
``shadow.failures``; ``detect`` is pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, Protocol, runtime_checkable

from shadow.events import FailureKind, Reply, Turn

__all__ = ["NOTHING", "Detector", "Findings"]

Findings = Mapping[FailureKind, str]
"""Kinds of failure, each with its cause for people: one line, and no personal data."""

NOTHING: Final[Findings] = MappingProxyType({})


@runtime_checkable
class Detector(Protocol):
    """One family of failures."""

    def detect(self, turn: Turn, reply: Reply) -> Findings:
        """The kinds of failure that ``reply`` shows; empty if none."""
