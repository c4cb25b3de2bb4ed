"""P10: whatever makes the evidence doubtful means HOLD, and the cause is named; it also stops a rejection."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from shadow.gate.doubts import of_the_future
from shadow.gate.rows import LedgerRow, OutcomeRow
from shadow.gate.rules import Ruling
from shadow.gate.session import Session
from tests.fixtures.gate_rows import CONVERSATION_S, START, conversations, every, experiment, row

COUNT = 600
END = START + COUNT * CONVERSATION_S + 300
CONTROL: dict[str, Any] = {"arm": "control", "arm_revision": "k1"}
FACTS = {"kind": "excess_divergence", "name": "facts", "measure": "facts", "margin": 0.05}
FAILURE = {"kind": "failure", "name": "any_failure", "margin": 0.05}
JUDGED = {"kind": "excess_divergence", "name": "judged", "measure": "judge", "margin": 0.05}
SOLVED = {"kind": "score", "name": "solved", "outcome": "solved", "margin": 0.05}


def good(**fields: Any) -> list[LedgerRow]:
    return list(conversations(COUNT, failures=every(50), production_failures=every(47), **fields))


def bad() -> list[LedgerRow]:
    return list(conversations(COUNT, failures=every(2)))


def control(until: int = COUNT, **fields: Any) -> list[LedgerRow]:
    return list(conversations(until, **CONTROL, **fields))


def solved(until: int = COUNT) -> list[OutcomeRow]:
    """For both sides of every first turn."""
    return [
        OutcomeRow(f"{arm}{n}", f"c{n}:0", f"c{n}", arm, "solved", 1.0, START + n * CONVERSATION_S + 30)
        for n in range(until)
        for arm in ("production", "cand")
    ]


def verdicts(until: int = COUNT, *, worse: int = 10**9, silent: int = 10**9) -> list[OutcomeRow]:
    """The judge's, on every first turn; of the candidate every nth is worse, or the judge could not say."""
    found = [
        OutcomeRow(f"j{arm}{n}", f"c{n}:0", f"c{n}", arm, "judge_worse", 0.0, START + n * CONVERSATION_S + 30)
        for n in range(until)
        for arm in ("control", "cand")
    ]
    gone = {f"jcand{n}" for n in range(1, until) if n % silent == 0}
    bad = {f"jcand{n}" for n in range(1, until) if n % worse == 0}
    return [
        each._replace(value_number=1.0) if each.outcome_id in bad else each
        for each in found
        if each.outcome_id not in gone
    ]


def judged(rows: list[Any], at: float = END, *, with_control: bool = False, **gate: Any) -> Ruling:
    session = Session(experiment(control="k1" if with_control else "", **gate))
    session.feed(rows)
    session.advance(at)
    return session.ruling()


def other(fields: dict[str, Any]) -> list[LedgerRow]:
    """One more row, not of this experiment, near the end."""
    return [row(COUNT - 5, 7, **fields)]


MEASURED = {"measures": {"facts": 0.1}}
TO_400 = {"measures": lambda n, _: {"facts": 0.1} if n < 400 else {}}

CAUSES: dict[str, tuple[Callable[[], Ruling], str]] = {
    "no data": (lambda: judged([]), "no_data"),
    "stale data": (lambda: judged(good(), END + 7_200), "stale: no comparison of this candidate"),
    "incomplete pairs": (
        lambda: judged([*good(), *(row(n, 5, outcome="shed", reason="breaker") for n in range(0, COUNT, 10))]),
        "pairs are complete",
    ),
    "low coverage": (
        lambda: judged(good(agreed=lambda _, turn: 0 if turn == 0 else 1), min_coverage=0.5),
        "low coverage: less than 50%",
    ),
    "control down": (lambda: judged([*good(), *control(400)], with_control=True), "control down"),
    "no control ever": (lambda: judged(good(), with_control=True), "control down"),
    "control shed": (
        lambda: judged([*good(), *control(outcome="shed", reason="budget")], with_control=True),
        "control down",
    ),
    "control changed": (
        lambda: judged([*good(), *control(), *other({**CONTROL, "arm_revision": "k2"})], with_control=True),
        "control changed",
    ),
    "sentinel, control worse": (
        lambda: judged([*good(), *control(failures=every(3))], with_control=True),
        "sentinel: production asked again (control) fails more often than production by 'any_failure'",
    ),
    "sentinel, a detector that is blind to control": (
        lambda: judged([*good(), *control(production_failures=every(3))], with_control=True),
        "sentinel: production asked again (control) fails less often than production by 'any_failure'",
    ),
    "measure down": (
        lambda: judged([*good(**TO_400), *control(**MEASURED)], with_control=True, guardrails=[FAILURE, FACTS]),
        "measure down: 'facts' has scored nothing",
    ),
    "judge down": (
        lambda: judged([*good(), *control(), *verdicts(400)], with_control=True, guardrails=[FAILURE, JUDGED]),
        "judge down: it has judged nothing for 3600 s",
    ),
    "outcome silent": (
        lambda: judged([*good(), *solved(400)], guardrails=[FAILURE, SOLVED]),
        "outcome silent: no 'solved'",
    ),
    "candidate changed": (lambda: judged([*good(), *other({"arm_revision": "r2"})]), "candidate changed: another"),
    "another candidate only": (
        lambda: judged(list(conversations(10, arm_revision="r2"))),
        "candidate changed: the ledger knows other revisions",
    ),
    "evaluator changed": (lambda: judged([*good(), *other({"evaluator_revision": "e2"})]), "evaluator changed"),
    "clock skew": (
        lambda: judged([*good(), row(COUNT - 5, 7, recorded_at=START + (COUNT - 5) * CONVERSATION_S - 30)]),
        "clock skew: turns arrived more than 60 s after",
    ),
}


@pytest.mark.parametrize("cause", CAUSES)
def test_p10_each_cause_alone_holds_a_good_candidate_and_is_named(cause: str) -> None:
    ruling, said = CAUSES[cause][0](), CAUSES[cause][1]
    assert ruling.verdict == "HOLD"
    assert any(said in str(reason) for reason in ruling.reasons), [str(each) for each in ruling.reasons]


def test_p10_the_same_candidate_is_promoted_without_the_cause() -> None:
    """Else the tests above would show nothing."""
    assert judged(good()).verdict == "PROMOTE"
    assert judged([*good(), *control()], with_control=True).verdict == "PROMOTE"
    alike = control(failures=every(3), production_failures=lambda n, turn: every(3)(n + 1, turn))
    assert judged([*good(), *alike], with_control=True).verdict == "PROMOTE"
    measured = [*good(**MEASURED), *control(**MEASURED)]
    assert judged(measured, with_control=True, guardrails=[FAILURE, FACTS]).verdict == "PROMOTE"
    assert judged([*good(), *solved()], guardrails=[FAILURE, SOLVED]).verdict == "PROMOTE"


def test_p10_a_ledger_from_the_future_is_named() -> None:
    """Only the reader's clock can tell; none of these rows is used before its time."""
    session = Session(experiment())
    session.feed(good())
    session.advance(START + 1_000)
    assert session.rows < 60
    cause = of_the_future(END, START + 1_000)
    assert cause is not None
    assert session.ruling(cause).verdict == "HOLD"
    assert cause in str(session.ruling(cause).reasons[0])
    assert of_the_future(END, END) is None


def test_p10_a_doubt_stops_a_rejection_too_and_a_promotion_comes_back_with_trust() -> None:
    """A mirror that is down must not read as a candidate that fails."""
    down = [row(n, 5, outcome="shed", reason="paused") for n in range(0, COUNT, 10)]
    assert judged(bad()).verdict == "REJECT"
    assert judged([*bad(), *down]).verdict == "HOLD"
    session = Session(experiment())
    session.feed(good())
    verdicts = [change.verdict for change in session.advance(END + 7_200)]
    assert verdicts[-2:] == ["PROMOTE", "HOLD"]
    session.feed(conversations(10, first=COUNT + 200))
    assert [change.verdict for change in session.advance(END + 13_000)][-1] == "PROMOTE"


def test_p10_a_guardrail_on_the_judge_decides_by_its_verdicts() -> None:
    """Equal: PROMOTE. Worse in a third, or so that the judge can say nothing in a third: REJECT. Identical is equal."""
    rest = [*good(), *control()]
    gate: dict[str, Any] = {"with_control": True, "guardrails": [FAILURE, JUDGED]}
    assert judged([*rest, *verdicts()], **gate).verdict == "PROMOTE"
    for bad in (verdicts(worse=3), verdicts(silent=3)):
        ruling = judged([*rest, *bad], **gate)
        assert (ruling.verdict, ruling.culprits) == ("REJECT", ("judged",))
    same = [each._replace(name="judge_same") if each.arm == "cand" else each for each in verdicts()]
    assert judged([*rest, *same], **gate).verdict == "PROMOTE"
    identical = [each._replace(name="judge_same") for each in verdicts()]  # nothing to ask is no judge that is down
    assert judged([*rest, *identical], **gate).verdict == "PROMOTE"


def test_p10_verdicts_of_the_judge_that_are_missing_never_spare_a_candidate() -> None:
    """Missing on either side, at random: control's leave the turn out, the candidate's count against it."""
    rest = [*good(), *control()]
    found = [each for each in verdicts(worse=12) if each.arm == "cand" or int(each.conversation_id[1:]) % 5]
    gate: dict[str, Any] = {"with_control": True, "guardrails": [FAILURE, JUDGED]}
    assert judged([*rest, *found], **gate).verdict != "PROMOTE"
