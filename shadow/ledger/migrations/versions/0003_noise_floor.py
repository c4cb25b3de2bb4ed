"""What the noise floor reads: turn and evaluator in SQLite's covering index, and agreement by conversation."""

from __future__ import annotations

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

SUMMARY = [
    "arm",
    "arm_revision",
    "outcome",
    "reason",
    "evaluator_revision",
    "turn_arrived_at",
    "conversation_id",
    "production_latency_s",
    "candidate_latency_s",
    "candidate_ttft_s",
    "production_cost_usd",
    "candidate_cost_usd",
    "candidate_input_tokens",
    "candidate_output_tokens",
    "measures",
    "scores",
    "failures",
    "production_failures",
    "turn_index",
    "agreed",
    "slices",
    "turn_id",
]


def upgrade() -> None:
    """Make both indexes again."""
    op.drop_index("comparisons_by_conversation", "comparisons")
    columns = ["conversation_id", "arm", "arm_revision", "turn_index", "agreed"]
    op.create_index("comparisons_by_conversation", "comparisons", columns)
    if op.get_bind().dialect.name == "sqlite":
        op.drop_index("comparisons_summary", "comparisons")
        op.create_index("comparisons_summary", "comparisons", SUMMARY)
