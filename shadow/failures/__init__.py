"""What an arm did that a customer must not see: a failure detector maps (turn, reply) to kinds of a closed set.

A detector is a class without arguments, registered under the entry point group ``shadow.failures``; ``detect`` is pure.
"""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from shadow.events import FailureKind, Reply, Turn

__all__ = ["Detector"]


@runtime_checkable
class Detector(Protocol):
    """One family of failures."""

    def detect(self, turn: Turn, reply: Reply) -> list[FailureKind]:
        """The kinds of failure that ``reply`` shows; empty if none."""
