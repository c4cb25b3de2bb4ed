"""Real pairs of models with known truth: the right verdict, recorded and live; never PROMOTE for the worse one.

A sample of ``python -m tests.evaluate verdicts`` and ``python -m tests.evaluate.streamed``, which run all pairs.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from deploy.kafka.run import KafkaCluster
from tests.evaluate import every_pair, pairs
from tests.evaluate.data import DATA, AbsentError
from tests.evaluate.pairs import Pair
from tests.evaluate.streamed import verdicts
from tests.evaluate.verdicts import backtested
from tests.fixtures.brokers import wipe

SAMPLE = {
    "bfcl: gpt-4o-2024-05-13-FC -> gpt-4o-2024-08-06-FC": 400,
    "bfcl: gpt-4o-2024-05-13 -> gpt-4o-2024-08-06": 150,
    "bfcl, 60 items: gpt-4-turbo-2024-04-09-FC -> gpt-4o-2024-08-06-FC": 60,
    "bfcl: firefunction-v2-FC 2024-07-20 -> firefunction-v2-FC 2024-08-11": 888,
    "tau2 telecom: gpt-4.1 -> ft:gpt-4.1-sierra-sft": 32,
    "tau2 retail: gpt-4.1 -> ft:gpt-4.1-sierra-sft": 31,
    "tau2 airline: claude-sonnet-4-5 -> qwen2.5:7b": 35,
    "alpaca: claude-2 -> NullModel": 100,
    "tulu: tulu-2-dpo-13b -> sample 2": 200,
    "tulu: tulu-2-dpo-13b -> gpt-4o-2024-05-13": 200,
}
"""Pairs, and so many of their items."""

LIVE = [
    "bfcl: gpt-4o-2024-05-13-FC -> gpt-4o-2024-08-06-FC",
    "bfcl: gpt-4o-2024-05-13 -> gpt-4o-2024-08-06",
    "tau2 retail: gpt-4.1 -> ft:gpt-4.1-sierra-sft",
]

WINDOW_S = 45
"""Long enough: a turn was in the ledger after 3 s on two busy cores. Conversations close a minute after it."""


def known() -> dict[str, Pair]:
    try:
        return {pair.name: pair for pair in pairs.every()}
    except AbsentError as absent:
        pytest.skip(f"{absent} ({DATA})")


@pytest.mark.parametrize("name", list(SAMPLE))
def test_a_backtest_of_a_real_pair_says_what_is_true_and_holds_what_cannot_be_told(name: str, tmp_path: Path) -> None:
    pair = known()[name]
    if len(pair.turns) > SAMPLE[name]:
        pair = pair.first(SAMPLE[name], pair.truth)
    found = backtested(pair, tmp_path)
    assert found["verdict"] in pair.right, found["reasons"]
    assert found["backtest"]["recorded"]["conversations"] == len(pair.turns)


def test_of_all_pairs_of_models_no_worse_one_is_promoted_and_no_other_one_rejected() -> None:
    """182 ordered pairs, 888 items each; worse is worse by more than the margin."""
    try:
        [text] = every_pair.tables()
    except AbsentError as absent:
        pytest.skip(f"{absent} ({DATA})")
    lines = [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines() if line.startswith("| ")]
    head, *body = lines
    said = {kind: dict(zip(head[1:], map(int, counts), strict=True)) for kind, *counts in body}
    assert said["worse by more than the margin"]["PROMOTE"] == 0
    assert said["not worse"]["REJECT"] == 0
    assert said["not worse"]["PROMOTE"] == sum(said["not worse"].values()) == 91
    assert said["worse by more than the margin"]["REJECT"] > 40


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_streamed_live_through_kafka_the_same_pairs_get_the_same_verdicts(tmp_path: Path, kafka: KafkaCluster) -> None:
    """A better one, a silent break of format, and one that too few episodes can tell."""
    chosen = [known()[name] for name in LIVE]
    [bootstrap] = kafka.bootstrap
    wipe(bootstrap)
    said = [found["verdict"] for found in verdicts(chosen, tmp_path, bootstrap, window_s=WINDOW_S)]
    assert said == ["PROMOTE", "REJECT", "HOLD"]
    for verdict, pair in zip(said, chosen, strict=True):
        assert verdict in pair.right
