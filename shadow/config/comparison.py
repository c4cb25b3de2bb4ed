"""Sections of ``shadow.yaml`` about how a pair is judged: measures and thresholds, slices, the optional judge."""

from __future__ import annotations

import difflib
from typing import Annotated, Final, Self

from pydantic import Field, model_validator

from shadow.config.arms import Adapter, Arm, Limits, MetadataName, Price, Sampling
from shadow.section import Positive, Section
from shadow.thresholds import DEFAULTS, PREFIX_MEASURES, Threshold

JUDGE: Final = "judge"


class Comparator(Section):
    """How replies are joined to turns, and how they are judged."""

    join_window_s: Positive = Field(180.0, description="A turn's missing replies expire this long after its arrival.")
    max_waiting_turns: Annotated[int, Field(ge=100)] = Field(
        150_000, description="Turns that may wait in one worker; at this number it reads no further turns for a while."
    )
    measures: list[str] = Field(
        default=["semantic", "lexical", "facts", "action", "escalation", "length", "language"], min_length=1
    )
    thresholds: dict[str, Threshold] = Field(
        default={},
        description="Measure to `{agree, diverge}`: alike up to `agree`, apart above `diverge`. Overrides defaults.",
    )
    prefix_measures: list[str] = Field(
        default=list(PREFIX_MEASURES),
        description="Measures that end an arm's part in a conversation where one is above its `diverge`.",
    )

    @property
    def effective_thresholds(self) -> dict[str, Threshold]:
        """The thresholds of the measures in use; an outsider's measure has none unless they are given."""
        known = {**DEFAULTS, **self.thresholds}
        return {name: known[name] for name in self.measures if name in known}

    @property
    def limits(self) -> dict[str, float]:
        """``diverge`` of each measure in use that decides whether the customer could have gone on."""
        known = self.effective_thresholds
        return {name: known[name].diverge for name in self.prefix_measures if name in known}

    @model_validator(mode="after")
    def _measures_are_in_use(self) -> Self:
        for name in self.thresholds:
            if name not in self.measures:
                raise ValueError(f"thresholds names {name!r}, which is not among the measures; {self._instead(name)}")
        if self.prefix_measures == list(PREFIX_MEASURES):  # those of them that are in use
            return self
        for name in self.prefix_measures:
            if name not in self.measures:
                raise ValueError(
                    f"prefix_measures names {name!r}, which is not among the measures; {self._instead(name)}"
                )
            if name not in self.effective_thresholds:
                raise ValueError(
                    f"prefix_measures names {name!r}, which has no thresholds; add thresholds.{name}: "
                    f"{{agree: ..., diverge: ...}}"
                )
        return self

    def _instead(self, name: str) -> str:
        near = [] if name in DEFAULTS else difflib.get_close_matches(name, self.measures, n=1)
        return f"did you mean {near[0]!r}?" if near else f"add it to comparator.measures ({', '.join(self.measures)})"


class Slices(Section):
    """Turn properties that verdicts are split by: 24 at most, all values together."""

    use: list[str] = Field(
        default=["depth", "tone_shift", "language", "long_context", "tool_use", "edge_input", "edge_kind"],
        description="Slicers in use, by entry-point name. The default ones have 19 slices, `edge_kind` 6 of them.",
    )
    metadata: dict[MetadataName, list[str]] = Field(
        default={}, description="Closed metadata fields and their values; a value that is not named is FIELD=other."
    )


class Judge(Section):
    """A model that compares production's reply with an arm's: blind, in both orders, never one of the arms.

    It is off where this section is missing. Comparisons never wait for it.
    """

    adapter: Adapter
    price: Price = Field(description="What its tokens cost: without it, `usd_per_day` could not be enforced.")
    usd_per_day: Positive = Field(description="UTC day; spent: pairs are not judged until midnight UTC.")
    sampling: Sampling = Sampling(rate=0.1)
    max_in_flight: Annotated[int, Field(ge=1, le=1_000)] = Field(4, description="Calls at the same time; a pair is 2.")
    timeout_s: Positive = Field(60.0, description="One call, until the answer's last byte.")

    @property
    def arm(self) -> Arm:
        """The judge as somebody who is asked: what the adapters take."""
        limits = Limits(
            max_in_flight=self.max_in_flight,
            timeout_s=self.timeout_s,
            deadline_s=3 * self.timeout_s,
            usd_per_day=self.usd_per_day,
        )
        return Arm(
            name=JUDGE, owner=JUDGE, adapter=self.adapter, price=self.price, sampling=self.sampling, limits=limits
        )
