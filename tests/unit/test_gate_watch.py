"""The sentinel at work in a session: it holds every verdict once the control arm differs, and not before."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shadow.gate.report import report
from shadow.gate.rows import LedgerRow
from shadow.gate.session import Session
from shadow.gate.watch import Watch
from tests.fixtures.gate_rows import CONVERSATION_S, START, conversations, every, experiment

COUNT = 400
END = START + COUNT * CONVERSATION_S + 600
DAY_S = 86_400.0
TWO = [
    {"kind": "failure", "name": "any_failure", "margin": 0.05},
    {"kind": "failure", "name": "refusals", "failures": ["refusal"], "margin": 0.05},
    {"kind": "failure", "name": "empty", "failures": ["empty"], "margin": 0.05},
]


def candidate(count: int = COUNT, **fields: Any) -> list[LedgerRow]:
    return list(conversations(count, **fields))


def control(count: int = COUNT, **fields: Any) -> list[LedgerRow]:
    return list(conversations(count, arm="control", arm_revision="k1", **fields))


def day_before(count: int, **fields: Any) -> list[LedgerRow]:
    """Other conversations of control, a day earlier."""
    return [
        row._replace(
            turn_id=f"e{row.turn_id}",
            conversation_id=f"e{row.conversation_id}",
            turn_arrived_at=row.turn_arrived_at - DAY_S,
            recorded_at=row.recorded_at - DAY_S,
        )
        for row in control(count, **fields)
    ]


def watched(rows: list[LedgerRow], until: float = END, **gate: Any) -> Session:
    session = Session(experiment(control="k1", **gate))
    session.feed(rows)
    session.advance(until)
    return session


def of(session: Session) -> Watch:
    assert session.watch is not None
    return session.watch


def test_it_counts_every_closed_conversation_of_control_and_says_nothing_without_harm():
    session = watched([*candidate(), *control()])
    assert (of(session).conversations, of(session).alarm, of(session).log_e()) == (COUNT, None, 0.0)
    assert report(session, session.ruling())["sentinel"]["state"] == "quiet"


@pytest.mark.parametrize(("side", "state"), [("failures", "control_worse"), ("production_failures", "control_better")])
def test_an_alarm_says_which_side_and_which_guardrail_and_stays(side: str, state: str):
    """From the 201st conversation on control is as good as production again: the alarm stays, and so does the HOLD."""
    rows = control(**{side: lambda n, turn: every(3)(n, turn) if n < 200 else []})
    session = watched([*candidate(), *rows], guardrails=TWO)
    shown = report(session, session.ruling())
    alarm = of(session).alarm
    assert alarm is not None
    assert (shown["verdict"], shown["sentinel"]["state"], alarm.side) == ("HOLD", state, state)
    assert alarm.guardrail in {"any_failure", "refusals"}
    assert shown["reasons"][0] == {"why": "cause", "detail": alarm.cause}
    assert alarm.conversations < 200


def test_a_single_guardrail_needs_more_evidence_among_many():
    """The mean over the guardrails is what alarms: three chances to err are not three times the error."""
    rows = [*candidate(), *control(failures=every(3))]
    alone, among = of(watched(rows)).alarm, of(watched(rows, guardrails=TWO)).alarm
    assert alone is not None
    assert among is not None
    assert alone.conversations < among.conversations


def test_what_the_shadow_lost_is_no_sign_against_control():
    """Its mirror stood still: its replies never came, which is a cause of its own, and no alarm that stays."""
    gone = {"outcome": "expired", "reason": "arm_reply", "candidate_latency_s": None}
    session = watched([*candidate(), *(row._replace(**gone) for row in control())])
    assert (of(session).conversations, of(session).alarm) == (0, None)
    assert "control down" in str(session.ruling().reasons[0])


def test_it_watches_before_the_candidate_begins():
    """Else a candidate could be promoted against a control that has been known to be broken for days."""
    session = watched([*day_before(200, failures=every(3)), *candidate(), *control()])
    assert of(session).alarm is not None
    assert session.ruling().verdict == "HOLD"


def test_it_begins_anew_from_the_instant_that_it_is_told():
    rows = [*candidate(), *control(failures=lambda n, turn: every(3)(n, turn) if n < 200 else [])]
    session = watched(rows, sentinel_since=START + 210 * CONVERSATION_S)
    assert (of(session).alarm, session.ruling().verdict) == (None, "PROMOTE")
    assert 180 < of(session).conversations < 200


def test_what_was_held_against_broken_instruments_does_not_count_afterwards():
    """The candidate's own rows of that time were judged by them too."""
    since = START + 210 * CONVERSATION_S
    spoiled = candidate(failures=lambda n, turn: every(2)(n, turn) if n < 200 else [])
    session = watched([*spoiled, *control()], sentinel_since=since)
    kept = [row for row in spoiled if row.turn_arrived_at >= since]
    assert (session.rows, session.ruling().verdict) == (len(kept), "PROMOTE")
    assert watched([*spoiled, *control()]).ruling().verdict == "REJECT"


def test_an_alarm_stops_rejection_and_a_rejection_before_it_stays():
    bad = candidate(failures=every(2))
    assert watched([*day_before(200, failures=every(3)), *bad, *control()]).ruling().verdict == "HOLD"
    late = control(failures=lambda n, turn: every(2)(n, turn) if n > 300 else [])
    assert watched([*bad, *late]).ruling().verdict == "REJECT"


def test_another_revision_of_control_or_another_evaluator_is_not_watched():
    others = [*control(200, failures=every(3)), *control(200, failures=every(3))]
    others = [row._replace(arm_revision="k0") for row in others[:600]] + [
        row._replace(evaluator_revision="e0") for row in others[600:]
    ]
    session = watched([*candidate(), *others])
    assert (of(session).conversations, of(session).alarm) == (0, None)


def test_without_a_control_there_is_none_and_the_report_says_so():
    session = Session(experiment())
    session.feed(candidate())
    session.advance(END)
    assert session.watch is None
    assert report(session, session.ruling())["sentinel"] is None


@settings(max_examples=20)
@given(st.randoms(use_true_random=False), st.lists(st.floats(-14, 1), max_size=6))
def test_neither_order_nor_pieces_change_when_it_alarms(rng: random.Random, cuts: list[float]):
    early = day_before(80, failures=every(6), production_failures=every(5))
    rows = [*early, *candidate(100), *control(100, failures=every(3))]
    until = START + 100 * CONVERSATION_S + 600
    whole = watched(rows, until)
    session, left = Session(experiment(control="k1")), sorted(rows, key=lambda each: each.recorded_at)
    for at in [*sorted(START + cut * (until - START) for cut in cuts), until]:
        now = [each for each in left if each.recorded_at <= at]
        left = left[len(now) :]
        rng.shuffle(now)
        session.feed(now)
        session.advance(at)
    assert of(whole).alarm is not None
    assert of(session).alarm == of(whole).alarm
    assert of(session).sentinels == of(whole).sentinels
