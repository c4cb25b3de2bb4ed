"""When two replies are alike, and when they are apart: per measure, from how far one model's two samples lie apart.

``python -m tests.evaluate.thresholds`` derives the numbers again; docs/design/noise-floor.md says why these.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Final, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

Divergence = Annotated[float, Field(ge=0, le=1)]


class Threshold(BaseModel):
    """Two replies whose divergence is at most ``agree`` are alike; above ``diverge`` they are apart."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    agree: Divergence = Field(description="Up to this: as alike as two samples of one model usually are.")
    diverge: Divergence = Field(description="Above this: so far apart as two samples of one model hardly ever are.")

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.agree > self.diverge:
            raise ValueError(f"agree ({self.agree:g}) must not be above diverge ({self.diverge:g}); lower agree")
        return self


def _pair(agree: float, diverge: float) -> Threshold:
    return Threshold(agree=agree, diverge=diverge)


DEFAULTS: Final[Mapping[str, Threshold]] = MappingProxyType(
    {
        "semantic": _pair(0.16, 0.44),
        "lexical": _pair(0.72, 0.84),
        "length": _pair(0.08, 0.32),
        "tone": _pair(0.0, 0.34),
        "facts": _pair(0.0, 0.0),
        "action": _pair(0.0, 0.0),
        "escalation": _pair(0.0, 0.0),
        "language": _pair(0.0, 0.0),
    }
)

PREFIX_MEASURES: Final = ("action", "escalation", "facts", "semantic")
"""What a customer would have gone on from otherwise. Other words, a longer or a warmer reply end no conversation."""
