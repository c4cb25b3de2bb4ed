"""Which topics of a partition the comparator stops reading for a while: memory is bounded, and it never locks up."""

from hypothesis import given
from hypothesis import strategies as st

from consumers.comparator import CROWD, to_pause
from shadow.topology import ARM_REPLIES, REPLIES, TURNS

END = float("inf")
WINDOW = 100.0


def paused(turns: float, replies: float, arm_replies: float, *, waiting: int = 0, orphans: int = 0) -> set[str]:
    clocks = {TURNS: turns, REPLIES: replies, ARM_REPLIES: arm_replies}
    return to_pause(clocks, WINDOW, turns=waiting, orphans=orphans, limit=1_000)


def test_turns_are_read_on_while_there_are_too_many_replies_without_one():
    assert paused(5.0, 6.0, 4.0, orphans=1_001) == {REPLIES, ARM_REPLIES}
    assert paused(END, END, END, orphans=1_001) == {REPLIES, ARM_REPLIES}


def test_nothing_waits_while_topics_are_read_within_a_window():
    assert paused(1.0, 90.0, 50.0) == set()


def test_a_topic_a_window_ahead_of_the_slowest_waits():
    assert paused(1.0, 102.0, 50.0) == {REPLIES}
    assert paused(300.0, 102.0, 150.0) == {TURNS}


def test_in_a_crowd_whatever_is_ahead_waits():
    assert paused(5.0, 6.0, 4.0, waiting=CROWD + 1) == {TURNS, REPLIES}


def test_a_topic_that_is_read_to_its_end_never_waits_so_that_its_clock_goes_on():
    assert paused(5.0, END, END, waiting=CROWD + 1) == set()


def test_turns_wait_while_there_are_too_many_of_them_and_replies_go_on():
    assert paused(5.0, 50.0, 4.0, waiting=1_001) == {TURNS}


a_clock = st.floats(0, 1_000) | st.just(END)


@given(a_clock, a_clock, a_clock, st.integers(0, 3_000), st.integers(0, 3_000))
def test_something_that_can_move_on_is_always_read(turns, replies, arm_replies, waiting, orphans):
    """Unless turns are too many: then the replies have been read a window ahead, and the waiting turns expire."""
    stopped = paused(turns, replies, arm_replies, waiting=waiting, orphans=orphans)
    if waiting <= 1_000 < orphans:
        assert TURNS not in stopped  # by whose clock the orphans are given up
        return
    clocks = {TURNS: turns, REPLIES: replies, ARM_REPLIES: arm_replies}
    unread = {topic for topic, clock in clocks.items() if clock < END}
    if unread and unread <= stopped:
        assert waiting > 1_000
        assert min(replies, arm_replies) > turns + WINDOW
