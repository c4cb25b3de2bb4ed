"""What one poll brought, as the ledger takes it: rows, letters for the broken records, and where it begins and ends."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from kafka import OffsetAndMetadata, TopicPartition

from shadow.dead_letters import Letter, letter_for
from shadow.events import BrokenRecordError, Comparison, Outcome, decode
from shadow.ledger import comparison_row, outcome_row, unstorable
from shadow.topology import COMPARISONS

Polled = dict[TopicPartition, list[Any]]
"""What the client's ``poll`` returns: records in the order of their offsets, by partition."""


@dataclass(slots=True)
class Batch:
    """Rows for the ledger, letters with their reasons, and per partition the first offset and the one to commit."""

    comparisons: list[dict[str, Any]] = field(default_factory=list)
    outcomes: list[dict[str, Any]] = field(default_factory=list)
    broken: list[tuple[str, Letter]] = field(default_factory=list)
    first: dict[TopicPartition, int] = field(default_factory=dict)
    next: dict[TopicPartition, OffsetAndMetadata] = field(default_factory=dict)


def decoded(polled: Polled, now: float) -> Batch:
    """The batch that ``polled`` is, recorded at ``now`` (Unix seconds); a record that is broken is a letter."""
    batch = Batch()
    for partition, records in polled.items():
        batch.first[partition] = records[0].offset
        last = records[-1]
        batch.next[partition] = OffsetAndMetadata(last.offset + 1, "", last.leader_epoch)
        of_comparisons = partition.topic == COMPARISONS
        rows = batch.comparisons if of_comparisons else batch.outcomes
        for record in records:
            try:
                rows.append(_row(record, now, of_comparisons=of_comparisons))
            except BrokenRecordError as error:
                batch.broken.append((error.reason, letter_for(record, error, by="recorder", at_s=now)))
    return batch


def _row(record: Any, now: float, *, of_comparisons: bool) -> dict[str, Any]:
    """The ledger's row of a record. Raises :class:`BrokenRecordError`, also for what no database could hold."""
    values: dict[str, Any]
    if of_comparisons:
        values = comparison_row(decode(Comparison, record.value, record.key), record.value, now)
    else:
        values = outcome_row(decode(Outcome, record.value, record.key), record.value, now)
    if problem := unstorable(values):
        raise BrokenRecordError("invalid", problem)
    return values
