"""A time on the command line, the same for every command that takes one."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import click


class Instant(click.ParamType):
    """A time as ISO 8601 (UTC unless it names a zone) or as Unix seconds; gives Unix seconds."""

    name = "TIME"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """The Unix seconds that ``value`` names."""
        try:
            return float(value)
        except ValueError:
            pass
        try:
            at = datetime.fromisoformat(value)
        except ValueError:
            self.fail(f"{value!r} is not a time; use 2025-06-01T12:00:00Z or Unix seconds", param, ctx)
        return (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()
