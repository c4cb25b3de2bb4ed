"""The sentinel at work: each closed conversation of the control arm goes in once, and an alarm stays.

What is watched are the gate's ``failure`` guardrails over all traffic; without one, any failure. Latencies are not: two
clocks took them, the application's and the mirror's, so that a difference is no surprise. A turn that the shadow lost
(shed, expired) is left out: an outage of a mirror is no bias, and has a cause of its own.

The evidence is the mean of the guardrails' e-values, so over the whole life of a watch it alarms by chance with
probability ``gate.sentinel_alpha`` at most. It is looked at after every conversation, in the order in which they
closed: the alarm, too, is a function of the rows.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Final

from shadow.gate.assemble import TurnRows
from shadow.gate.evidence import log_mean_e
from shadow.gate.sentinel import Alarm, Sentinel, watch
from shadow.gate.settings import FailureGuardrail, Gate
from shadow.gate.turn_values import REMEMBERED, complete, counter

ANY_FAILURE: Final = FailureGuardrail(kind="failure", name="any_failure")

SAID: Final[dict[Alarm, str]] = {"control_worse": "more", "control_better": "less"}


@dataclass(frozen=True, slots=True)
class Alarmed:
    """What the alarm was about: the guardrail with the most evidence, which side, and after how many conversations."""

    guardrail: str
    side: Alarm
    at: float
    """When the conversation closed that it was raised at, Unix seconds."""
    conversations: int

    @property
    def cause(self) -> str:
        """In words that stay the same while it lasts."""
        return (
            f"sentinel: production asked again (control) fails {SAID[self.side]} often than production by "
            f"{self.guardrail!r}: the instruments differ between the arms; fix that, then set gate.sentinel_since"
        )


class Watch:
    """Two bets per guardrail on the control arm's conversations, at a margin of exactly 0."""

    def __init__(self, gate: Gate) -> None:
        watched = [each for each in gate.guardrails if isinstance(each, FailureGuardrail)] or [ANY_FAILURE]
        self._counts = [counter(each) for each in watched]
        self._names = [each.name for each in watched]
        self._none = Sentinel.none_yet()
        self._known: dict[float, Sentinel] = {}
        self._goal = -math.log(gate.sentinel_alpha)
        self._alpha = gate.sentinel_alpha
        self._since = gate.sentinel_since
        self.sentinels = [self._none for _ in watched]
        self.conversations = 0
        self.alarm: Alarmed | None = None

    def count(self, closed_at: float, turns: list[TurnRows]) -> None:
        """One more closed conversation of the control arm, by its turns whose prefix is fit."""
        whole = [turn for turn in turns if complete(turn.row)]
        if not whole or (self._since is not None and closed_at < self._since):
            return
        self.conversations += 1
        differs = False
        for index, read in enumerate(self._counts):
            harms = [harm for turn in whole if (harm := read(turn)) is not None]
            if harms:
                x = sum(harms) / len(harms)
                self.sentinels[index] = self.sentinels[index].merge(self._one(x))
                differs |= x != 0
        if differs and self.alarm is None and self.log_e() >= self._goal:
            most = max(range(len(self.sentinels)), key=lambda index: self.sentinels[index].log_e())
            side = watch(self.sentinels[most], alpha=self._alpha)
            if side is not None:
                self.alarm = Alarmed(self._names[most], side, closed_at, self.conversations)

    def log_e(self) -> float:
        """Logarithm of the evidence that control differs from production."""
        return log_mean_e([each.log_e() for each in self.sentinels])

    def report(self) -> dict[str, Any]:
        """What is shown of it. ``progress``: share of the evidence of an alarm, 0..1."""
        alarm = self.alarm
        return {
            "state": "quiet" if alarm is None else alarm.side,
            "conversations": self.conversations,
            "progress": 1.0 if alarm else round(max(0.0, min(self.log_e() / self._goal, 1.0)), 9),
            "alarm": alarm and {"guardrail": alarm.guardrail, "at": alarm.at, "conversations": alarm.conversations},
            "guardrails": [
                {"name": name, "conversations": each.conversations, "estimate": _round(each.mean())}
                for name, each in zip(self._names, self.sentinels, strict=True)
            ],
        }

    def _one(self, x: float) -> Sentinel:
        """What one conversation of mean harm ``x`` adds; remembered, as few values make up most traffic."""
        found = self._known.get(x)
        if found is None:
            found = self._none.add(x)
            if len(self._known) < REMEMBERED:
                self._known[x] = found
        return found


def _round(value: float | None) -> float | None:
    return None if value is None else round(value, 9)
