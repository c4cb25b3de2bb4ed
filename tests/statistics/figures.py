"""A figure with its Monte-Carlo error beside its goal, and the statistics that figures are made of."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np

from tests.statistics.vector import NEVER

ERRORS = 3
"""Standard errors by which a figure may miss its goal: chance, at so many replications."""


@dataclass(frozen=True)
class Measured:
    """A number and its standard error; 0 where it is exact."""

    value: float
    error: float
    unit: Literal["%", "x", "turns", "conversations", "us", "bytes", ""] = ""

    def __str__(self) -> str:
        if self.unit == "%":
            return f"{self.value:.2%} ± {self.error:.2%}"
        tail = {"x": "×", "": ""}.get(self.unit, f" {self.unit}")
        digits = 2 if self.unit in {"x", "us"} else 0
        error = f" ± {self.error:,.{digits}f}" if self.error else ""
        return f"{self.value:,.{digits}f}{tail}{error}"


@dataclass(frozen=True)
class Figure:
    """One line of the table. Without a goal it stands there for comparison."""

    goal: str
    what: str
    measured: tuple[Measured, ...]
    at_most: float | None = None
    at_least: float | None = None
    timed: bool = False
    """Of a clock: true of one machine at one moment, and asserted nowhere."""

    @property
    def met(self) -> bool | None:
        """Whether every number keeps the goal within three standard errors; None: there is no goal."""
        if self.at_most is None and self.at_least is None:
            return None
        return all(self._kept(each) for each in self.measured)

    def _kept(self, each: Measured) -> bool:
        slack = ERRORS * each.error
        low = self.at_least is None or each.value >= self.at_least - slack
        return low and (self.at_most is None or each.value <= self.at_most + slack)

    @property
    def target(self) -> str:
        """The goal in words."""
        given = (("≤", self.at_most), ("≥", self.at_least))
        return ", ".join(f"{sign} {self._in_unit(value)}" for sign, value in given if value is not None)

    def _in_unit(self, value: float) -> str:
        unit = self.measured[0].unit
        known = {"%": f"{value * 100:.3g} %", "x": f"{value:.3g}×"}
        return known.get(unit, f"{value:,.0f} {unit}")

    def row(self) -> tuple[str, str, str, str, str]:
        """For a table."""
        met = {True: "met", False: "MISSED", None: ""}[self.met]
        return self.goal, self.what, "; ".join(map(str, self.measured)), self.target, met


def share(reached: np.ndarray, *, by: float = NEVER) -> Measured:
    """Share of streams in which it happened, at the latest at ``by``."""
    rate = float(((reached != NEVER) & (reached <= by)).mean())
    return Measured(rate, math.sqrt(max(rate * (1 - rate), 1 / len(reached)) / len(reached)), "%")


def median(reached: np.ndarray, unit: Literal["turns", "conversations"] = "turns") -> Measured:
    """Median time of the streams in which it happened; its error from the order statistics around it."""
    times = np.sort(reached[reached != NEVER]).astype(float)
    if not len(times):
        return Measured(math.inf, 0, unit)
    spread = 0.5 / math.sqrt(len(times))
    low, high = np.quantile(times, [max(0.5 - spread, 0), min(0.5 + spread, 1)])
    return Measured(float(np.median(times)), float(high - low) / 2, unit)


def mean_over(reached: np.ndarray, horizon: float, yardstick: float) -> Measured:
    """Mean time over a yardstick; a stream in which it never happened counts with the horizon, which is too little."""
    times = np.minimum(reached, horizon).astype(float) / yardstick
    return Measured(float(times.mean()), float(times.std() / math.sqrt(len(times))), "x")


def over(figure: Measured, yardstick: float) -> Measured:
    """A figure as a multiple of a yardstick."""
    return Measured(figure.value / yardstick, figure.error / yardstick, "x")
