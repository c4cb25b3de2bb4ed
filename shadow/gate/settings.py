"""``gate`` in shadow.yaml: what must hold for a promotion, how sure one must be, and of which conversations.

The defaults are what a release manager would sign without knowing more; docs/configuration.md explains each.
"""

from __future__ import annotations

import math
from typing import Annotated, Final, Literal, Self

from pydantic import Field, field_validator, model_validator

from shadow.events import FailureKind, SliceName
from shadow.gate.guardrails import CLIP, OVERALL, SLICE_TIMES, Guardrail, ratio_margin
from shadow.gate.prefix import Prefix
from shadow.section import Positive, Rate, Section

MAX_GUARDRAILS: Final = 16
"""Each must be shown for a promotion, and each is a metric label."""

DAY_S: Final = 86_400.0

JUDGED: Final = "judge"
"""The measure that is no plug-in's: the judge's verdicts, which come as outcomes."""

JUDGE_WORSE: Final = "judge_worse"
"""Outcome of an arm: 1 where the judge prefers production in both orders, else 0."""

JUDGE_SAME: Final = "judge_same"
"""Outcome of an arm: 0, as both replies say and call the same, so that nobody was asked."""

Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,39}$")]
Margin = Annotated[float, Field(gt=0, lt=1, description="How much worse the candidate may be; 0.01 is one in 100.")]
Alpha = Annotated[float, Field(gt=0, lt=0.5)]
Sliced = Annotated[
    list[SliceName],
    Field(description="Slices on which it must hold too, with three times the margin. Name few: each must be shown."),
]


class FailureGuardrail(Section):
    """Turns on which the candidate failed and production did not, less the opposite."""

    kind: Literal["failure"]
    name: Name
    failures: list[FailureKind] | Literal["any"] = Field("any", description="Kinds that count; `any` counts all.")
    margin: Margin = 0.01
    slices: Sliced = Field([])


class ZeroTolerance(Section):
    """Conversations in which the candidate did what nobody may do; production's own excuse nothing."""

    kind: Literal["zero_tolerance"]
    name: Name
    failures: list[FailureKind] = Field(min_length=1, description="Kinds that count.")
    budget: Alpha = Field(0.001, description="Share of conversations in which it may happen.")


class ScoreGuardrail(Section):
    """An outcome that is known later for both sides, 0 to 1, such as `correct`: production's less the candidate's."""

    kind: Literal["score"]
    name: Name
    outcome: Name = Field(description="The outcome's name; its values are numbers in 0..1.")
    margin: Margin = 0.02
    slices: Sliced = Field([])


class ExcessGuardrail(Section):
    """How much farther from production the candidate is than production asked again (`control`)."""

    kind: Literal["excess_divergence"]
    name: Name
    measure: str = Field(description="One of `comparator.measures`; or `judge`, where there is one.")
    margin: Margin = 0.02
    slices: Sliced = Field([])


class SlowGuardrail(Section):
    """Turns on which the candidate took longer than the limit and production did not, less the opposite."""

    kind: Literal["slow"]
    name: Name
    limit_s: Positive = Field(description="What a customer is promised.")
    margin: Margin = 0.01
    slices: Sliced = Field([])


class RatioGuardrail(Section):
    """Typical latency or cost, as a multiple of production's."""

    kind: Literal["log_ratio"]
    name: Name
    of: Literal["latency", "cost"] = Field(description="What is compared.")
    ratio: Annotated[float, Field(gt=1, lt=math.exp(CLIP))] = Field(1.1, description="1.1 allows 10 % more.")
    slices: Sliced = Field([])


GuardrailSettings = Annotated[
    FailureGuardrail | ZeroTolerance | ScoreGuardrail | ExcessGuardrail | SlowGuardrail | RatioGuardrail,
    Field(discriminator="kind"),
]

BY_KIND: Final[dict[str, type[Section]]] = {
    "failure": FailureGuardrail,
    "zero_tolerance": ZeroTolerance,
    "score": ScoreGuardrail,
    "excess_divergence": ExcessGuardrail,
    "slow": SlowGuardrail,
    "log_ratio": RatioGuardrail,
}

UNANSWERED: Final[list[FailureKind]] = ["timeout", "provider_error", "rate_limited", "empty"]

DEFAULT: Final[list[GuardrailSettings]] = [
    FailureGuardrail(kind="failure", name="any_failure"),
    FailureGuardrail(kind="failure", name="unanswered", failures=UNANSWERED, margin=0.005),
    SlowGuardrail(kind="slow", name="slow", limit_s=15.0),
    ZeroTolerance(kind="zero_tolerance", name="pii_leak", failures=["pii_leak"]),
    ZeroTolerance(kind="zero_tolerance", name="prompt_leak", failures=["prompt_leak"]),
]


class Gate(Section):
    """When a candidate may be promoted. Any change here is another experiment: the same rows are judged again.

    Choose margins before you have seen the rows: one that is chosen by them has no error rate.
    """

    alpha: Alpha = Field(0.05, description="Chance of promoting a candidate that breaks a margin; 0.01 is strict.")
    zero_tolerance_alpha: Alpha = Field(0.01, description="Chance of rejecting one that keeps its budgets.")
    guardrails: list[GuardrailSettings] = Field(
        DEFAULT, min_length=1, max_length=MAX_GUARDRAILS, description="What must hold; all of it."
    )
    min_conversations: Annotated[int, Field(ge=1)] = Field(
        300, description="Closed ones, before anything counts as shown."
    )
    min_closed_per_open: Annotated[float, Field(ge=0, le=1_000)] = Field(
        6.0, description="The same, for each conversation that is open: short ones close first, and long ones matter."
    )
    max_conversations: Annotated[int, Field(ge=1)] | None = Field(
        None, description="What is not shown by then never is. Not set: four times the plan, at least 20,000."
    )
    min_completeness: Rate = Field(0.995, description="Share of pairs that must be there; fewer: HOLD.")
    min_coverage: Rate = Field(0.25, description="Share of sampled turns that must enter the evidence; fewer: HOLD.")
    cycle_s: Annotated[float, Field(ge=0, allow_inf_nan=False)] = Field(
        DAY_S, description="A whole cycle of traffic: promotions wait for its end. 0: none, for recorded data."
    )
    look_every_s: Positive = Field(300.0, description="How often the evidence is looked at.")
    conversation_idle_s: Positive = Field(
        1800.0, description="A conversation is over when no message has come for so long."
    )
    outcome_wait_s: Annotated[float, Field(ge=0, allow_inf_nan=False)] = Field(
        0.0, description="How much later it closes, so that outcomes can come."
    )
    prefixes: list[Prefix] = Field(
        ["valid"], min_length=1, description="Turns that count, by whether the arm agreed on the earlier ones."
    )
    max_age_s: Positive = Field(3600.0, description="Older than this, data of candidate, control or measure is stale.")
    sentinel_alpha: Alpha = Field(
        0.01, description="Chance that the sentinel (control against production) ever gives a false alarm."
    )
    sentinel_since: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None = Field(
        None, description="Unix seconds: it does not watch what closed earlier. Set it once an alarm's cause is fixed."
    )

    @field_validator("guardrails")
    @classmethod
    def _once(cls, guardrails: list[GuardrailSettings]) -> list[GuardrailSettings]:
        names = [each.name for each in guardrails]
        for each in guardrails:
            if names.count(each.name) > 1:
                raise ValueError(f"{each.name!r} stands there twice; give each guardrail a name of its own")
            guardrail(each)
        return guardrails

    @field_validator("prefixes")
    @classmethod
    def _each_once(cls, prefixes: list[Prefix]) -> list[Prefix]:
        return sorted(set(prefixes))

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if self.max_conversations is not None and self.max_conversations < self.min_conversations:
            raise ValueError(
                f"max_conversations is {self.max_conversations}, min_conversations {self.min_conversations}: "
                f"nothing could ever be promoted; raise the one or lower the other"
            )
        if self.cycle_s and self.look_every_s > self.cycle_s:
            raise ValueError(
                f"look_every_s is {self.look_every_s:g}, cycle_s {self.cycle_s:g}: look at least once a cycle"
            )
        return self


def guardrail(settings: GuardrailSettings) -> Guardrail:
    """The guardrail that ``settings`` describe. Raises :class:`ValueError` where its slices' margin would reach 1."""
    if isinstance(settings, ZeroTolerance):
        return Guardrail(settings.name, settings.kind, settings.budget)
    margin = ratio_margin(settings.ratio) if isinstance(settings, RatioGuardrail) else settings.margin
    if settings.slices and margin * SLICE_TIMES >= 1:
        raise ValueError(
            f"{settings.name!r}: the margin on its slices, {SLICE_TIMES} x {margin:g}, is 1 or more; lower the margin"
        )
    if OVERALL in settings.slices or len(set(settings.slices)) < len(settings.slices):
        raise ValueError(f"{settings.name!r}: a slice stands there twice; name each once")
    return Guardrail(settings.name, settings.kind, margin, tuple(settings.slices))
