"""The first ledger: comparisons and outcomes."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

SUMMARY = [
    "arm",
    "arm_revision",
    "outcome",
    "reason",
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
]


def upgrade() -> None:
    """Create both tables and their indexes."""
    _comparisons()
    _outcomes()


def _comparisons() -> None:
    op.create_table(
        "comparisons",
        sa.Column("turn_id", sa.Text, nullable=False),
        sa.Column("arm", sa.Text, nullable=False),
        sa.Column("arm_revision", sa.Text, nullable=False),
        sa.Column("conversation_id", sa.Text, nullable=False),
        sa.Column("turn_index", sa.BigInteger, nullable=False),
        sa.Column("outcome", sa.Text, nullable=False),
        sa.Column("reason", sa.Text),
        sa.Column("turn_partition", sa.BigInteger, nullable=False),
        sa.Column("turn_offset", sa.BigInteger, nullable=False),
        sa.Column("turn_arrived_at", sa.Double, nullable=False),
        sa.Column("production_replied_at", sa.Double),
        sa.Column("compared_at", sa.Double, nullable=False),
        sa.Column("recorded_at", sa.Double, nullable=False),
        sa.Column("production_latency_s", sa.Double),
        sa.Column("candidate_latency_s", sa.Double),
        sa.Column("candidate_ttft_s", sa.Double),
        sa.Column("production_cost_usd", sa.Double),
        sa.Column("candidate_cost_usd", sa.Double),
        sa.Column("production_input_tokens", sa.BigInteger),
        sa.Column("production_output_tokens", sa.BigInteger),
        sa.Column("candidate_input_tokens", sa.BigInteger),
        sa.Column("candidate_output_tokens", sa.BigInteger),
        sa.Column("measures", sa.Text),
        sa.Column("scores", sa.Text),
        sa.Column("failures", sa.Text),
        sa.Column("payload", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("turn_id", "arm", "arm_revision", name="comparisons_key"),
    )
    op.create_index("comparisons_by_arm_and_time", "comparisons", ["arm", "turn_arrived_at"])
    op.create_index("comparisons_by_conversation", "comparisons", ["conversation_id"])
    if op.get_bind().dialect.name == "sqlite":
        op.create_index("comparisons_summary", "comparisons", SUMMARY)


def _outcomes() -> None:
    op.create_table(
        "outcomes",
        sa.Column("outcome_id", sa.Text, nullable=False),
        sa.Column("turn_id", sa.Text, nullable=False),
        sa.Column("conversation_id", sa.Text, nullable=False),
        sa.Column("arm", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("value_number", sa.Double),
        sa.Column("value_text", sa.Text),
        sa.Column("occurred_at", sa.Double, nullable=False),
        sa.Column("recorded_at", sa.Double, nullable=False),
        sa.Column("payload", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("outcome_id", name="outcomes_key"),
    )
    op.create_index("outcomes_by_turn", "outcomes", ["turn_id"])
