"""From ledger rows to a verdict: the same rows give the same verdict, in any order and in whatever pieces."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shadow.gate.rows import OutcomeRow
from shadow.gate.session import Change, DisorderError, Session
from tests.fixtures.gate_rows import CONVERSATION_S, IDLE_S, START, conversations, every, experiment, row

HOUR_S = 3_600.0


def course(rows, until: float, **gate) -> tuple[Session, list[Change]]:
    session = Session(experiment(**gate))
    session.feed(rows)
    return session, session.advance(until)


def end_of(count: int) -> float:
    return START + count * CONVERSATION_S + 600


def verdicts(changes: list[Change]) -> list[str]:
    return [change.verdict for change in changes]


def test_an_equal_candidate_is_promoted_and_a_worse_one_rejected():
    equal, changes = course(conversations(600, failures=every(50), production_failures=every(47)), end_of(600))
    assert (equal.ruling().verdict, verdicts(changes)[-1]) == ("PROMOTE", "PROMOTE")
    worse, changes = course(conversations(600, failures=every(2), production_failures=every(47)), end_of(600))
    assert (worse.ruling().verdict, worse.ruling().culprits) == ("REJECT", ("any_failure",))
    assert changes[-1].whys == ("harm",)


def test_changes_are_few_and_begin_with_hold():
    """A look happens every five minutes; what is worth a record is when something becomes another."""
    _, changes = course(conversations(600, failures=every(50), production_failures=every(47)), end_of(600))
    assert [(change.verdict, change.whys) for change in changes] == [
        ("HOLD", ("no_data",)),
        ("HOLD", ("few_conversations", "evidence")),
        ("HOLD", ("evidence",)),
        ("PROMOTE", ("shown",)),
    ]


@settings(max_examples=25)
@given(st.randoms(use_true_random=False), st.lists(st.floats(0, 1), max_size=6))
def test_neither_order_nor_pieces_change_a_byte(rng: random.Random, cuts: list[float]):
    """Rows shuffled, looks asked for at other times, several at once: the same rulings, to the last bit."""
    rows = list(conversations(120, failures=every(9), production_failures=every(7)))
    until = end_of(120)
    whole, changes = course(rows, until)
    session, found, left = Session(experiment()), [], sorted(rows, key=lambda each: each.recorded_at)
    for at in [*sorted(START + cut * (until - START) for cut in cuts), until]:
        now = [each for each in left if each.recorded_at <= at]
        left = left[len(now) :]
        rng.shuffle(now)
        session.feed(now)
        found += session.advance(at)
    assert repr(found) == repr(changes)
    assert repr(session.ruling()) == repr(whole.ruling())
    assert session.traffic == whole.traffic


def test_a_row_that_a_look_should_have_seen_is_refused():
    """It would give another verdict than the one that a fresh reader comes to: read anew."""
    session, _ = course(conversations(10), end_of(10))
    with pytest.raises(DisorderError, match="looked at until"):
        session.feed([row(3, 1)])


def test_a_conversation_counts_once_it_is_closed_and_never_before():
    session, _ = course(conversations(1), START + 60)
    assert (session.traffic.conversations, session.open) == (0, 1)
    session.advance(START + 1_000)
    assert (session.traffic.conversations, session.open) == (1, 0)


def test_nothing_counts_as_shown_while_many_are_open():
    """A conversation stays open for 6,080 s and a new one comes every minute: a good hundred are open at once."""
    fails = {"failures": every(50), "production_failures": every(47), "turns": 1}
    rows = list(conversations(1_000, **fails))
    waits, changes = course(rows, START + 500 * CONVERSATION_S + 6_080, conversation_idle_s=6_000)
    assert 490 < waits.traffic.conversations <= 500 < waits.least == 6 * waits.open
    assert changes[-1].whys == ("few_conversations",)
    waits.advance(START + 700 * CONVERSATION_S + 6_080)
    assert waits.ruling().verdict == "PROMOTE"
    soon, _ = course(rows, START + 500 * CONVERSATION_S + 6_080, conversation_idle_s=6_000, min_closed_per_open=0)
    assert soon.ruling().verdict == "PROMOTE"


def test_a_late_row_is_left_out_and_missing_from_completeness():
    """Recorded after its conversation had closed: the pipeline's fault, not the candidate's."""
    late = row(0, 3, recorded_at=START + 2_000)
    session, _ = course([*conversations(300), late], end_of(300), min_completeness=1.0)
    assert session.late == 1
    assert session.traffic.turns == 900
    assert [reason.why for reason in session.ruling().reasons] == ["incomplete"]


@pytest.mark.parametrize("behind_s", [700, 1_000])
def test_what_comes_long_before_the_arms_first_row_does_not_make_that_row_late(behind_s):
    """The recorder writes an outcome, or control's row, while the candidate's mirror is far behind.

    A conversation is open for 180 s, looks come at 182, 482, 782 s: one lies between the two, or none.
    """
    rows = [
        *conversations(1, first=0),
        OutcomeRow("o", "c8:0", "c8", "cand", "solved", 1.0, START + 490),
        row(9, arm="control", arm_revision="k", recorded_at=START + 495),
        row(8, recorded_at=START + behind_s),
        row(8, 1, recorded_at=START + behind_s + 5),
        row(9, recorded_at=START + behind_s + 6),
    ]
    session, _ = course(rows, START + 3_000, control="k")
    assert (session.late, session.open, session.traffic.turns, session.traffic.conversations) == (0, 0, 6, 3)


def test_a_customer_who_comes_back_the_next_day_is_another_visit():
    """Nobody waits for ever; and whether he comes back must not depend on the arm."""
    back = row(0, 3, turn_arrived_at=START + 20 + IDLE_S + 1, recorded_at=START + 20 + IDLE_S + 3)
    session, _ = course([*conversations(1), back], end_of(1))
    assert (session.traffic.turns, session.traffic.another_visit, session.late) == (3, 1, 0)


def shed(conversation: int) -> dict[str, object]:
    return {"outcome": "shed", "reason": "budget"} if conversation % 3 == 0 else {}


def test_what_the_shadow_did_not_ask_is_incomplete_and_no_failure():
    rows = [row(number, turn, **shed(number)) for number in range(300) for turn in range(3)]
    session, _ = course(rows, end_of(300))
    ruling = session.ruling()
    assert ruling.verdict == "HOLD"
    assert [reason.why for reason in ruling.reasons] == ["incomplete"]
    assert ruling.cells[0].estimate == 0.0
    assert session.traffic.incomplete == {"shed budget": 300}


def test_a_missing_reply_is_a_failure():
    """A candidate that answers the easy turns only is worse; left out, it would look equal."""
    gone = {"outcome": "candidate_failed", "reason": "timeout", "failures": ["timeout"], "candidate_latency_s": None}
    rows = [row(n, t, **(gone if t == 2 and n % 2 else {})) for n in range(600) for t in range(3)]
    session, _ = course(rows, end_of(600))
    assert session.ruling().verdict == "REJECT"


def test_a_reply_that_never_came_counts_against_the_candidate_and_against_completeness():
    gone = {"outcome": "expired", "reason": "arm_reply", "candidate_latency_s": None}
    session, _ = course((row(n, 0, **(gone if n % 2 else {})) for n in range(100)), end_of(100))
    assert session.ruling().cells[0].estimate == 0.5
    assert session.traffic.complete == 50
    assert session.ruling().verdict == "HOLD"


def test_a_lost_reply_of_productions_is_left_out_of_the_score():
    """Counted as production's failure it would excuse the candidate's own."""
    gone = {"outcome": "expired", "reason": "production_reply", "production_latency_s": None}
    session, _ = course((row(n, 0, **(gone if n % 2 else {"failures": ["refusal"]})) for n in range(100)), end_of(100))
    assert session.ruling().cells[0].estimate == 1.0
    assert session.ruling().cells[0].conversations == 50
    assert session.traffic.complete == 50


def test_only_turns_with_a_valid_prefix_enter_by_default():
    rows = list(
        conversations(
            60, agreed=lambda _, turn: 0 if turn == 1 else 1, failures=lambda _, turn: ["refusal"] * (turn == 2)
        )
    )
    session, _ = course(rows, end_of(60))
    assert session.traffic.by_prefix == {"valid": 120, "broken": 60}
    assert session.ruling().cells[0].estimate == 0.0
    everything, _ = course(rows, end_of(60), prefixes=["valid", "broken"])
    assert everything.ruling().cells[0].estimate == pytest.approx(1 / 3)


def test_a_slice_is_judged_by_its_own_turns():
    """92 -> 89 % overall hides 80 -> 55 % where the tone falls; the slice's cell shows it."""
    gate = {"guardrails": [{"kind": "failure", "name": "any_failure", "margin": 0.04, "slices": ["tone_shift"]}]}
    rows = conversations(
        3_000,
        turns=1,
        slices=lambda n, _: ["tone_shift"] if n % 9 == 0 else ["depth=1"],
        failures=lambda n, _: ["refusal"] * ((n % 9 == 0 and n % 20 < 9) or n % 17 == 1),
        production_failures=lambda n, _: ["refusal"] * ((n % 9 == 0 and n % 20 < 4) or n % 17 == 1),
    )
    session, _ = course(rows, end_of(3_000), **gate)
    ruling = session.ruling()
    by_name = {report.cell.name: report for report in ruling.cells}
    assert by_name["any_failure"].estimate < 0.04
    assert ruling.verdict == "REJECT"
    assert ruling.culprits == ("any_failure in tone_shift",)


def test_promotion_waits_for_a_whole_cycle_of_traffic():
    rows = list(conversations(600, failures=every(50), production_failures=every(47)))
    _, short = course(rows, end_of(600), cycle_s=10 * HOUR_S)
    promoted = [change.at for change in short if change.verdict == "PROMOTE"]
    session = Session(experiment())
    assert promoted == [START + 2 + session.experiment.close_after_s + 10 * HOUR_S]


def test_bets_are_planned_from_control_before_the_candidate_begins():
    before = [
        each._replace(
            arm="control",
            arm_revision="k1",
            turn_id=f"old-{each.turn_id}",
            conversation_id=f"old-{each.conversation_id}",
        )
        for each in conversations(200, failures=every(10), production_failures=every(9))
    ]
    after = list(conversations(50, first=220))
    session = Session(experiment(control="k1"))
    session.feed([*after, *before])
    session.advance(end_of(270))
    assert session.plan is not None
    assert len(session.plan.values[0]) > 190
    assert session.plan.needed[0] is not None
    alone, _ = course(after, end_of(270))
    assert alone.plan is not None
    assert alone.plan.values == ((),)


def test_any_change_of_the_rule_the_arms_or_the_evaluator_is_another_experiment():
    base = experiment()
    others = [
        experiment(alpha=0.01),
        experiment("b"),
        replace(base, revision="r2"),
        replace(base, evaluator_revision="e2"),
    ]
    others += [replace(base, join_window_s=30.0), replace(base, control="k1"), experiment(cycle_s=86_400)]
    assert len({each.id for each in [base, *others]}) == len(others) + 1
    assert experiment().id == base.id
