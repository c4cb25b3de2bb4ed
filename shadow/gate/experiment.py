"""One experiment: a candidate's revision, judged one way, by one rule. Any change of these makes another."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from shadow.config import Config
from shadow.events import CONTROL
from shadow.gate.assemble import GRACE_S
from shadow.gate.guardrails import Cell
from shadow.gate.rules import Rule
from shadow.gate.settings import JUDGED, ExcessGuardrail, Gate, guardrail

LEAST_MAX_CONVERSATIONS: Final = 20_000
TIMES_PLANNED: Final = 4


@dataclass(frozen=True)
class Experiment:
    """Who is judged, and how. ``control`` is the control arm's revision, empty if there is none."""

    candidate: str
    revision: str
    evaluator_revision: str
    gate: Gate
    join_window_s: float
    control: str = ""
    judge: str = ""
    """The judge's revision where a guardrail rests on it, else empty."""

    @classmethod
    def of(cls, config: Config, candidate: str, evaluator_revision: str) -> Experiment:
        """The experiment that ``config`` describes. Raises :class:`~shadow.config.ConfigError` for an unknown arm."""
        arm = config.arm(candidate)
        control = config.control.revision if config.control and candidate != CONTROL else ""
        window_s = config.comparator.join_window_s
        return cls(candidate, arm.revision, evaluator_revision, config.gate, window_s, control, judge_revision(config))

    @cached_property
    def id(self) -> str:
        """Hash of all that it consists of: 12 hexadecimal digits."""
        parts = {
            "candidate": self.candidate,
            "revision": self.revision,
            "evaluator_revision": self.evaluator_revision,
            "gate": self.gate.model_dump(mode="json"),
            "join_window_s": self.join_window_s,
            "control": self.control,
            "judge": self.judge,
        }
        canonical = json.dumps(parts, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()[:12]

    @property
    def close_after_s(self) -> float:
        """How long after its last record a conversation closes."""
        return self.gate.conversation_idle_s + self.join_window_s + GRACE_S + self.gate.outcome_wait_s

    @property
    def look_s(self) -> float:
        """Time between two looks: a whole number of them makes a cycle."""
        return self.gate.cycle_s / self.looks_a_cycle if self.gate.cycle_s else self.gate.look_every_s

    @property
    def looks_a_cycle(self) -> int:
        """Looks from one cycle's end to the next; 1 where there is no cycle: each look is at an end."""
        return max(1, round(self.gate.cycle_s / self.gate.look_every_s)) if self.gate.cycle_s else 1

    @cached_property
    def cells(self) -> tuple[Cell, ...]:
        """All that must be shown."""
        return tuple(cell for each in self.gate.guardrails for cell in guardrail(each).cells())

    def rule(self, planned: float | None) -> Rule:
        """The decision's settings, ``planned`` being the number of conversations that the plan asks for."""
        gate = self.gate
        most = gate.max_conversations
        if most is None:
            most = max(LEAST_MAX_CONVERSATIONS, round(TIMES_PLANNED * (planned or 0.0)), gate.min_conversations)
        return Rule(
            most,
            gate.alpha,
            gate.zero_tolerance_alpha,
            gate.min_conversations,
            gate.min_completeness,
            gate.min_closed_per_open,
        )


def judge_revision(config: Config) -> str:
    """The revision of the judge that a guardrail rests on; empty where none does."""
    rests = any(isinstance(each, ExcessGuardrail) and each.measure == JUDGED for each in config.gate.guardrails)
    return config.judge.arm.revision if rests and config.judge is not None else ""
