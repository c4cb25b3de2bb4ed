"""Which pairs are worst: the order of each kind of guardrail, by the gate's own count of a turn."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from shadow.console.ranking import Window, ranked
from shadow.events import CONTROL
from shadow.gate.assemble import TurnRows
from shadow.gate.rows import LedgerRow
from shadow.gate.settings import FailureGuardrail, GuardrailSettings
from shadow.gate.turn_values import counter
from shadow.promotion.worst import worst
from tests.fixtures.gate_rows import experiment, row

GUARDRAIL: TypeAdapter[GuardrailSettings] = TypeAdapter(GuardrailSettings)


def guardrail(**fields: Any) -> GuardrailSettings:
    return GUARDRAIL.validate_python({"name": "g", **fields})


def order(settings: GuardrailSettings | None, rows: list[LedgerRow], arm: str = "cand", **more: Any) -> list[str]:
    return [each.row.turn_id for each in ranked(settings, arm, Window(rows, **more))]


def test_without_a_guardrail_failures_come_first_then_mean_divergence() -> None:
    rows = [
        row(1, measures={"lexical": 0.2}),
        row(2, measures={"lexical": 0.9, "facts": 0.5}),
        row(3, failures=["refusal"], measures={"lexical": 0.1}),
        row(4, failures=["refusal", "pii_leak"]),
        row(5, failures=["refusal"], production_failures=["refusal"], measures={"lexical": 0.95}),
        row(6),
    ]
    assert order(None, rows) == ["c4:0", "c3:0", "c5:0", "c2:0", "c1:0"]


def test_that_order_is_the_bundles() -> None:
    """The first of the list are the pairs that a sealed verdict names as worst."""
    rows = [row(n, failures=["refusal"] * (n % 3 == 0), measures={"lexical": (n * 7 % 10) / 10}) for n in range(20)]
    sealed = worst(experiment(), rows)["failures"]
    assert order(None, rows)[: len(sealed)] == [each["turn_id"] for each in sealed]


def test_failures_are_those_that_production_had_not() -> None:
    rows = [
        row(1, failures=["refusal"]),
        row(2, failures=["refusal"], production_failures=["refusal"]),
        row(3, failures=["pii_leak", "refusal"], production_failures=["truncated"]),
        row(4, outcome="candidate_failed", reason="timeout", failures=["timeout"]),
        row(5, measures={"lexical": 0.9}),
        row(6, outcome="shed", reason="budget"),
    ]
    found = ranked(guardrail(kind="failure"), "cand", Window(rows))
    assert [each.row.turn_id for each in found] == ["c1:0", "c4:0", "c3:0"]
    assert [each.counts for each in found] == [True, True, False]  # of c3 production failed too: the gate counts 0
    assert order(guardrail(kind="failure", failures=["pii_leak"]), rows) == ["c3:0", "c4:0"]  # who gives none fails all
    assert order(guardrail(kind="failure", failures=["truncated"]), rows) == ["c4:0"]


def test_zero_tolerance_is_the_event_whatever_production_did() -> None:
    rows = [
        row(1, failures=["pii_leak"], production_failures=["pii_leak"]),
        row(2, failures=["refusal"]),
        row(3, unexamined=["pii_leak"]),
        row(4, failures=["pii_leak"], measures={"lexical": 0.9}),
    ]
    assert order(guardrail(kind="zero_tolerance", failures=["pii_leak"]), rows) == ["c4:0", "c1:0", "c3:0"]


def test_excess_divergence_is_what_is_more_than_controls_on_the_same_turn() -> None:
    settings = guardrail(kind="excess_divergence", measure="facts")
    rows = [row(n, measures={"facts": score}) for n, score in enumerate((0.9, 0.5, 0.3))]
    rows.append(row(3, outcome="candidate_failed", reason="timeout", failures=["timeout"]))
    rows.append(row(4, measures={"lexical": 1.0}))
    control = {
        f"c{n}:0": row(n, arm=CONTROL, measures={"facts": floor}) for n, floor in enumerate((0.9, 0.0, 0.0, 0.2, 0.1))
    }
    found = ranked(settings, "cand", Window(rows, control))
    assert [each.row.turn_id for each in found] == ["c3:0", "c1:0", "c2:0", "c0:0", "c4:0"]
    assert found[1].why == "+0.5 (0.5, control 0)"
    assert [each.counts for each in found] == [True, True, True, False, False]
    assert order(settings, rows) == []  # nothing is known without control


def test_control_itself_is_sorted_by_how_far_it_is() -> None:
    rows = [row(n, arm=CONTROL, measures={"facts": score}) for n, score in enumerate((0.2, 0.8))]
    assert order(guardrail(kind="excess_divergence", measure="facts"), rows, CONTROL) == ["c1:0", "c0:0"]


def test_slow_is_what_the_limit_counts_then_by_how_much_longer() -> None:
    settings = guardrail(kind="slow", limit_s=10)
    rows = [
        row(1, candidate_latency_s=12.0, production_latency_s=2.0),
        row(2, candidate_latency_s=30.0, production_latency_s=29.0),
        row(3, outcome="candidate_failed", reason="timeout", failures=["timeout"], candidate_latency_s=5.0),
        row(4, candidate_latency_s=3.0, production_latency_s=1.0),
        row(5, outcome="shed", reason="budget"),
        row(6, candidate_latency_s=10.5, production_latency_s=9.9),
    ]
    found = ranked(settings, "cand", Window(rows))
    assert [each.row.turn_id for each in found] == ["c3:0", "c1:0", "c6:0", "c4:0", "c2:0"]
    assert [each.counts for each in found] == [True, True, True, False, False]
    assert [each.why for each in found] == ["no reply", "+10 s", "+0.6 s", "+2 s", "+1 s"]


@pytest.mark.parametrize("of", ["latency", "cost"])
def test_ratios_are_against_productions_and_beyond_the_clip_too(of: str) -> None:
    mine, other = ("candidate_latency_s", "production_latency_s") if of == "latency" else (
        "candidate_cost_usd", "production_cost_usd")  # fmt: skip
    rows = [
        row(1, **{mine: 20.0, other: 1.0}),
        row(2, **{mine: 50.0, other: 1.0}),
        row(3, **{mine: 0.5, other: 1.0}),
        row(4, **{mine: 3.0, other: 1.0}),
    ]
    found = ranked(guardrail(kind="log_ratio", of=of), "cand", Window(rows))
    assert [each.row.turn_id for each in found] == ["c2:0", "c1:0", "c4:0", "c3:0"]
    assert found[0].why == "50 times production's"
    assert [each.counts for each in found] == [True, True, True, False]


def test_scores_are_by_the_outcome_of_both_sides() -> None:
    settings = guardrail(kind="score", outcome="correct")
    rows = [row(1), row(2), row(3), row(4)]
    outcomes = {
        "c1:0": {("cand", "correct"): 1.0, ("production", "correct"): 1.0},
        "c2:0": {("cand", "correct"): 0.0, ("production", "correct"): 1.0},
        "c3:0": {("production", "correct"): 1.0},
        "c4:0": {("cand", "correct"): 0.0},
    }
    found = ranked(settings, "cand", Window(rows, outcomes=outcomes))
    assert [each.row.turn_id for each in found] == ["c2:0", "c3:0", "c1:0"]  # c3: no score of its own is the worst
    assert found[1].why == "correct no data, production 1"


KINDS = st.lists(st.sampled_from(["refusal", "pii_leak", "timeout"]), unique=True, max_size=3)


@given(st.lists(st.tuples(KINDS, KINDS, st.sampled_from(["compared", "candidate_failed", "shed"])), max_size=12))
def test_everything_that_the_gate_counts_is_in_the_list_before_what_it_does_not(given_rows: list[Any]) -> None:
    rows = [
        row(number, failures=mine, production_failures=other, outcome=outcome)
        for number, (mine, other, outcome) in enumerate(given_rows)
    ]
    settings = guardrail(kind="failure", failures=["refusal", "timeout"])
    assert isinstance(settings, FailureGuardrail)
    count = counter(settings)
    counted = {each.turn_id for each in rows if count(TurnRows(each, "valid", None, "valid", {})) == 1}
    found = ranked(settings, "cand", Window(rows))
    assert {each.row.turn_id for each in found if each.counts} == counted
    assert [each.counts for each in found] == sorted((each.counts for each in found), reverse=True)
