"""What every part of ``shadow.yaml`` is built on."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Rate = Annotated[float, Field(ge=0, le=1)]


class Section(BaseModel):
    """Base of every part of the file: immutable, and a field it does not know is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")
