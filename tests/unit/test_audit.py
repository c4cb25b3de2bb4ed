"""What the audit may expect the broker to still have."""

from shadow.audit import _still_there
from shadow.ledger import Row

FIRST = {0: (100, 5_000.0), 1: (7, 6_000.0)}


def row(partition: int, offset: int, arrived_s: float) -> Row:
    return Row("t", "better", "r", partition, offset, arrived_s, "compared")


def test_a_turn_is_only_missed_where_its_own_partition_still_has_older_ones():
    """Retention takes segments, partition by partition; an embedded broker begins at offset 0 again."""
    assert _still_there(row(0, 100, 5_000.0), FIRST)
    assert not _still_there(row(0, 99, 4_999.0), FIRST)
    assert not _still_there(row(1, 6, 5_500.0), FIRST)  # newer than partition 0's oldest, and gone all the same
    assert not _still_there(row(0, 300, 1_000.0), FIRST)  # an earlier broker's offset 300
    assert not _still_there(row(5, 0, 9_000.0), FIRST)  # nothing of that partition is left
