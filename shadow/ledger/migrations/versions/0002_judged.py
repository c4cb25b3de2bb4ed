"""How a turn was judged: production's failures, agreement, slices, and the evaluator's revision.

Older rows keep NULL there: they were judged without slices, and their payload says what production's failures were.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
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
    "production_failures",
    "turn_index",
    "agreed",
    "slices",
]


def upgrade() -> None:
    """Add the columns, and put them into SQLite's covering index."""
    for name, kind in (
        ("production_failures", sa.Text),
        ("agreed", sa.Integer),
        ("slices", sa.Text),
        ("evaluator_revision", sa.Text),
    ):
        op.add_column("comparisons", sa.Column(name, kind))
    if op.get_bind().dialect.name == "sqlite":
        op.drop_index("comparisons_summary", "comparisons")
        op.create_index("comparisons_summary", "comparisons", SUMMARY)
