"""What a decision is made of and what it says: the rule's settings, the situation, what was latched, the ruling."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from shadow.events import Verdict
from shadow.gate.arguments import checked_alpha
from shadow.gate.guardrails import Cell

Why = Literal[
    "harm",
    "over_budget",
    "cause",
    "no_data",
    "incomplete",
    "few_conversations",
    "evidence",
    "expired",
    "cycle",
    "shown",
]
LegKey = tuple[str, str, str]
"""Guardrail, slice, leg."""

State = Literal["collecting", "pass", "fail"]


@dataclass(frozen=True, slots=True)
class Rule:
    """The settings of a decision. ``max_conversations`` is usually four times the planned number.

    Before ``min_conversations``, and ``min_closed_per_open`` for each one that is still open, nothing is latched and
    nobody is promoted: short ones close first, and harm in long ones would be latched as absent. A rejection needs no
    number.
    """

    max_conversations: int
    alpha: float = 0.05
    zero_tolerance_alpha: float = 0.01
    min_conversations: int = 300
    min_completeness: float = 0.995
    min_closed_per_open: float = 6.0

    def __post_init__(self) -> None:
        """Refuse what would decide without evidence, or never."""
        checked_alpha(self.alpha)
        checked_alpha(self.zero_tolerance_alpha, "zero_tolerance_alpha")
        if not 0 <= self.min_completeness <= 1:
            raise ValueError(f"min_completeness is {self.min_completeness!r}: it is a share of pairs; 0.995 is usual")
        if not 1 <= self.min_conversations <= self.max_conversations:
            raise ValueError(
                f"min_conversations is {self.min_conversations!r}, max_conversations {self.max_conversations!r}: "
                f"the least must be 1 or more, and not exceed the most"
            )
        if not (self.min_closed_per_open >= 0 and math.isfinite(self.min_closed_per_open)):
            raise ValueError(f"min_closed_per_open is {self.min_closed_per_open!r}: it must be 0 or more")

    def least(self, open_now: int) -> int:
        """How many conversations must be closed while so many are open."""
        return max(self.min_conversations, math.ceil(self.min_closed_per_open * open_now))


@dataclass(frozen=True, slots=True)
class Situation:
    """What is known at this look besides the evidence. ``causes`` are reasons not to trust it, in words."""

    conversations: int
    pairs_expected: int
    pairs_complete: int
    at_cycle_end: bool
    """Whether the evidence covers whole cycles of traffic (one at least): true only at a look on the boundary."""
    causes: tuple[str, ...] = ()
    open: int = 0
    """Conversations that have begun and not closed."""

    def __post_init__(self) -> None:
        """Refuse counts that cannot be: completeness would be more than all."""
        for name in ("conversations", "open"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} is {getattr(self, name)!r}: it must be 0 or more")
        if not 0 <= self.pairs_complete <= self.pairs_expected:
            raise ValueError(
                f"pairs_complete is {self.pairs_complete!r} of {self.pairs_expected!r} expected: "
                f"a pair is complete once, and only if it was expected"
            )

    @property
    def completeness(self) -> float | None:
        """Share of the expected pairs that have both replies or a known failure; None: nothing was expected."""
        return self.pairs_complete / self.pairs_expected if self.pairs_expected else None


@dataclass(frozen=True, slots=True)
class Latch:
    """What earlier looks of this experiment have reached."""

    reached: frozenset[LegKey] = frozenset()
    """Legs that had reached 1/alpha at the end of a whole cycle of traffic, with ``min_conversations`` closed."""
    harm: tuple[str, ...] | None = None
    """Not None: rejected for harm over a margin; the cells that are certain culprits by now, if any is."""
    over_budget: tuple[str, ...] | None = None
    """Not None: rejected for exceeding a budget; likewise."""
    promoted: bool = False
    expired: bool = False

    @property
    def blamed(self) -> tuple[str, ...]:
        """The cells that are certain culprits of a rejection."""
        return (self.harm or ()) + (self.over_budget or ())

    @property
    def rejected(self) -> bool:
        """Whether REJECT has been reached."""
        return self.harm is not None or self.over_budget is not None


@dataclass(frozen=True, slots=True)
class Reason:
    """Why the verdict is what it is: of a closed set, and in words."""

    why: Why
    detail: str

    def __str__(self) -> str:
        return f"{self.why}: {self.detail}"


@dataclass(frozen=True, slots=True)
class CellReport:
    """A cell as it is shown. ``progress`` is the slower leg's share of the evidence needed, 0..1."""

    cell: Cell
    state: State
    conversations: int
    discordant: int | None
    estimate: float | None
    lower: float | None
    upper: float | None
    log_e_promote: float | None
    log_e_reject: float
    progress: float


@dataclass(frozen=True, slots=True)
class Ruling:
    """A look's result; ``latch`` goes into the next look."""

    verdict: Verdict
    reasons: tuple[Reason, ...]
    slowest: Cell | None
    culprits: tuple[str, ...]
    progress: float
    cells: tuple[CellReport, ...]
    latch: Latch


@dataclass(frozen=True, slots=True)
class Glance:
    """A look without its report. ``now``: the legs that are shown at this very look; ``waiting``: some cell is not."""

    verdict: Verdict
    latch: Latch
    doubts: tuple[Reason, ...]
    now: frozenset[LegKey]
    waiting: bool
