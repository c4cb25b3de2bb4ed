"""What a list looks at: the newest rows of the revision that there is, and every older one by going on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from shadow.config import Config
from shadow.console import asked, reading
from shadow.console.asked import List
from shadow.events import CONTROL, Outcome
from shadow.ledger import Ledger, LedgerError
from tests.fixtures.comparisons import comparison
from tests.fixtures.events import NOW
from tests.fixtures.gate_ledger import configured, evaluator_of
from tests.fixtures.system import arm

COUNT = 100
SLICES = ("tier=a", "tier=b")
GATE = {
    "guardrails": [
        {"kind": "failure", "name": "any_failure"},
        {"kind": "excess_divergence", "name": "lexical", "measure": "lexical"},
        {"kind": "score", "name": "solved", "outcome": "solved"},
    ]
}


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Config:
    """A ledger of a hundred turns of candidate and control, ten of another revision, five of another evaluator."""
    limits = {"timeout_s": 2, "deadline_s": 4, "max_age_s": 6}
    made = configured(tmp_path_factory.mktemp("reading"), "127.0.0.1:1", gate=GATE, control=arm(CONTROL, limits=limits))
    evaluator = evaluator_of(made)
    with Ledger(made.ledger.url) as ledger:
        for name in ("cand", CONTROL):
            ledger.write([row(made, name, index, evaluator) for index in range(COUNT)], recorded_at=NOW)
        old = [row(made, "cand", index, evaluator, arm_revision="old") for index in range(COUNT, COUNT + 10)]
        other = [row(made, "cand", index, "e0") for index in range(COUNT + 10, COUNT + 15)]
        known = [
            Outcome(outcome_id=f"o{name}{index}", turn_id=f"t{index}", conversation_id=f"c{index // 4}", arm=name,
                    name="solved", value=float(name == "production" or index % 2), occurred_at=NOW)
            for index in range(10) for name in ("production", "cand")
        ]  # fmt: skip
        ledger.write([*old, *other], known, recorded_at=NOW)
    return made


def row(config: Config, name: str, index: int, evaluator: str, **fields: Any) -> Any:
    floor = 0.5 if name == CONTROL else 0.0
    measures = {"lexical": {"value": floor if name == CONTROL else index / COUNT / 2 + 0.5 * (index < COUNT)}}
    given = {
        "arm_revision": config.arm(name).revision,
        "evaluator_revision": evaluator,
        "slices": [SLICES[index % 2]],
        "measures": measures,
        **fields,
    }
    return comparison(index, name, **given)


def listed(config: Config, **query: str) -> List:
    return asked.a_list(config, SLICES, {"candidate": "cand", **query}.items())


def worst(config: Config, *, most: int | None = None, **query: str) -> reading.Worst:
    return reading.worst(config, listed(config, **query), evaluator_of(config), most=most)


def test_rows_of_another_revision_or_evaluator_are_left_out_and_counted(config: Config) -> None:
    found = worst(config)
    assert found.looked_at == COUNT + 15
    assert found.ranked == COUNT
    assert dict(found.others) == {"of revision old": 10, "judged by evaluator e0": 5}
    assert not found.older
    assert len(found.shown) == len(found.records) == reading.SHOWN


def test_a_slice_is_those_turns_alone(config: Config) -> None:
    found = worst(config, slice="tier=b")
    assert (found.ranked, found.off) == (COUNT // 2, COUNT // 2)
    assert {tuple(record.slices) for record in found.records.values()} == {("tier=b",)}


def test_going_on_shows_every_row_once_at_least_and_ends(config: Config) -> None:
    """However few rows a page looks at; rows of one instant may come twice, and none is passed over."""
    seen: set[str] = set()
    query: dict[str, str] = {}
    for _ in range(20):
        found = worst(config, most=20, **query)
        assert found.looked_at <= 20
        seen |= {each.row.turn_id for each in found.shown}
        if not found.older:
            break
        query = {"until": repr(found.oldest)}
    assert seen == {f"t{index}" for index in range(COUNT)}
    assert not found.older


def test_excess_is_against_controls_row_of_the_same_turn(config: Config) -> None:
    found = worst(config, guardrail="lexical")
    assert [each.row.turn_id for each in found.shown[:3]] == ["t99", "t98", "t97"]
    assert found.shown[0].why == "+0.495 (0.995, control 0.5)"
    assert (found.counted, found.instead) == (COUNT - 1, False)


def test_a_score_is_by_outcomes_and_what_has_none_is_not_in_the_list(config: Config) -> None:
    found = worst(config, guardrail="solved")
    assert [each.row.turn_id for each in found.shown if each.counts] == ["t8", "t6", "t4", "t2", "t0"]
    assert len(found.shown) == 10
    assert worst(config, guardrail="solved", until=str(NOW - 1)).looked_at == 0


def test_none_that_counts_is_said_and_the_rest_is_shown(config: Config) -> None:
    found = worst(config, guardrail="any_failure")
    assert (found.instead, found.counted) == (True, 0)
    assert [each.row.turn_id for each in found.shown[:2]] == ["t99", "t98"]


def test_the_newest_pair_of_each_arm_is_known(config: Config) -> None:
    found = reading.latest(config)
    assert found["cand"].arrived_at == NOW + COUNT + 14
    assert found[CONTROL].revision == config.arm(CONTROL).revision


def test_a_ledger_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(LedgerError, match="no such file"):
        reading.latest(configured(tmp_path, "127.0.0.1:1"))
