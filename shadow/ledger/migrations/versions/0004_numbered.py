"""Rows are numbered in the order in which they were committed, and say which detectors broke on the arm's reply.

Older rows are numbered by when they were recorded; what broke on them only their payload says.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

NUMBER = {
    "sqlite": "UPDATE {table} SET seq = rowid",
    "postgresql": (
        "UPDATE {table} SET seq = numbered.n FROM "
        "(SELECT ctid AS at, row_number() OVER (ORDER BY recorded_at, {key}) AS n FROM {table}) AS numbered "
        "WHERE {table}.ctid = numbered.at"
    ),
}
TABLES = {"comparisons": "turn_id, arm, arm_revision", "outcomes": "outcome_id"}


def upgrade() -> None:
    """Add the columns, number what is there, and index the numbers."""
    op.add_column("comparisons", sa.Column("unexamined", sa.Text))
    for table, key in TABLES.items():
        op.add_column(table, sa.Column("seq", sa.BigInteger))
        op.execute(NUMBER[op.get_bind().dialect.name].format(table=table, key=key))
        op.create_index(f"{table}_by_seq", table, ["seq"])
