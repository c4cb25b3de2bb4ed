"""The judge's consumer on the embedded broker with the real processes and the simulated judges: nobody waits for it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from shadow import broker
from shadow.events import Message, Outcome, decode
from shadow.ledger import Ledger
from shadow.topology import COMPARISONS, JUDGE_GROUP, JUDGEMENTS, REPLIES, TURNS
from tests.fixtures import brokers
from tests.fixtures.events import reply, turn
from tests.fixtures.system import System, arm
from tests.fixtures.waiting import LONG_WINDOW, UNHURRIED, insist, same_day, until
from tests.pipeline.test_simulate_server import serving

pytestmark = [pytest.mark.slow, pytest.mark.timeout(420)]

ARMS = [
    arm("control", "tests.fixtures.models:instant", limits=UNHURRIED),
    arm("echo", "tests.fixtures.models:echo", limits=UNHURRIED),
]
ASKED = "Where is order 10001?"
SAID = {"a:0": "Order 10001 was sent.", "b:0": "It was sent.", "c:0": ASKED, "d:0": "Order 10001 was sent."}
RIGHT = {
    ("a:0", "control"): "production_better",
    ("a:0", "echo"): "tie_both",
    ("b:0", "echo"): "arm_better",
    ("c:0", "echo"): "identical",
    ("d:0", "echo"): "tie_both",
}
"""By who repeats the customer's number."""


@pytest.fixture
def made(tmp_path: Path) -> Iterator[Callable[..., System]]:
    systems: list[System] = []
    with brokers.embedded_broker(tmp_path) as bootstrap:

        def make(base: str, model: str, **fields: Any) -> System:
            adapter = {"type": "openai", "base_url": f"{base}/v1", "model": model}
            judge = {"adapter": adapter, "price": {"input_usd_per_million": 1.0}, "usd_per_day": 5}
            judge |= {"sampling": {"rate": 1.0}, **fields}
            systems.append(System(tmp_path, bootstrap, ARMS, judge=judge, comparator=LONG_WINDOW))
            return systems[-1]

        yield make
        for system in systems:
            system.close()


@pytest.fixture(scope="module")
def base() -> Iterator[str]:
    with serving("--port", "0", "--latency", "0") as (address, _):
        yield address


def play(system: System) -> None:
    """Four conversations of one turn, each answered by production."""
    now = time.time()
    for turn_id, text in SAID.items():
        conversation = turn_id[0]
        asked = turn(turn_id, conversation, occurred_at=now, messages=[Message(role="user", content=ASKED)])
        answered = reply(turn_id, conversation, occurred_at=now, message=Message(role="assistant", content=text))
        for topic, record in ((TURNS, asked), (REPLIES, answered)):
            broker.publish(system.config.broker.bootstrap, topic, [(conversation.encode(), record.to_json(), ())])


def verdicts(system: System) -> dict[tuple[str, str], dict[str, Any]]:
    """What the ledger holds of each pair: outcome's name to value."""
    found: dict[tuple[str, str], dict[str, Any]] = {}
    with Ledger(system.config.ledger.url) as ledger:
        for turn_id in SAID:
            for row in ledger.outcomes_of(turn_id):
                value = row["value_text"] if row["value_number"] is None else row["value_number"]
                found.setdefault((turn_id, row["arm"]), {})[row["name"]] = value
    return found


def await_verdicts(system: System, count: int = 2 * len(SAID), timeout_s: float = 200) -> dict[Any, dict[str, Any]]:
    """Once each pair has its verdict, which is written last; a pair of which only the score is there is under way."""
    deadline = time.monotonic() + timeout_s
    while len(found := {pair: said for pair, said in verdicts(system).items() if "judge_verdict" in said}) < count:
        assert time.monotonic() < deadline, f"{found}\n{system.log('judge')}\n{system.logs()}"
        assert system.processes["judge"].poll() is None, system.log("judge")
        time.sleep(0.3)
    return found


def written(system: System) -> list[Outcome]:
    return [decode(Outcome, one.value, one.key) for one in broker.read(system.config.broker.bootstrap, JUDGEMENTS)]


def test_a_right_judge_says_who_is_better_once_and_again_after_redelivery(
    base: str, made: Callable[..., System]
) -> None:
    system = made(base, "judge-facts")
    system.start_all()
    system.start("judge")
    play(system)
    found = await_verdicts(system)
    for pair, right in RIGHT.items():
        assert found[pair]["judge_verdict"] == right, found
    assert found["a:0", "control"]["judge_worse"] == 1.0
    assert found["b:0", "echo"]["judge_worse"] == 0.0
    assert "judge_worse" not in found["c:0", "echo"]  # nobody was asked
    assert found["c:0", "echo"]["judge_same"] == 0.0
    first = written(system)
    assert all(one.arm_revision and "judge " in (one.detail or "") for one in first)
    unasked = [one for one in first if (one.turn_id, one.arm) == ("c:0", "echo")]
    assert {one.name: one.cost_usd for one in unasked} == {"judge_same": None, "judge_verdict": 0.0}
    # kill -9, and all comparisons delivered once more: nothing is asked or written again
    system.kill("judge")
    bootstrap = system.config.broker.bootstrap
    for record in insist(lambda: list(broker.read(bootstrap, COMPARISONS))):
        broker.publish(bootstrap, COMPARISONS, [(record.key, record.value, ())], partition=record.partition)
    system.start("judge")
    until(lambda: not sum(broker.lag(bootstrap, JUDGE_GROUP, [COMPARISONS]).values()), why=lambda: system.log("judge"))
    assert len({one.outcome_id for one in written(system)}) == len(written(system)) == len(first)


def test_a_judge_that_prefers_the_first_place_gets_no_verdict_but_ties(base: str, made: Callable[..., System]) -> None:
    system = made(base, "judge-first")
    system.start_all()
    system.start("judge")
    play(system)
    found = await_verdicts(system)
    said = [value["judge_verdict"] for pair, value in found.items() if pair != ("c:0", "echo")]
    assert set(said) == {"tie_disagree"}


def test_comparisons_do_not_wait_for_a_judge_that_is_down(made: Callable[..., System], nowhere: str) -> None:
    """Every comparison is in the ledger, and each sampled pair has an error that is counted; none has a score."""
    down = made(f"http://{nowhere}", "judge-facts")
    down.start_all()
    down.start("judge")
    play(down)
    assert down.settled(turns=len(SAID)).balanced
    found = await_verdicts(down)
    assert {value["judge_verdict"] for value in found.values()} == {"provider_error", "identical"}
    assert all("judge_worse" not in value for value in found.values())  # no score is not zero
    assert {pair for pair, value in found.items() if "judge_same" in value} == {("c:0", "echo")}
    down.kill("judge")


@pytest.mark.timeout(620)
def test_a_spent_budget_ends_the_asking_also_in_a_new_process(base: str, made: Callable[..., System]) -> None:
    same_day(200)
    system = made(base, "judge-facts", usd_per_day=0.0000004, max_in_flight=1)  # less than one question costs
    system.start_all()
    play(system)
    assert system.settled(turns=len(SAID)).balanced
    system.start("judge")
    found = await_verdicts(system)
    said = [value["judge_verdict"] for value in found.values()]
    asked = len(said) - said.count("budget") - said.count("identical")
    assert 1 <= asked <= system.config.broker.partitions  # each partition has its share, and learns by one question
    system.kill("judge")
    extra = turn("a:1", "a", occurred_at=time.time(), turn_index=1, messages=[Message(role="user", content="And 222?")])
    answer = reply("a:1", "a", occurred_at=time.time())
    bootstrap = system.config.broker.bootstrap
    broker.publish(bootstrap, TURNS, [(b"a", extra.to_json(), ())])
    broker.publish(bootstrap, REPLIES, [(b"a", answer.to_json(), ())])
    system.start("judge")
    late = until(
        lambda: [one for one in written(system) if one.turn_id == "a:1" and one.name == "judge_verdict"],
        why=lambda: system.log("judge"),
    )
    assert {one.value for one in late} == {"budget"}
