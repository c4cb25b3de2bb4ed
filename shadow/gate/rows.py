"""What the gate reads of the ledger: columns as they are stored, JSON lists still text. Times are Unix seconds."""

from __future__ import annotations

from typing import NamedTuple


class LedgerRow(NamedTuple):
    """A comparison's row. ``failures``, ``production_failures``, ``slices``, ``unexamined``: JSON lists, None if empty.

    ``unexamined`` names failure detectors that broke on the arm's reply; ``measures`` and ``scores`` belong together.
    """

    turn_id: str
    arm: str
    arm_revision: str
    conversation_id: str
    turn_index: int
    outcome: str
    reason: str | None
    turn_arrived_at: float
    recorded_at: float
    production_latency_s: float | None
    candidate_latency_s: float | None
    production_cost_usd: float | None
    candidate_cost_usd: float | None
    measures: str | None
    scores: str | None
    failures: str | None
    production_failures: str | None
    agreed: int | None
    slices: str | None
    evaluator_revision: str | None
    unexamined: str | None

    @property
    def order(self) -> tuple[float, float, str, str, str]:
        """By when it was recorded; nothing is left to the order of reading."""
        return (self.recorded_at, self.turn_arrived_at, self.turn_id, self.arm, self.arm_revision)


class OutcomeRow(NamedTuple):
    """An outcome's row: what became of a turn under ``arm``; ``value_number`` is None where it was a text."""

    outcome_id: str
    turn_id: str
    conversation_id: str
    arm: str
    name: str
    value_number: float | None
    recorded_at: float

    @property
    def order(self) -> tuple[float, float, str, str, str]:
        """By when it was recorded; at the same instant after comparisons."""
        return (self.recorded_at, float("inf"), self.turn_id, self.arm, self.outcome_id)


Recorded = LedgerRow | OutcomeRow
