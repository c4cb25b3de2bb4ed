"""Findings against candidates, and who promoted what: rows are added, never changed."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make both tables."""
    op.create_table(
        "findings",
        sa.Column("finding_id", sa.BigInteger, nullable=False),
        sa.Column("event", sa.Text, nullable=False),
        sa.Column("candidate", sa.Text, nullable=False),
        sa.Column("owner", sa.Text, nullable=False),
        sa.Column("severity", sa.Text, nullable=False),
        sa.Column("said", sa.Text, nullable=False),
        sa.Column("person", sa.Text, nullable=False),
        sa.Column("happened_at", sa.Double, nullable=False),
        sa.PrimaryKeyConstraint("finding_id", "event", name="findings_key"),
    )
    op.create_table(
        "promotions",
        sa.Column("promotion_id", sa.BigInteger, nullable=False),
        sa.Column("candidate", sa.Text, nullable=False),
        sa.Column("owner", sa.Text, nullable=False),
        sa.Column("revision", sa.Text, nullable=False),
        sa.Column("experiment", sa.Text, nullable=False),
        sa.Column("verdict", sa.Text, nullable=False),
        sa.Column("looked_at", sa.Double),
        sa.Column("refusal", sa.Text),
        sa.Column("person", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("evidence_sha256", sa.Text),
        sa.Column("promoted_at", sa.Double, nullable=False),
        sa.PrimaryKeyConstraint("promotion_id", name="promotions_key"),
    )
