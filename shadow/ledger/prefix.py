"""The prefix of each comparison in SQL: what :func:`shadow.gate.prefix.prefixes` says of one conversation.

Always of all turns, whatever time is asked about: a conversation may have begun before. Both databases read it from
``comparisons_by_conversation``, in that index's order.
"""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import Select, case, func, or_, select

from shadow.gate.prefix import PREFIXES
from shadow.ledger.schema import comparisons

VALID, UNKNOWN, BROKEN = (PREFIXES.index(name) for name in ("valid", "unknown", "broken"))

_EARLIER: Final = (None, -1)
"""All turns of a smaller index: those of the same index are not among them."""


def prefixed() -> Select[Any]:
    """``conversation_id, arm, arm_revision, turn_index, prefix`` of each row; ``prefix`` indexes :data:`PREFIXES`."""
    table = comparisons.c
    whose, index = (table.conversation_id, table.arm, table.arm_revision), table.turn_index
    worst, known, earlier = (
        each.over(partition_by=whose, order_by=index, range_=_EARLIER)
        for each in (func.min(table.agreed), func.count(table.agreed), func.count())
    )
    indexes = func.dense_rank().over(partition_by=whose, order_by=index) - 1  # different ones that are smaller
    prefix = case((worst == 0, BROKEN), (or_(indexes != index, known != earlier), UNKNOWN), else_=VALID)
    return select(*whose, index, prefix.label("prefix"))
