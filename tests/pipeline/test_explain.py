"""``shadow explain`` on the embedded broker with the real processes: both replies, the judgement, and no harm."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from shadow import broker
from shadow.cli import main
from shadow.events import Message, Outcome
from shadow.ledger import Ledger
from shadow.topology import OUTCOMES, REPLIES, TURNS
from tests.fixtures import brokers
from tests.fixtures.brokers import config_for, prepared
from tests.fixtures.events import failed, reply, turn
from tests.fixtures.system import System, arm
from tests.fixtures.waiting import LONG_WINDOW, UNHURRIED, until

pytestmark = pytest.mark.slow

TURN = "c1:1"
ASKED = "Where is\nmy order?"


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """One turn that was answered and one that production failed on, both through every process into the ledger."""
    folder = tmp_path_factory.mktemp("explain")
    with brokers.embedded_broker(folder) as bootstrap:
        arms = [arm(name, f"tests.fixtures.models:{model}", limits=UNHURRIED)
                for name, model in (("control", "instant"), ("nasty", "nasty"))]  # fmt: skip
        slices = {"use": ["depth"], "metadata": {"channel": ["chat"]}}
        made = System(folder, bootstrap, arms, slices=slices, comparator=LONG_WINDOW)
        try:
            now = time.time()
            messages = [Message(role="user", content="Hello"), Message(role="assistant", content="Yes?")]
            messages.append(Message(role="user", content=ASKED))
            asked = turn(TURN, occurred_at=now, turn_index=1, messages=messages, metadata={"channel": "chat"})
            other = turn("c1:2", occurred_at=now, turn_index=2)
            known = {"outcome_id": "o1", "turn_id": TURN, "conversation_id": "c1", "name": "solved", "value": 1.0}
            for topic, records in (
                (TURNS, (asked, other)),
                (REPLIES, (reply(TURN, occurred_at=now, cost_usd=0.002), failed("timeout", turn_id="c1:2"))),
                (OUTCOMES, (Outcome(**known, occurred_at=now),)),
            ):
                broker.publish([bootstrap], topic, [(b"c1", record.to_json(), ()) for record in records])
            made.start_all()
            made.settled(turns=2, timeout_s=200)
            with Ledger(made.config.ledger.url) as ledger:
                until(lambda: ledger.outcomes_of(TURN), why=made.logs)
            yield made
        finally:
            made.close()


def shadow(system: System, *arguments: str, environ: dict[str, str] | None = None) -> Result:
    env = {"COLUMNS": "120", **(environ or {})}
    return CliRunner().invoke(main, ["--config", str(system.file), "explain", *arguments], env={**os.environ, **env})


def test_both_replies_stand_side_by_side_with_all_that_was_found(system: System) -> None:
    shown = shadow(system, TURN, "control")
    assert shown.exit_code == 0, shown.output
    for words in (
        "customer's message 2",
        "Where is\nmy order?",
        "It is on its way, says production.",
        f"Your order {TURN} arrives on",
        "0.002 USD",
        "slice depth=2-4: customer's message 2",
        "slice channel=chat: metadata channel",
        "agreed: no",
        "lexical",
        "action       abstained: no_tool_calls",
        "later, of production: solved = 1.0",
    ):
        assert words in shown.output
    assert "not today's" not in shown.output
    found = json.loads(shadow(system, TURN, "control", "--json").stdout)
    assert found["production"]["said"]["text"] == "It is on its way, says production."
    assert found["candidate"]["said"]["text"] == f"Your order {TURN} arrives on Tuesday."
    assert (found["depth"], found["outcome"], found["evaluator_is_todays"]) == (2, "compared", True)
    assert 0 < found["measures"]["lexical"]["value"] <= 1


def test_what_a_model_wrote_is_escaped_and_bounded(system: System) -> None:
    for arguments in ((TURN, "nasty"), (TURN, "nasty", "--json")):
        shown = shadow(system, *arguments)
        assert shown.exit_code == 0
        assert all(char.isprintable() or char == "\n" for char in shown.output)
        assert len(shown.output) < 60_000
        assert "second line" in shown.output
    assert "[bold]" in shadow(system, TURN, "nasty").output
    assert "more characters]" in shadow(system, TURN, "nasty").output
    said = json.loads(shadow(system, TURN, "nasty", "--json").stdout)["candidate"]["said"]
    assert said["text"].startswith("\x1b[2J")
    assert len(said["text"]) + said["cut_characters"] > 30_000


def test_a_side_that_failed_says_so(system: System) -> None:
    shown = shadow(system, "c1:2", "control")
    assert "production_failed (timeout)" in shown.output
    assert "no reply: timeout" in shown.output


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("nope\x1b[2J", "control"), "the newest there: c1:"),
        ((TURN, "nobody"), "it was for: control, nasty"),
        ((TURN, "control", "--revision", "x"), "there are: "),
    ],
)
def test_what_is_not_there_is_one_line_that_names_what_is(
    system: System, arguments: tuple[str, ...], named: str
) -> None:
    result = shadow(system, *arguments)
    assert result.exit_code == 1
    assert named in result.output
    assert "\x1b" not in result.output
    assert len(result.output.splitlines()) == 1


def test_a_broker_that_is_away_is_named_and_the_ledgers_part_is_shown(system: System, nowhere: str) -> None:
    shown = shadow(system, TURN, "control", environ={"SHADOW_BROKER_URL": nowhere})
    assert shown.exit_code == 0
    assert "no answer from Kafka" in shown.output
    assert "lexical" in shown.output
    assert "slice depth=2-4: the reason cannot be worked out again" in shown.output


def test_a_replaced_broker_with_other_records_in_the_same_places_is_noticed(system: System, tmp_path: Path) -> None:
    with brokers.embedded_broker(tmp_path) as bootstrap:
        prepared(config_for(bootstrap, partitions=4))
        other = turn("c1:9", messages=[Message(role="user", content="Somebody else's words")])
        broker.publish([bootstrap], TURNS, [(b"c1", other.to_json(), ())] * 3)
        shown = shadow(system, TURN, "control", environ={"SHADOW_BROKER_URL": bootstrap})
    assert shown.exit_code == 0
    assert "Somebody else" not in shown.output
    assert "the broker holds it no more" in " ".join(shown.output.split())
