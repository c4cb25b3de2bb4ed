"""What a comparison says does not depend on which records came in one batch, on packing, or on who read how much."""

from __future__ import annotations

import random as randoms

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shadow.comparator import join as joining
from shadow.comparator.compare import compare
from shadow.comparator.evaluator import Evaluator
from shadow.comparator.join import PartitionJoin
from shadow.events import Message, Reply, Turn
from shadow.failures.refusal import Refusal
from shadow.failures.transport import Transport
from shadow.measures.escalation import Escalation
from shadow.measures.length import Length
from shadow.measures.lexical import Lexical
from shadow.slices.depth import Depth
from shadow.topology import ARM_REPLIES, REPLIES, TURNS
from tests.fixtures.events import failed, reply, turn

ARMS = {"control": "r1", "better": "r2", "worse": "r3"}
EVALUATOR = Evaluator(
    measures={"lexical": Lexical(), "length": Length(), "escalation": Escalation()},
    detectors={"transport": Transport(), "refusal": Refusal()},
    slicers={"depth": Depth()},
    limits={"lexical": 0.5},
)
SAID = ("It is on its way.", "I cannot help with that.", "Let me hand you over to a human agent.", "Yes, on 3 May.")
endings = st.sampled_from(["said 0", "said 1", "said 2", "said 3", "failed", "shed", "never"])


def ended(how: str, turn_id: str, arm: str) -> Reply | None:
    if how == "never":
        return None
    if how == "failed":
        return failed("timeout", arm, turn_id)
    if how == "shed":
        return None if arm == "production" else reply(turn_id, arm=arm, shed="budget")
    return reply(turn_id, arm=arm, message=Message(role="assistant", content=SAID[int(how[-1])]))


@st.composite
def records(draw) -> list[Turn | Reply]:
    """A few turns with whatever became of each side, in any order in which the three topics can be read."""
    topics: dict[str, list[Turn | Reply]] = {TURNS: [], REPLIES: [], ARM_REPLIES: []}
    for number in range(draw(st.integers(1, 5))):
        turn_id = f"c1:{number}"
        topics[TURNS].append(turn(turn_id, turn_index=number))
        sides = [ended(draw(endings), turn_id, side) for side in ("production", *ARMS)]
        topics[REPLIES] += [each for each in sides[:1] if each]
        topics[ARM_REPLIES] += [each for each in sides[1:] if each]
    order = draw(st.permutations([topic for topic, held in topics.items() for _ in held]))
    return [topics[topic].pop(0) for topic in order]


def topic_of(event: Turn | Reply) -> str:
    return TURNS if isinstance(event, Turn) else REPLIES if event.arm == "production" else ARM_REPLIES


def course(events: list[Turn | Reply], cuts: set[int]) -> dict[tuple[str, str], str]:
    """Turn and arm to the comparison, ``cuts`` being where a batch ends."""
    join = PartitionJoin(2, window_s=100.0, expected=lambda _: ARMS)
    offsets = dict.fromkeys((TURNS, REPLIES, ARM_REPLIES), 0)
    found: dict[tuple[str, str], str] = {}
    resolved = []
    for number, event in enumerate([*events, None]):
        if event is None:
            resolved += join.advance(1_000.0, 1_000.0)
        else:
            topic = topic_of(event)
            take = join.turn if isinstance(event, Turn) else join.reply
            resolved += take(event, event.to_json(), (topic, offsets[topic]), 1.0)[1]
            offsets[topic] += 1
        if number in cuts or event is None:
            done = compare(resolved, evaluator=EVALUATOR, evaluator_revision="e", now_s=2.0)
            assert not done.plugin_errors
            for each in done.comparisons:
                assert (each.turn_id, each.arm) not in found, "emitted twice"
                found[each.turn_id, each.arm] = each.to_json().decode()
            resolved = []
            join.pack()
    return found


@pytest.mark.parametrize("decoded", [600, 0])
@settings(max_examples=150)
@given(events=records(), seed=st.integers(0, 2**32))
def test_the_same_records_give_the_same_comparisons_however_they_are_cut(decoded, events, seed):
    """All in one batch, each in a batch of its own, and cut by chance; kept as events, or packed."""
    random = randoms.Random(seed)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(joining, "DECODED", decoded)
        whole = course(events, set())
        assert len(whole) == 3 * sum(isinstance(event, Turn) for event in events)
        assert course(events, set(range(len(events)))) == whole
        assert course(events, {at for at in range(len(events)) if random.random() < 0.3}) == whole
