"""What a mirror knows of the turns that it has answered: none is asked twice, and none is forgotten too early."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shadow.mirror import answered as module
from shadow.mirror.answered import Answered


def test_replies_are_found_again_from_the_first_that_belongs_to_a_turn_not_committed() -> None:
    made = Answered()
    for turn, reply in ((10, 105), (11, 103), (12, 104)):
        made.begin(f"t{turn}", turn)
        made.stored(f"t{turn}", turn, reply)
    assert made.first_reply(10) == 103
    assert made.first_reply(12) == 104
    assert made.first_reply(13) == 106, "all are done: from behind the last reply on"


def test_the_place_from_which_to_read_moves_on_with_the_replies_of_others() -> None:
    made = Answered(next_reply=7)
    assert made.first_reply(0) == 7
    made.passed(20)
    made.passed(12)
    assert made.first_reply(0) == 21


def test_a_turn_written_twice_holds_on_to_the_reply_of_the_first() -> None:
    """Else a crash between the two commits would ask for the second one anew."""
    made = Answered()
    made.begin("t", 10)
    made.stored("t", 10, 100)
    made.passed(150)
    assert "t" in made
    made.again("t", 30)
    assert made.first_reply(20) == 100
    made.begin("unanswered", 40)
    made.again("unanswered", 50)
    assert made.first_reply(31) == 151


@pytest.mark.parametrize(("turn", "first"), [(5, 100), (None, 0)])
def test_a_reply_that_was_found_makes_its_turn_known(turn: int | None, first: int) -> None:
    """Replies of old do not say which turn they are to: they are known by its id alone."""
    made = Answered()
    made.found("t", turn, 100)
    assert "t" in made
    assert made.first_reply(5) == first


@given(st.integers(1, 30), st.integers(0, 30), st.integers(0, 10))
def test_of_many_turns_the_oldest_are_forgotten_and_none_that_may_come_again(count: int, done: int, kept: int) -> None:
    made = Answered()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "REMEMBERED", kept)
        for turn in range(count):
            made.begin(f"t{turn}", turn)
        made.forget(done)
    assert sorted(made.turns[each][0] for each in made.turns) == list(range(min(done, max(0, count - kept)), count))
