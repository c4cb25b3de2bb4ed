"""The ledger's tables as this version of Shadow uses them; ``migrations/`` makes them.

Times are Unix seconds, durations seconds, both double precision. ``payload`` is the record's JSON text as it stood on
the wire, so that a later version can read more from it than the columns hold. ``measures`` (names of those that did not
abstain, sorted), ``scores`` (theirs, in the same order) and ``failures`` (kinds of the arm's own reply) are JSON arrays
copied out of the payload, NULL when empty: few different lists of names, so that all scores are parsed as one matrix.
``production_failures``, ``slices`` (sorted) and ``unexamined`` (failure detectors that broke on the arm's reply)
likewise; ``agreed`` is 0, 1 or NULL. ``seq`` numbers rows in the order in which they were committed.
``findings`` has a row when one is opened and another when it is closed. ``promotions.refusal`` is what was overridden,
NULL if nothing was.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import BigInteger, Column, Double, Index, Integer, MetaData, PrimaryKeyConstraint, Table, Text

REVISION: Final = "0005"
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
    Column("seq", BigInteger),
    Column("unexamined", Text),
    Column("payload", Text, nullable=False),
    PrimaryKeyConstraint("turn_id", "arm", "arm_revision", name="comparisons_key"),
    Index("comparisons_by_arm_and_time", "arm", "turn_arrived_at"),
    Index("comparisons_by_conversation", *BY_CONVERSATION),
    Index("comparisons_by_seq", "seq"),
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
    Column("seq", BigInteger),
    Column("payload", Text, nullable=False),
    PrimaryKeyConstraint("outcome_id", name="outcomes_key"),
    Index("outcomes_by_turn", "turn_id"),
    Index("outcomes_by_seq", "seq"),
)

findings: Final = Table(
    "findings",
    metadata,
    Column("finding_id", BigInteger, nullable=False),
    Column("event", Text, nullable=False),
    Column("candidate", Text, nullable=False),
    Column("owner", Text, nullable=False),
    Column("severity", Text, nullable=False),
    Column("said", Text, nullable=False),
    Column("person", Text, nullable=False),
    Column("happened_at", Double, nullable=False),
    PrimaryKeyConstraint("finding_id", "event", name="findings_key"),
)

promotions: Final = Table(
    "promotions",
    metadata,
    Column("promotion_id", BigInteger, nullable=False),
    Column("candidate", Text, nullable=False),
    Column("owner", Text, nullable=False),
    Column("revision", Text, nullable=False),
    Column("experiment", Text, nullable=False),
    Column("verdict", Text, nullable=False),
    Column("looked_at", Double),
    Column("refusal", Text),
    Column("person", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("evidence_sha256", Text),
    Column("promoted_at", Double, nullable=False),
    PrimaryKeyConstraint("promotion_id", name="promotions_key"),
)
