"""The rule: what each verdict needs, what beats what, and what is remembered."""

from __future__ import annotations

import math
import random
from dataclasses import replace
from functools import reduce

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shadow.gate.betting import spread5
from shadow.gate.budget import EventCounts
from shadow.gate.conversations import Closed
from shadow.gate.evidence import Absolute, Evidence, Paired, Tuning
from shadow.gate.guardrails import OVERALL, Cell
from shadow.gate.rules import Latch, Rule, Ruling, Situation
from shadow.gate.verdict import certain_culprits, decide, glance

RULE = Rule(max_conversations=10_000)
GOOD = Situation(conversations=400, pairs_expected=1_000, pairs_complete=1_000, at_cycle_end=True)
TUNING = Tuning(50.0, 50.0)
WRONG_ACTION = Cell("wrong_action", OVERALL, "failure", 0.1)
OTHER = Cell("refusal", "tool_use", "failure", 0.1)
LEAK = Cell("pii_leak", OVERALL, "zero_tolerance", 0.01)


def failures(*, better: int, worse: int, equal: int, cell: Cell = WRONG_ACTION, turns: int = 2) -> Paired:
    one = [(1, worse), (-1, better), (0, equal)]
    closed = [Closed(harm / turns, turns, harm, harm != 0) for harm, count in one for _ in range(count)]
    return reduce(Paired.add, closed, Paired.none_yet(cell, spread5(cell.margin), TUNING))


EQUAL = failures(better=15, worse=15, equal=470)
WORSE = failures(better=0, worse=300, equal=100)
OPEN = failures(better=0, worse=3, equal=20)
RUNS, LOOKS = 60, 60


def look(*evidence: Evidence, situation: Situation = GOOD, latch: Latch = Latch(), rule: Rule = RULE) -> Ruling:  # noqa: B008
    return decide(evidence, rule=rule, situation=situation, latch=latch)


def whys(ruling: Ruling) -> list[str]:
    return [reason.why for reason in ruling.reasons]


def test_promote_when_every_leg_is_shown_and_nothing_is_missing():
    ruling = look(EQUAL, Absolute(LEAK, EventCounts(500, 0)))
    assert (ruling.verdict, whys(ruling), ruling.slowest, ruling.progress) == ("PROMOTE", ["shown"], None, 1.0)
    assert [report.state for report in ruling.cells] == ["pass", "pass"]


@pytest.mark.parametrize(
    ("situation", "why"),
    [
        (replace(GOOD, at_cycle_end=False), "cycle"),
        (replace(GOOD, conversations=299), "few_conversations"),
        (replace(GOOD, pairs_complete=994), "incomplete"),
        (replace(GOOD, pairs_expected=0, pairs_complete=0), "no_data"),
        (replace(GOOD, causes=("the control arm has not answered since 10:00",)), "cause"),
    ],
)
def test_each_condition_alone_holds_a_promotion_back(situation, why):
    ruling = look(EQUAL, situation=situation)
    assert (ruling.verdict, whys(ruling), ruling.latch.promoted) == ("HOLD", [why], False)


@pytest.mark.parametrize(("conversations", "complete"), [(300, 1_000), (400, 995)])
def test_the_exact_boundary_is_enough(conversations, complete):
    assert (
        look(EQUAL, situation=replace(GOOD, conversations=conversations, pairs_complete=complete)).verdict == "PROMOTE"
    )


def test_a_cell_that_is_not_shown_holds_and_is_named():
    slow = Cell("refusal", "language=de", "failure", 0.1)
    ruling = look(EQUAL, failures(better=0, worse=3, equal=20, cell=slow))
    assert (ruling.verdict, whys(ruling)) == ("HOLD", ["evidence"])
    assert ruling.slowest == slow
    assert "refusal in language=de" in ruling.reasons[0].detail
    assert ruling.progress < 1


def test_per_conversation_evidence_alone_is_not_enough_for_a_count():
    """Harm in long conversations: the betting leg is shown, the per-turn leg is not."""
    short = [Closed(0.0, 1, 0, discordant=False)] * 900
    long = [Closed(9 / 27, 27, 9, discordant=True)] * 100
    evidence = reduce(Paired.add, [*short, *long], Paired.none_yet(WRONG_ACTION, spread5(0.1), TUNING))
    ruling = look(evidence)
    assert {leg for _, _, leg in ruling.latch.reached} == {"per_conversation"}
    assert (ruling.verdict, whys(ruling)) == ("HOLD", ["evidence"])


def test_an_uncertified_budget_holds():
    ruling = look(EQUAL, Absolute(LEAK, EventCounts(300, 0)))
    assert (ruling.verdict, ruling.slowest) == ("HOLD", LEAK)


def test_harm_is_rejected_at_any_look_and_names_its_cell():
    early = Situation(conversations=3, pairs_expected=1_000, pairs_complete=1_000, at_cycle_end=False)
    ruling = look(WORSE, situation=early)
    assert (ruling.verdict, whys(ruling), ruling.culprits) == ("REJECT", ["harm"], ("wrong_action",))
    assert ruling.cells[0].state == "fail"
    assert ruling.cells[0].lower > 0.1


def test_harm_in_one_of_many_cells_needs_as_many_times_the_evidence():
    """The mean of the e-values decides: one cell at 1/alpha among ten does not."""
    alone = failures(better=0, worse=25, equal=20)
    assert look(alone).verdict == "REJECT"
    others = [Paired.none_yet(Cell(f"g{n}", OVERALL, "failure", 0.1), spread5(0.1), TUNING) for n in range(9)]
    assert alone.log_reject() < math.log(20 * 10 - 9)
    assert look(alone, *others).verdict == "HOLD"
    assert look(WORSE, *others).culprits == ("wrong_action",)


def test_a_budget_rejects_at_its_own_level():
    """Its own e-value needs 100, not 20, whatever the pairs say."""
    some, more = EventCounts(20, 3), EventCounts(20, 4)
    ruling = look(EQUAL, Absolute(LEAK, some))
    assert math.log(20) < Absolute(LEAK, some).log_reject() < math.log(100)
    assert ruling.verdict == "HOLD"
    ruling = look(EQUAL, Absolute(LEAK, more))
    assert (ruling.verdict, whys(ruling), ruling.culprits) == ("REJECT", ["over_budget"], ("pii_leak",))


def test_a_rejection_without_a_certain_culprit_says_so():
    """Two cells over 1/alpha and four of nothing: together they are too much, and neither is certain."""
    some = [failures(better=0, worse=25, equal=20, cell=Cell(name, OVERALL, "failure", 0.1)) for name in "ab"]
    empty = [Paired.none_yet(Cell(f"g{n}", OVERALL, "failure", 0.1), spread5(0.1), TUNING) for n in range(4)]
    ruling = look(*some, *empty)
    assert (ruling.verdict, ruling.culprits) == ("REJECT", ())
    assert ruling.reasons[0].detail == "worse than the margin: no single cell for certain"


def test_a_culprit_that_is_certain_later_is_named_later():
    """The first one stays named, whatever its evidence says by then; an innocent one is named never."""
    late = failures(better=0, worse=40, equal=20, cell=OTHER)
    innocent = failures(better=15, worse=15, equal=470, cell=Cell("tone", OVERALL, "failure", 0.1))
    first = look(WORSE, Paired.none_yet(OTHER, spread5(0.1), TUNING), innocent)
    assert first.culprits == ("wrong_action",)
    second = look(WORSE, late, innocent, latch=first.latch)
    assert (second.verdict, second.culprits) == ("REJECT", ("wrong_action", "refusal in tool_use"))
    assert [report.state for report in second.cells] == ["fail", "pass", "fail"]
    third = look(OPEN, late, innocent, latch=second.latch)
    assert third.culprits == second.culprits


def test_no_culprit_is_added_while_the_evidence_cannot_be_trusted():
    first = look(WORSE, Paired.none_yet(OTHER, spread5(0.1), TUNING))
    late = failures(better=0, worse=300, equal=100, cell=OTHER)
    down = replace(GOOD, causes=("control down",))
    assert look(WORSE, late, latch=first.latch, situation=down).culprits == ("wrong_action",)


def test_a_budget_that_is_exceeded_after_a_rejection_is_named_too():
    first = look(WORSE, Absolute(LEAK, EventCounts(400, 0)))
    ruling = look(WORSE, Absolute(LEAK, EventCounts(500, 20)), latch=first.latch)
    assert (whys(ruling), ruling.culprits) == (["harm", "over_budget"], ("wrong_action", "pii_leak"))


def test_an_innocent_cell_is_hardly_ever_named_however_often_one_looks():
    """Eight cells at their margins and one far over it, watched at 60 looks: someone innocent is named in under 5 %."""
    draw = random.Random(20_261_130)
    guilty, others = Cell("guilty", OVERALL, "failure", 0.1), [Cell(f"g{n}", OVERALL, "failure", 0.1) for n in range(8)]
    named = sum(_names_an_innocent(draw, [guilty, *others]) for _ in range(RUNS))
    assert named <= 0.05 * RUNS


def _names_an_innocent(draw: random.Random, cells: list[Cell]) -> bool:
    shares = {cell: 0.4 if cell.name == "guilty" else cell.margin for cell in cells}
    evidence = {cell: Paired.none_yet(cell, spread5(cell.margin), TUNING) for cell in cells}
    latch = Latch()
    for _ in range(LOOKS):
        for cell, share in shares.items():
            for harm in (draw.random() < share for _ in range(5)):
                evidence[cell] = evidence[cell].add(Closed(float(harm), 1, int(harm), harm))
        latch = glance([*evidence.values()], rule=RULE, situation=GOOD, latch=latch).latch
        if set(latch.blamed) - {"guilty"}:
            return True
    assert latch.blamed == ("guilty",)
    return False


def test_reject_beats_promote_also_afterwards():
    promoted = look(EQUAL).latch
    assert promoted.promoted
    ruling = look(WORSE, latch=promoted)
    assert ruling.verdict == "REJECT"
    assert look(EQUAL, latch=ruling.latch).verdict == "REJECT"
    assert look(EQUAL, latch=Latch(harm=())).verdict == "REJECT"


FALLEN = failures(better=15, worse=140, equal=470)
UNFINISHED = Absolute(LEAK, EventCounts(90, 0))


def test_what_was_reached_at_the_end_of_a_cycle_stays_reached():
    """Ville's inequality is about ever reaching the level: evidence may fall again."""
    before = look(EQUAL, UNFINISHED)
    certified = Absolute(LEAK, EventCounts(500, 0))
    assert (before.verdict, look(FALLEN, certified).verdict) == ("HOLD", "HOLD")
    assert look(FALLEN, certified, latch=before.latch).verdict == "PROMOTE"


def test_what_was_reached_within_a_cycle_is_shown_and_not_kept():
    """A candidate that is good by day and bad by night has nothing latched before its first night."""
    by_day = look(EQUAL, situation=replace(GOOD, at_cycle_end=False))
    assert (by_day.verdict, whys(by_day), by_day.progress) == ("HOLD", ["cycle"], 1.0)
    assert [report.state for report in by_day.cells] == ["pass"]
    assert by_day.latch == Latch()
    assert look(FALLEN, latch=by_day.latch).verdict == "HOLD"


def test_a_promotion_is_suspended_while_there_is_a_cause_and_not_forgotten():
    promoted = look(EQUAL).latch
    held = look(EQUAL, situation=replace(GOOD, causes=("stale",)), latch=promoted)
    assert (held.verdict, whys(held)) == ("HOLD", ["cause"])
    again = look(EQUAL, situation=replace(GOOD, at_cycle_end=False), latch=held.latch)
    assert (again.verdict, whys(again)) == ("PROMOTE", ["shown"])


def test_nothing_is_latched_before_the_least_number_of_conversations():
    """Short ones close first: what harms long ones is missing from the first looks, and would be latched for good."""
    early = look(EQUAL, situation=replace(GOOD, conversations=299))
    assert look(EQUAL, situation=replace(GOOD, open=66)).latch.promoted  # 396 of 400 are needed
    crowded = look(EQUAL, situation=replace(GOOD, open=67))
    assert [str(each) for each in crowded.reasons] == [
        "few_conversations: 400 closed, 402 are needed, 6 for each of 67 open"
    ]
    assert crowded.latch == Latch()
    assert early.latch == Latch()
    assert look(FALLEN, latch=early.latch).verdict == "HOLD"
    assert look(WORSE, situation=replace(GOOD, conversations=299)).verdict == "REJECT"


def test_nothing_is_latched_while_the_evidence_cannot_be_trusted():
    doubtful = replace(GOOD, pairs_complete=900)
    assert look(EQUAL, situation=doubtful).latch == Latch()
    assert (look(WORSE, situation=doubtful).verdict, look(WORSE, situation=doubtful).latch) == ("HOLD", Latch())
    assert look(WORSE, situation=doubtful, latch=look(WORSE).latch).verdict == "REJECT"


def test_what_is_not_shown_in_time_is_never_promoted():
    rule = replace(RULE, max_conversations=400)
    expired = look(OPEN, rule=rule)
    assert (expired.verdict, whys(expired)) == ("HOLD", ["expired", "evidence"])
    later = look(EQUAL, rule=rule, latch=expired.latch)
    assert (later.verdict, whys(later)) == ("HOLD", ["expired"])
    assert look(WORSE, rule=rule, latch=expired.latch).verdict == "REJECT"
    assert look(OPEN, rule=replace(rule, max_conversations=401)).latch.expired is False
    assert look(EQUAL, rule=rule).verdict == "PROMOTE"


def test_a_report_carries_what_is_shown_to_people():
    [report] = look(EQUAL).cells
    assert (report.conversations, report.discordant, report.estimate) == (500, 30, 0.0)
    assert report.lower < 0 < report.upper < 0.1
    [open_report] = look(OPEN).cells
    assert (open_report.lower, open_report.log_e_promote, open_report.progress) == (None, None, 0.0)


@given(st.permutations([EQUAL, Absolute(LEAK, EventCounts(90, 0)), failures(better=1, worse=1, equal=90, cell=OTHER)]))
def test_the_order_of_cells_does_not_matter(evidence):
    assert look(*evidence) == look(*reversed(evidence))


@given(
    st.sets(st.sampled_from(["stale", "control", "ledger"])),
    st.booleans(),
    st.integers(0, 1_000),
    st.integers(0, 20_000),
)
def test_harm_is_never_promoted_and_doubt_never_decides(causes, at_cycle_end, complete, conversations):
    situation = Situation(conversations, 1_000, complete, at_cycle_end, tuple(sorted(causes)))
    doubtful = bool(causes) or complete < 995 or not conversations
    assert look(WORSE, situation=situation).verdict == ("HOLD" if doubtful else "REJECT")
    if doubtful:
        assert look(EQUAL, situation=situation).verdict == "HOLD"


def test_e_holm_by_hand():
    """At 1/20: 100 stays 50.5 with the 1 beside it; 25 falls to 13 with it and is not certain."""
    assert certain_culprits([math.log(100), 0.0], 0.05) == [0]
    assert certain_culprits([math.log(25), 0.0], 0.05) == []
    assert certain_culprits([math.log(25), math.log(30)], 0.05) == [0, 1]
    assert certain_culprits([1e9, 1e9, -1e9], 0.05) == [0, 1]


@given(st.lists(st.floats(-10, 12), min_size=1, max_size=6))
def test_e_holm_is_the_closed_test_by_means(logs):
    """Against its definition: every set of hypotheses that holds this one has a mean of 20 or more."""
    values = [math.exp(each) for each in logs]
    subsets = [[n for n in range(len(logs)) if mask >> n & 1] for mask in range(1, 2 ** len(logs))]
    means = [(chosen, sum(values[n] for n in chosen) / len(chosen)) for chosen in subsets]
    if all(abs(mean - 20) > 1e-6 for _, mean in means):
        sure = [n for n in range(len(logs)) if all(mean >= 20 for chosen, mean in means if n in chosen)]
        assert certain_culprits(logs, 0.05) == sure


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: Rule(max_conversations=1_000, alpha=0.5), "alpha is 0.5"),
        (lambda: Rule(max_conversations=1_000, zero_tolerance_alpha=0.0), "zero_tolerance_alpha is 0.0"),
        (lambda: Rule(max_conversations=100), "min_conversations is 300, max_conversations 100"),
        (lambda: Rule(max_conversations=1_000, min_completeness=99.5), "min_completeness is 99.5"),
        (lambda: Rule(max_conversations=1_000, min_closed_per_open=-1), "min_closed_per_open is -1"),
        (lambda: replace(GOOD, open=-1), "open is -1"),
        (lambda: Rule(max_conversations=1_000, alpha=math.nan), "alpha is nan"),
        (lambda: Rule(max_conversations=math.nan), "max_conversations nan"),
        (lambda: Rule(max_conversations=1_000, min_completeness=math.nan), "min_completeness is nan"),
        (lambda: replace(GOOD, conversations=-1), "conversations is -1"),
        (lambda: replace(GOOD, pairs_complete=1_001), "pairs_complete is 1001 of 1000 expected"),
        (lambda: replace(GOOD, pairs_complete=-1), "pairs_complete is -1 of 1000 expected"),
        (look, "evidence has 0 cells"),
        (lambda: look(EQUAL, EQUAL), "evidence has 2 cells, 1 different"),
    ],
)
def test_what_cannot_be_is_named_with_its_value_and_remedy(call, message):
    with pytest.raises(ValueError, match=message):
        call()
