"""What time it is in a backtest, and the gate that judges by it. Pure.

History lies there whole, so no conversation is waited for: conversation number n (in the order in which they are drawn)
is recorded at ``BEGIN + n * step``, and has closed before the next one begins. Within a conversation, turns keep the
times between them. So a ledger's rows, and all looks, are the same however often a backtest was ended and begun again.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from shadow.config import Arm, Config, ConfigError
from shadow.events import CONTROL, EARLIEST_CLOCK_S, LATEST_CLOCK_S
from shadow.gate.experiment import Experiment
from shadow.gate.settings import ExcessGuardrail

BEGIN: Final = 1_500_000_000.0
"""Unix seconds of the first conversation; no time of anybody's."""

LOOKED_S: Final = 0.5
"""After a look and before the next conversation is recorded: a step is a second longer than a conversation is open."""

NEVER_STALE_S: Final = 1e10
"""History does not grow old."""


@dataclass(frozen=True, slots=True)
class Clock:
    """``step_s`` from one conversation to the next; ``close_after_s``: when its rows are closed."""

    step_s: float
    close_after_s: float

    @classmethod
    def of(cls, experiment: Experiment) -> Clock:
        """The clock that ``experiment`` looks by."""
        return cls(experiment.look_s, experiment.close_after_s)

    def recorded_at(self, number: int) -> float:
        """When conversation ``number`` is recorded. Raises :class:`ValueError` where no date is left for it."""
        at = BEGIN + number * self.step_s
        if at + 2 * self.step_s >= LATEST_CLOCK_S:
            raise ValueError(f"{number} conversations are too many for one backtest: split the history")
        return at

    def arrived_at(self, number: int, asked_at: Sequence[float]) -> list[float]:
        """When its turns arrived: the last one when it is recorded, the others so long before as they were."""
        last, at = max(asked_at), self.recorded_at(number)
        return [max(EARLIEST_CLOCK_S, at - (last - each)) for each in asked_at]

    def looked_at(self, number: int) -> float:
        """A time by which conversation ``number`` has closed and been looked at, and no later one."""
        return self.recorded_at(number) + self.close_after_s + LOOKED_S

    def closed_by(self, at: float) -> int:
        """How many conversations have closed at the look ``at``."""
        return max(0, math.floor((at - BEGIN - self.close_after_s) / self.step_s + 1e-6) + 1)


def setting(config: Config, candidate: str, arms: Sequence[Arm] = ()) -> Config:
    """``config`` for a backtest of ``candidate`` alone; ``arms`` stand in for those of their names.

    The gate's clock is replaced: no cycle of traffic is waited for, a look follows each conversation, nothing is stale.
    The control arm is kept where a guardrail needs it. Another gate is another experiment: what is found here never
    counts for a live one. Raises :class:`ConfigError` for an arm that is no candidate.
    """
    if candidate == CONTROL:
        raise ConfigError([f"{CONTROL!r} is no candidate; a backtest asks it beside one, where a guardrail needs it"])
    instead = {arm.name: arm for arm in arms}
    gate = config.gate
    control = config.control if any(isinstance(each, ExcessGuardrail) for each in gate.guardrails) else None
    if control is not None:
        control = control.model_copy(update=_differs(instead.get(CONTROL)))
    chosen = config.arm(candidate)
    timeless = {"cycle_s": 0.0, "outcome_wait_s": 0.0, "max_age_s": NEVER_STALE_S}
    config = config.model_copy(
        update={
            "control": control,
            "candidates": [instead.get(candidate, chosen)],
            "gate": gate.model_copy(update=timeless),
        }
    )
    step_s = math.ceil(Experiment.of(config, candidate, "").close_after_s) + 1.0
    return config.model_copy(update={"gate": config.gate.model_copy(update={"look_every_s": step_s})})


def _differs(arm: Arm | None) -> dict[str, object]:
    return {} if arm is None else {"adapter": arm.adapter, "limits": arm.limits}
