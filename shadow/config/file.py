"""The whole of ``shadow.yaml``, and what holds between its sections."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from shadow.config.arms import Arm, Control, Production, model_of, who
from shadow.config.comparison import JUDGE, Comparator, Judge, Slices
from shadow.config.places import Broker, Console, Ledger, Metrics
from shadow.config.problems import ConfigError, unsecret
from shadow.events import CONTROL, PRODUCTION
from shadow.gate.settings import JUDGE_SAME, JUDGE_WORSE, JUDGED, ExcessGuardrail, Gate, ScoreGuardrail
from shadow.section import Section


class Config(Section):
    """The whole file."""

    version: Literal[1]
    production: Production
    control: Control | None = None
    candidates: list[Arm] = Field([])
    comparator: Comparator = Comparator()
    slices: Slices = Slices()
    judge: Judge | None = None
    gate: Gate = Gate()
    broker: Broker = Broker()
    ledger: Ledger = Ledger()
    metrics: Metrics = Metrics()
    console: Console = Console()

    @property
    def arms(self) -> tuple[Arm, ...]:
        """Everyone that turns are mirrored to: the control arm first, if there is one, then the candidates."""
        return ((self.control,) if self.control else ()) + tuple(self.candidates)

    def arm(self, name: str) -> Arm:
        """The arm of that name. Raises :class:`ConfigError` naming the known ones."""
        for arm in self.arms:
            if arm.name == name:
                return arm
        raise ConfigError([f"no arm is called {name!r}; the configuration has: {', '.join(a.name for a in self.arms)}"])

    @field_validator("candidates")
    @classmethod
    def _names(cls, candidates: list[Arm]) -> list[Arm]:
        seen: set[str] = {PRODUCTION, CONTROL}
        for arm in candidates:
            if arm.name in seen:
                raise ValueError(f"{arm.name!r} is taken; give each candidate a name of its own")
            seen.add(arm.name)
        return candidates

    @model_validator(mode="after")
    def _nobody_judges_himself(self) -> Self:
        if self.judge is None:
            return self
        judge = self.judge.adapter
        model = self.production.model
        if model_of(judge) == model:
            raise ValueError(f"judge.adapter.model {model!r} is production's model: a judge must be another one")
        for arm in self.arms:
            if arm.name == JUDGE:
                raise ValueError(f"a candidate cannot be called {JUDGE!r} where there is a judge; rename it")
            if who(arm.adapter) == who(judge):
                asked = unsecret(" at ".join(who(judge)))
                raise ValueError(f"judge.adapter asks {asked}, as arm {arm.name!r} does: a judge must be another one")
        return self

    @model_validator(mode="after")
    def _times_fit(self) -> Self:
        for arm in self.arms:
            needed = arm.limits.max_age_s + arm.limits.deadline_s
            if needed >= self.comparator.join_window_s:
                raise ValueError(
                    f"arm {arm.name!r} may answer up to {needed:g} s after a turn's arrival (limits.max_age_s + "
                    f"limits.deadline_s), but comparator.join_window_s is {self.comparator.join_window_s:g}: "
                    f"raise join_window_s above {needed:g}, or lower the limits"
                )
        return self

    @model_validator(mode="after")
    def _ports_differ(self) -> Self:
        if not self.console.up:
            return self
        taken = {self.metrics.gate_port: "metrics.gate_port"}
        processes = len(self.arms) + 3 + (self.judge is not None)
        taken |= {self.metrics.port + index: "a process's, from metrics.port on" for index in range(processes)}
        taken |= {self.broker.port: "broker.port"} if self.broker.embedded else {}
        if self.console.port in taken:
            raise ValueError(
                f"console.port {self.console.port} is {taken[self.console.port]}: give the console another one"
            )
        return self

    @model_validator(mode="after")
    def _guardrails_fit(self) -> Self:
        for index, each in enumerate(self.gate.guardrails):
            where = f"gate.guardrails.{index} ({each.name!r})"
            if isinstance(each, ScoreGuardrail) and each.outcome in (JUDGE_WORSE, JUDGE_SAME):
                raise ValueError(
                    f"{where}: production's own reply has no {each.outcome!r}, so nothing could be compared; "
                    f"use kind 'excess_divergence' with measure {JUDGED!r}"
                )
            if not isinstance(each, ExcessGuardrail):
                continue
            if self.control is None:
                raise ValueError(
                    f"{where} compares with the control arm, and there is none: "
                    f"add 'control', or take the guardrail out"
                )
            if each.measure == JUDGED:
                if self.judge is None:
                    raise ValueError(f"{where} rests on the judge, and there is none: add 'judge'")
            elif each.measure not in self.comparator.measures:
                raise ValueError(
                    f"{where} rests on measure {each.measure!r}, which is not "
                    f"computed: add it to comparator.measures, or name one of: {', '.join(self.comparator.measures)}"
                )
        return self
