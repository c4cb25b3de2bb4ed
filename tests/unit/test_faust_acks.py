"""Why no record comes through Faust's consumer: docs/design/delivery.md rests on what is shown here.

These tests drive Faust's own bookkeeping (``Consumer.ack`` and ``Consumer._new_offset``). If a later Faust mends it,
they fail: then the design note may be read again.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import version
from typing import Any

import faust
import pytest
from faust.types import TP
from faust.types.tuples import Message

from consumers.acks import OffsetTracker

PARTITION = TP("support.turns", 0)
FAUST = f"Faust {version('faust-streaming')}"
MENDED = f"{FAUST} no longer passes over a pending message: read docs/design/delivery.md again"


async def would_commit(*, committed: int | None, done: Sequence[int]) -> int | None:
    """The offset that Faust commits when exactly ``done`` have been acknowledged; None: it leaves the commit alone."""
    app = faust.App("shadow.proof", broker="kafka://127.0.0.1:1", autodiscover=False)  # never started, never connected
    ignore: Any = lambda *_: None  # noqa: E731 (Faust wants callables)
    consumer = app.transport.create_consumer(ignore, on_partitions_revoked=ignore, on_partitions_assigned=ignore)
    app.topics._acking_topics.add(PARTITION.topic)
    consumer._committed_offset[PARTITION] = committed
    for offset in done:
        assert consumer.ack(_message(offset))
    found: int | None = consumer._new_offset(PARTITION)
    consumer._thread.thread_loop.close()  # made with the consumer, for a thread that is not started here
    return found


def _message(offset: int) -> Any:
    return Message(
        topic=PARTITION.topic,
        partition=PARTITION.partition,
        offset=offset,
        timestamp=0.0,
        timestamp_type=1,
        headers=None,
        key=b"",
        value=b"",
        checksum=None,
    )


def kept_back(*, committed: int, done: Sequence[int], last: int) -> int:
    """The same by Shadow's own count, all of ``committed`` to ``last`` having been read."""
    tracker = OffsetTracker(committed)
    for offset in range(committed, last + 1):
        tracker.read(offset)
    for offset in done:
        tracker.done(offset)
    return tracker.position


@pytest.mark.parametrize("committed", [None, 0])
async def test_on_a_fresh_group_faust_commits_past_a_pending_head(committed: int | None) -> None:
    """Offset 0 is still being worked on; 1, 2 and 3 are done. A restart then begins at 4, and 0 is lost."""
    assert await would_commit(committed=committed, done=[1, 2, 3]) == 4, MENDED
    assert kept_back(committed=0, done=[1, 2, 3], last=3) == 0


async def test_faust_commits_past_a_pending_head_when_exactly_one_is_missing() -> None:
    """Everything below 10 is committed, 10 is still being worked on, 11 and 12 are done."""
    assert await would_commit(committed=10, done=[11, 12]) == 13, MENDED
    assert kept_back(committed=10, done=[11, 12], last=12) == 10


async def test_faust_holds_back_only_when_two_or_more_are_missing() -> None:
    """The check that is there, one too lax: with 10 and 11 pending it does wait."""
    assert await would_commit(committed=10, done=[12, 13]) is None
    assert kept_back(committed=10, done=[12, 13], last=13) == 10
