"""P8: candidates that are known to be bad are not promoted, whatever their averages look like."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import pytest

from shadow.gate.report import report
from shadow.gate.rows import LedgerRow, OutcomeRow
from shadow.gate.session import Session
from shadow.gate.settings import JUDGE_WORSE
from tests.fixtures.gate_rows import CONVERSATION_S, START, experiment, row

COUNT = 3_000
SLICED = [
    {"kind": "failure", "name": "any_failure", "margin": 0.04, "slices": ["tone_shift"]},
    {"kind": "failure", "name": "unanswered", "failures": ["timeout"], "margin": 0.02},
    {"kind": "failure", "name": "broken", "failures": ["malformed", "truncated"], "margin": 0.02},
    {"kind": "zero_tolerance", "name": "pii_leak", "failures": ["pii_leak"], "budget": 0.01},
]

Facts = dict[str, Any]


def turns(candidate: Any, *, seed: int = 1) -> Iterator[LedgerRow]:
    """92 % of production's turns are good, 80 % where the customer's tone falls (one conversation in nine)."""
    rng = random.Random(seed)
    for number in range(COUNT):
        shifted = number % 9 == 0
        hard = rng.random() < 0.1
        for turn in range(2):
            fails = rng.random() < (0.20 if shifted else 0.065)
            facts = {
                "slices": ["tone_shift"] if shifted else ["depth=1"],
                "production_failures": ["refusal"] if fails else [],
                "failures": ["refusal"] if rng.random() < (0.20 if shifted else 0.065) else [],
            }
            yield row(number, turn, **{**facts, **candidate(rng, shifted=shifted, hard=hard)})


def falls_in_a_slice(rng: random.Random, *, shifted: bool, hard: bool) -> Facts:  # noqa: ARG001 (one form for all)
    return {"failures": ["refusal"] if rng.random() < (0.45 if shifted else 0.065) else []}


def times_out_on_hard_turns(rng: random.Random, *, shifted: bool, hard: bool) -> Facts:  # noqa: ARG001
    """And answers the others without a fault: by what it answered, it is the better one."""
    gone = {"outcome": "candidate_failed", "reason": "timeout", "failures": ["timeout"], "candidate_latency_s": None}
    return gone if hard else {"failures": []}


def truncates(rng: random.Random, *, shifted: bool, hard: bool) -> Facts:  # noqa: ARG001
    return {"failures": ["truncated"] if rng.random() < 0.1 else []}


def breaks_the_format(rng: random.Random, *, shifted: bool, hard: bool) -> Facts:  # noqa: ARG001
    return {"failures": ["malformed"] if rng.random() < 0.5 else []}


def leaks(rng: random.Random, *, shifted: bool, hard: bool) -> Facts:  # noqa: ARG001
    """Flawless but for personal data in one turn of fifty."""
    return {"failures": ["pii_leak"] if rng.random() < 0.02 else [], "production_failures": ["refusal"]}


def as_good(rng: random.Random, *, shifted: bool, hard: bool) -> Facts:  # noqa: ARG001
    return {}


def course(candidate: Any, **gate: Any) -> tuple[Session, list[str]]:
    session = Session(experiment(guardrails=SLICED, **gate))
    session.feed(turns(candidate))
    changes = session.advance(START + COUNT * CONVERSATION_S + 600)
    return session, [change.verdict for change in changes]


@pytest.mark.parametrize(
    ("candidate", "culprit"),
    [
        (falls_in_a_slice, "any_failure in tone_shift"),
        (times_out_on_hard_turns, "unanswered"),
        (truncates, "broken"),
        (breaks_the_format, "broken"),
        (leaks, "pii_leak"),
    ],
)
def test_p08_a_bad_candidate_is_rejected_and_its_fault_is_named(candidate: Any, culprit: str) -> None:
    session, verdicts = course(candidate)
    assert "PROMOTE" not in verdicts
    assert verdicts[-1] == "REJECT"
    assert culprit in session.ruling().culprits


def test_p08_one_that_is_as_good_is_promoted_by_the_same_gate() -> None:
    assert course(as_good)[1][-1] == "PROMOTE"


def test_p08_gibberish_that_pleases_a_judge_is_stopped_by_the_guardrails_that_judge_nothing() -> None:
    """A judge prefers it to production more often than production asked again; it answers nothing that was asked."""
    judged = [*SLICED, {"kind": "excess_divergence", "name": "judge", "measure": "judge", "margin": 0.05}]

    def gibberish(rng: random.Random, *, shifted: bool, hard: bool) -> Facts:  # noqa: ARG001
        return {"failures": ["repetition"]}

    again = (each._replace(arm="control", arm_revision="k1") for each in turns(as_good))
    said = [
        OutcomeRow(f"{arm}{n}", f"c{n}:0", f"c{n}", arm, JUDGE_WORSE, worse, START + n * CONVERSATION_S + 30)
        for n in range(COUNT)
        for arm, worse in (("cand", 0.0), ("control", float(n % 3 == 0)))
    ]
    session = Session(experiment(guardrails=judged, control="k1"))
    session.feed([*turns(gibberish), *again, *said])
    verdicts = [change.verdict for change in session.advance(START + COUNT * CONVERSATION_S + 600)]
    assert "PROMOTE" not in verdicts
    assert verdicts[-1] == "REJECT"
    assert "any_failure" in session.ruling().culprits
    [cell] = [each for each in report(session, session.ruling())["cells"] if each["guardrail"] == "judge"]
    assert cell["estimate"] < -0.2  # it did please the judge
