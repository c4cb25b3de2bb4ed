"""The ledger's tables as this version of Shadow uses them; ``migrations/`` makes them.

Times are Unix seconds, durations seconds, both double precision. ``payload`` is the record's JSON text as it stood on
the wire, so that a later version can read more from it than the columns hold. ``measures`` (names of those that did not
abstain, sorted), ``scores`` (theirs, in the same order) and ``failures`` (kinds of the arm's own reply) are JSON arrays
copied out of the payload, NULL when empty: few different lists of names, so that all scores are parsed as one matrix.
``production_failures`` and ``slices`` (sorted) likewise; ``agreed`` is 0, 1 or NULL.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import BigInteger, Column, Double, Index, Integer, MetaData, PrimaryKeyConstraint, Table, Text

REVISION: Final = "0003"
"""The newest migration, which this version reads and writes."""

VERSION_TABLE: Final = "ledger_version"

metadata: Final = MetaData()

SUMMARY: Final = (
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
)
"""All that the statistics read, as a covering index: they are asked for every second and must not read payloads.

SQLite only: PostgreSQL bounds an index row to 2.7 kB, and one long row must not stop the recorder.
"""

BY_CONVERSATION: Final = ("conversation_id", "arm", "arm_revision", "turn_index", "agreed")
"""All that says how long an arm would have stayed in a conversation, in the order in which it is worked out."""

comparisons: Final = Table(
    "comparisons",
    metadata,
    Column("turn_id", Text, nullable=False),
    Column("arm", Text, nullable=False),
    Column("arm_revision", Text, nullable=False),
    Column("conversation_id", Text, nullable=False),
    Column("turn_index", BigInteger, nullable=False),
    Column("outcome", Text, nullable=False),
    Column("reason", Text),
    Column("turn_partition", BigInteger, nullable=False),
    Column("turn_offset", BigInteger, nullable=False),
    Column("turn_arrived_at", Double, nullable=False),
    Column("production_replied_at", Double),
    Column("compared_at", Double, nullable=False),
    Column("recorded_at", Double, nullable=False),
    Column("production_latency_s", Double),
    Column("candidate_latency_s", Double),
    Column("candidate_ttft_s", Double),
    Column("production_cost_usd", Double),
    Column("candidate_cost_usd", Double),
    Column("production_input_tokens", BigInteger),
    Column("production_output_tokens", BigInteger),
    Column("candidate_input_tokens", BigInteger),
    Column("candidate_output_tokens", BigInteger),
    Column("measures", Text),
    Column("scores", Text),
    Column("failures", Text),
    Column("production_failures", Text),
    Column("agreed", Integer),
    Column("slices", Text),
    Column("evaluator_revision", Text),
    Column("payload", Text, nullable=False),
    PrimaryKeyConstraint("turn_id", "arm", "arm_revision", name="comparisons_key"),
    Index("comparisons_by_arm_and_time", "arm", "turn_arrived_at"),
    Index("comparisons_by_conversation", *BY_CONVERSATION),
    Index("comparisons_summary", *SUMMARY).ddl_if(dialect="sqlite"),
)

outcomes: Final = Table(
    "outcomes",
    metadata,
    Column("outcome_id", Text, nullable=False),
    Column("turn_id", Text, nullable=False),
    Column("conversation_id", Text, nullable=False),
    Column("arm", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("value_number", Double),
    Column("value_text", Text),
    Column("occurred_at", Double, nullable=False),
    Column("recorded_at", Double, nullable=False),
    Column("payload", Text, nullable=False),
    PrimaryKeyConstraint("outcome_id", name="outcomes_key"),
    Index("outcomes_by_turn", "turn_id"),
)
