from hypothesis import given
from hypothesis import strategies as st

from consumers.acks import OffsetTracker


@given(st.lists(st.integers(0, 3), min_size=1, max_size=60), st.randoms(use_true_random=False))
def test_position_never_passes_a_record_that_is_not_done(gaps, random):
    """Whatever the order of acknowledgement, and with gaps in the offsets."""
    tracker, offsets, at = OffsetTracker(10), [], 10
    for gap in gaps:
        at += gap
        offsets.append(at)
        tracker.read(at)
        at += 1
    undone = set(offsets)
    for offset in random.sample(offsets, len(offsets)):
        tracker.done(offset)
        undone.discard(offset)
        assert tracker.position <= min(undone, default=at)
    assert tracker.position == at
    assert len(tracker) == 0


def test_a_slow_first_record_of_a_fresh_group_holds_the_commit_back():
    """The case that Faust 0.15.3 gets wrong: nothing committed yet, the head pending, all others done."""
    tracker = OffsetTracker(0)
    for offset in range(5):
        tracker.read(offset)
    for offset in (1, 2, 3, 4):
        tracker.done(offset)
    assert tracker.position == 0
    tracker.done(0)
    assert tracker.position == 5
