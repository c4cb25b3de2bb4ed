"""The join of one partition, and what it lets be committed."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consumers.acks import OffsetTracker
from shadow.comparator.join import PartitionJoin
from shadow.events import Reply, Turn
from shadow.topology import ARM_REPLIES, REPLIES, TURNS
from tests.fixtures.events import reply, turn

ARMS = {"control": "r1", "better": "r2"}


def new_join(arms: dict[str, str] = ARMS) -> PartitionJoin:
    return PartitionJoin(2, window_s=100.0, expected=lambda _: arms)


def feed(join: PartitionJoin, event: Turn | Reply, topic: str, offset: int, at: float = 0.0):
    method = join.turn if isinstance(event, Turn) else join.reply
    return method(event, event.to_json(), (topic, offset), at)


def test_each_arm_is_resolved_once_when_its_replies_are_there_in_any_order():
    join = new_join()
    assert feed(join, reply(arm="better"), ARM_REPLIES, 0) == ("accepted", [])
    assert feed(join, turn(), TURNS, 0) == ("accepted", [])
    _, resolved = feed(join, reply(), REPLIES, 0)
    assert [pair.arm for pair in resolved] == ["better"]
    assert join.take_released() == []
    _, resolved = feed(join, reply(arm="control"), ARM_REPLIES, 1)
    assert [pair.arm for pair in resolved] == ["control"]
    assert sorted(join.take_released()) == sorted([(TURNS, 0), (REPLIES, 0), (ARM_REPLIES, 0), (ARM_REPLIES, 1)])


def test_a_shed_turn_does_not_wait_for_production():
    join = new_join({"better": "r"})
    feed(join, turn(), TURNS, 0)
    _, resolved = feed(join, reply(arm="better", shed="budget"), ARM_REPLIES, 0)
    assert len(resolved) == 1
    assert resolved[0].production is None


def test_nothing_expires_before_the_replies_have_been_read_to_the_end_of_the_window():
    join = new_join()
    feed(join, turn(), TURNS, 0, at=1000.0)
    assert join.advance(replies_s=1099.9, turns_s=5000.0) == []
    expired = join.advance(replies_s=1100.0, turns_s=1100.0)
    assert {pair.arm for pair in expired} == set(ARMS)
    assert all(pair.expired for pair in expired)


def test_a_reply_waits_for_its_turn_as_long_as_turns_have_not_been_read_that_far():
    join = new_join()
    feed(join, reply(), REPLIES, 0, at=1000.0)
    join.advance(replies_s=9000.0, turns_s=1050.0)
    assert join.take_unmatched() == 0
    join.advance(replies_s=9000.0, turns_s=1101.0)
    assert join.take_unmatched() == 1
    assert join.take_released() == [(REPLIES, 0)]


@pytest.mark.parametrize("settled", [False, True])
def test_a_second_turn_of_the_same_id_is_a_duplicate_or_a_conflict(settled):
    join = new_join({} if settled else ARMS)
    feed(join, turn(), TURNS, 0)
    assert feed(join, turn(), TURNS, 1)[0] == "duplicate"
    assert feed(join, turn(turn_index=7), TURNS, 2)[0] == "conflict"


def test_a_reply_to_a_turn_that_was_resolved_long_ago_is_let_go_at_once():
    """A mirror that comes back sheds its backlog; nobody waits for turns that will not be read again."""
    join = new_join()
    feed(join, turn("c1:9"), TURNS, 9)
    assert feed(join, reply("c1:3", arm="better", turn_ref={"partition": 2, "offset": 3}), ARM_REPLIES, 0)[0] == "late"
    assert (
        feed(join, reply("c1:9", arm="better", turn_ref={"partition": 2, "offset": 9}), ARM_REPLIES, 1)[0] == "accepted"
    )
    assert (
        feed(join, reply("c2:0", arm="better", turn_ref={"partition": 2, "offset": 10}), ARM_REPLIES, 2)[0]
        == "accepted"
    )
    assert join.take_released() == [(ARM_REPLIES, 0)]
    assert (join.turns, len(join)) == (1, 2)


def test_an_earlier_turn_that_waits_holds_back_the_records_of_later_ones():
    join = new_join({"better": "r"})
    for number in range(3):
        feed(join, turn(f"c1:{number}"), TURNS, number)
    for number in (1, 2):
        feed(join, reply(f"c1:{number}"), REPLIES, number)
        feed(join, reply(f"c1:{number}", arm="better"), ARM_REPLIES, number)
    assert join.take_released() == []
    feed(join, reply("c1:0"), REPLIES, 3)
    feed(join, reply("c1:0", arm="better"), ARM_REPLIES, 3)
    assert len(join.take_released()) == 9


def test_waiting_records_are_kept_as_bytes_and_give_the_same_events(monkeypatch):
    monkeypatch.setattr("shadow.comparator.join.DECODED", 0)
    join = new_join({"better": "r"})
    feed(join, turn(), TURNS, 0)
    feed(join, reply(), REPLIES, 0)
    join.pack()
    _, resolved = feed(join, reply(arm="better"), ARM_REPLIES, 0)
    assert resolved[0].turn.event is None
    assert resolved[0].turn.turn() == turn()
    assert resolved[0].production.reply() == reply()


def test_what_is_resolved_does_not_crowd_out_what_waits(monkeypatch):
    """The last records that wait are kept as events, however many have been resolved since they came."""
    monkeypatch.setattr("shadow.comparator.join.DECODED", 2)
    join = new_join({"better": "r"})
    for number in range(9):
        feed(join, turn(f"c1:{number}"), TURNS, number)
    for number in range(9):
        if number not in (3, 5, 8):
            feed(join, reply(f"c1:{number}"), REPLIES, number)
            feed(join, reply(f"c1:{number}", arm="better"), ARM_REPLIES, number)
    join.pack()
    kept = {}
    for number in (3, 5, 8):
        feed(join, reply(f"c1:{number}"), REPLIES, 9 + number)
        _, [resolved] = feed(join, reply(f"c1:{number}", arm="better"), ARM_REPLIES, 9 + number)
        kept[number] = resolved.turn.event is not None
    assert kept == {3: False, 5: True, 8: True}


class Log:
    """Three topics of one partition in a broker, and the last commit: all that survives a crash."""

    def __init__(self, order: list[Turn | Reply]) -> None:
        self.topics: dict[str, list[Turn | Reply]] = {TURNS: [], REPLIES: [], ARM_REPLIES: []}
        for event in order:
            topic = TURNS if isinstance(event, Turn) else REPLIES if event.arm == "production" else ARM_REPLIES
            self.topics[topic].append(event)
        self.committed = dict.fromkeys(self.topics, 0)
        self.expired_at_the_end: set[tuple[str, str]] = set()


def run_worker(log: Log, random, *, crash_after: int | None = None) -> Iterator[tuple[str, str]]:
    """Read from the last commit in a random interleaving, emitting before releasing, committing now and then."""
    join, positions = new_join(), dict(log.committed)
    acks = {topic: OffsetTracker(at) for topic, at in positions.items()}
    steps = 0
    while unread := [topic for topic, events in log.topics.items() if positions[topic] < len(events)]:
        topic = random.choice(unread)
        offset = positions[topic]
        positions[topic] += 1
        acks[topic].read(offset)
        _, resolved = feed(join, log.topics[topic][offset], topic, offset)
        for pair in resolved:
            assert pair.production is not None
            assert pair.reply is not None
            yield pair.turn.turn().turn_id, pair.arm
        for at in join.take_released():
            acks[at[0]].done(at[1])
        if random.random() < 0.5:
            log.committed = {topic: tracker.position for topic, tracker in acks.items()}
        steps += 1
        if crash_after is not None and steps > crash_after:
            return
    expired = join.advance(replies_s=1e6, turns_s=1e6)
    log.expired_at_the_end = {(pair.turn.turn().turn_id, pair.arm) for pair in expired}


def conversation(turns: int) -> list[Turn | Reply]:
    events: list[Turn | Reply] = []
    for number in range(turns):
        turn_id = f"c1:{number}"
        events += [turn(turn_id), reply(turn_id), *(reply(turn_id, arm=arm) for arm in ARMS)]
    return events


def everything(turns: int) -> set[tuple[str, str]]:
    return {(f"c1:{number}", arm) for number in range(turns) for arm in ARMS}


crashes = st.lists(st.integers(0, 20), max_size=4)


@settings(max_examples=200)
@given(crashes, st.randoms(use_true_random=False), st.integers(1, 8))
def test_after_any_crashes_every_turn_is_found_again_with_all_its_replies(after, random, turns):
    """The promise that the ledger's exactness rests on: nothing is missing, and a restart lets nothing expire."""
    events = conversation(turns)
    random.shuffle(events)
    log = Log(events)
    emitted: set[tuple[str, str]] = set()
    for crash_after in [*after, None]:
        emitted |= set(run_worker(log, random, crash_after=crash_after))
    assert emitted == everything(turns)
    assert log.expired_at_the_end == set()


@settings(max_examples=200)
@given(st.data(), crashes, st.randoms(use_true_random=False), st.integers(1, 8))
def test_after_any_crashes_and_second_deliveries_every_pair_has_been_emitted(data, after, random, turns):
    """A second delivery read alone after a restart may expire: the ledger has its pair already and refuses it."""
    events = conversation(turns)
    events += data.draw(st.lists(st.sampled_from(events), max_size=6))
    random.shuffle(events)
    log = Log(events)
    emitted: set[tuple[str, str]] = set()
    for crash_after in [*after, None]:
        emitted |= set(run_worker(log, random, crash_after=crash_after))
    assert emitted == everything(turns)
