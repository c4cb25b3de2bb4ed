"""Metadata: closed fields that production sends along, such as channel or tier."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final

from shadow.events import Turn
from shadow.slices import Why

OTHER: Final = "other"
_UNFIT: Final = re.compile(r"[^A-Za-z0-9_.:+-]")


class Metadata:
    """``channel=chat``, ...: each configured field's value; a value that is not configured is ``channel=other``.

    A turn without the field is in none of its slices. Characters that no label holds are written as ``_``. < 1 us.
    """

    version: Final = 1

    def __init__(self, fields: Mapping[str, Sequence[str]]) -> None:
        self._names = {
            field: {value: f"{field}={_UNFIT.sub('_', value)[:40]}" for value in values}
            for field, values in fields.items()
        }
        self.names = tuple(
            name for field, named in self._names.items() for name in (*named.values(), f"{field}={OTHER}")
        )

    def slices(self, turn: Turn) -> Why:
        """See :class:`shadow.slices.Slicer`."""
        found = {}
        for field, named in self._names.items():
            value = turn.metadata.get(field)
            if value is not None:
                found[named.get(value, f"{field}={OTHER}")] = f"metadata {field}"
        return found
