"""May this sampled turn be sent to its arm now? Either it is sent, or it is shed for one named reason."""

from __future__ import annotations

from shadow.config import Limits
from shadow.events import ShedReason
from shadow.mirror.breaker import Breaker
from shadow.mirror.budget import Budget


class Admission:
    """One arm's admission on one worker: its limits, its budget, its breaker."""

    def __init__(self, limits: Limits, *, partitions: int) -> None:
        self._limits = limits
        self.budget = Budget(usd_per_day=limits.usd_per_day, partitions=partitions)
        self.breaker = Breaker(failures=limits.breaker_failures, probe_s=limits.breaker_probe_s)

    def decide(self, *, paused: bool, turn_bytes: int, age_s: float, now_s: float) -> ShedReason | None:
        """None: send it. Else the first reason that holds, in the order: paused, too large, too old, budget, breaker.

        ``age_s`` is the time since the turn's arrival, ``now_s`` wall-clock Unix seconds.
        """
        if paused:
            return "paused"
        if turn_bytes > self._limits.max_turn_bytes:
            return "too_large"
        if age_s > self._limits.max_age_s:
            return "too_old"
        limit = self.budget.limit()
        if limit is not None and self.budget.spent(now_s) >= limit:
            return "budget"
        return "breaker" if self.breaker.refuses(now_s) else None
