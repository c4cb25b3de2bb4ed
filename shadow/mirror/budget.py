"""What an arm has cost today, by partition, so that workers share a daily budget without talking to each other."""

from __future__ import annotations

from typing import Final

DAY_S: Final = 86_400


def day(at_s: float) -> int:
    """The UTC day that an instant lies in: days since 1970."""
    return int(at_s // DAY_S)


class Budget:
    """Dollars spent in the current UTC day on the partitions that this worker owns.

    Each partition has an equal share of ``usd_per_day``. What is spent is learned again from the arm's own replies of
    today when a partition is taken over, so neither a crash nor a rebalance resets it. Calls under way are not counted
    yet: the overshoot is at most the in-flight limit times the dearest turn.
    """

    def __init__(self, *, usd_per_day: float | None, partitions: int) -> None:
        self._usd_per_day = usd_per_day
        self._partitions = partitions
        self._spent: dict[int, dict[int, float]] = {}

    def own(self, partition: int) -> None:
        """Take a partition over: this worker counts for it from now on."""
        self._spent[partition] = {}

    def disown(self, partition: int) -> None:
        """Give a partition up: another worker has it now."""
        self._spent.pop(partition, None)

    def spend(self, partition: int, cost_usd: float, at_s: float) -> None:
        """A reply of this partition cost so much at that time."""
        if partition in self._spent and cost_usd:
            days = self._spent[partition]
            days[day(at_s)] = days.get(day(at_s), 0.0) + cost_usd

    def spent(self, now_s: float) -> float:
        """Dollars spent today on the partitions owned."""
        today = day(now_s)
        return sum(days.get(today, 0.0) for days in self._spent.values())

    def limit(self) -> float | None:
        """Dollars a day for the partitions owned; None: no limit."""
        return None if self._usd_per_day is None else self._usd_per_day * len(self._spent) / self._partitions
