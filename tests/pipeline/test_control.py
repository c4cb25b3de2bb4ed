"""``shadow control``: an arm is paused, resumed, killed through one topic, within about a second, and stays so."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from shadow import broker as kafka_client
from shadow.events import Reply, decode
from shadow.ledger import Ledger
from shadow.tap import Tap
from shadow.topology import ARM_REPLIES
from tests.fixtures.system import ROOT, System, arm
from tests.fixtures.waiting import insist, until

pytestmark = [pytest.mark.slow]

ONE_BY_ONE_S = 0.1
HEARD_WITHIN = 30
"""Turns, one every 0.1 s, of which the first may still go the old way: three times what is promised."""

LATER = 10
"""Turns that are said once the mirror has heard the command: none of them goes the old way."""

ROUNDS = 3
"""In one of so many a mirror must have heard in time: in another the machine may have held it up."""


@pytest.fixture
def meter(tmp_path: Path) -> Path:
    """The turns that reached the candidate's model, one a line."""
    file = tmp_path / "meter"
    file.touch()
    return file


@pytest.fixture
def deployed(tmp_path: Path, broker: str, meter: Path) -> System:
    """Nothing runs yet but the broker."""
    metered = {"type": "callable", "target": "tests.fixtures.models:metered", "settings": {"meter": str(meter)}}
    hanging = {**metered, "settings": {"meter": f"{meter}-stuck", "seconds": 3600}}
    arms = [
        arm("control", "tests.fixtures.models:instant"),
        {**arm("better"), "adapter": metered},
        {**arm("stuck", limits={"timeout_s": 240, "deadline_s": 240, "max_age_s": 60}), "adapter": hanging},
    ]
    arms[2]["scope"] = {"tier": ["stuck"]}
    return System(tmp_path, broker, arms, comparator={"join_window_s": 310})


@pytest.fixture
def system(deployed: System) -> Iterator[System]:
    deployed.start("comparator", "recorder", "mirror.control")
    yield deployed
    deployed.close()


def asked_to_hang(meter: Path) -> list[str]:
    """The turns that reached the model of ``stuck``."""
    file = Path(f"{meter}-stuck")
    return file.read_text().split() if file.exists() else []


def control(system: System, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "shadow.cli", "--config", str(system.file), "control", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=120)


def say(tap: Tap, conversation: str, turns: int, **fields: Any) -> None:
    for index in range(turns):
        with tap.call(
            conversation_id=conversation,
            turn_index=index,
            messages=[{"role": "user", "content": "Where is my order?"}],
            **fields,
        ) as call:
            call.reply("On Tuesday.")


def say_one_by_one(tap: Tap, conversation: str, turns: range) -> None:
    """As customers do: a command given meanwhile shows from one turn to the next."""
    for index in turns:
        tap.turn(conversation_id=conversation, turn_index=index, messages=[{"role": "user", "content": "And now?"}])
        tap.reply(conversation_id=conversation, turn_id=f"{conversation}:{index}", message="On Tuesday.")
        time.sleep(ONE_BY_ONE_S)


def replies(system: System, name: str) -> dict[str, Reply]:
    """An arm's replies, by turn."""

    def found() -> Iterator[Reply]:
        for each in kafka_client.read(system.config.broker.bootstrap, ARM_REPLIES):
            yield decode(Reply, each.value, each.key)

    return {each.turn_id: each for each in insist(lambda: list(found())) if each.arm == name}


def told(system: System, tap: Tap, conversation: str, state: str, *command: str) -> list[bool]:
    """Give a command while a conversation goes on; which of its turns were shed."""
    heard = said(system, state)
    done = control(system, *command)
    assert (done.returncode, done.stdout) == (0, f"better: {state}\n")
    say_one_by_one(tap, conversation, range(HEARD_WITHIN))
    until(lambda: said(system, state) > heard, why=system.logs)
    say_one_by_one(tap, conversation, range(HEARD_WITHIN, HEARD_WITHIN + LATER))
    names = [f"{conversation}:{index}" for index in range(HEARD_WITHIN + LATER)]
    until(lambda: replies(system, "better").keys() >= set(names), why=system.logs)
    found = replies(system, "better")
    return [found[name].shed == "paused" for name in names]


def said(system: System, state: str, name: str = "mirror.better") -> int:
    """How often a mirror has written that it is in this state now."""
    return system.log(name).replace("'", "").count(f"state={state}")


def turns_over(shed: list[bool], *, to: bool) -> int:
    """At which turn that began, for good; fails if it did not, or went to and fro."""
    first = shed.index(to)
    assert shed == [not to] * first + [to] * (len(shed) - first)
    return first


def test_pause_sheds_new_turns_and_resume_goes_on_each_within_about_a_second(system, meter):
    """While turns come one by one: from some turn on, and for good, all are shed; the ledger says why; others go on."""
    system.start("mirror.better")
    system.await_assigned("comparator", "mirror.better", "mirror.control")
    shed: list[bool] = []
    with Tap(system.config.broker.bootstrap) as tap:
        say(tap, "before", 5)
        until(lambda: len(replies(system, "better")) == 5, why=system.logs)
        for number in range(ROUNDS):
            pause = ("pause", "better", "--reason", "too dear", "--by", "ada")
            paused = told(system, tap, f"paused{number}", "paused", *pause)
            resumed = told(system, tap, f"resumed{number}", "running", "resume", "better")
            shed += paused + resumed
            slowest = max(turns_over(paused, to=True), turns_over(resumed, to=False))
            if slowest < HEARD_WITHIN:
                break
    assert slowest < HEARD_WITHIN
    turns, count = 5 + len(shed), sum(shed)
    report = system.settled(turns=turns)
    assert report.balanced
    assert report.arms["better"].outcomes == {"compared": turns - count, "shed": count}
    assert report.arms["control"].outcomes == {"compared": turns}
    with Ledger(system.config.ledger.url) as ledger:
        assert ledger.stats()["arms"]["better"]["reasons"] == {"paused": count}
    asked = set(meter.read_text().split())
    found = replies(system, "better")
    assert not asked & {turn_id for turn_id, each in found.items() if each.shed}, "the model was asked all the same"
    assert "too dear" in system.log("mirror.better")


def test_a_pause_outlives_the_mirror_it_is_read_before_the_first_turn_is_sent(system, meter):
    """Paused while its mirror is dead and turns wait: not one of them reaches the model."""
    system.start("mirror.better")
    system.await_assigned("comparator", "mirror.better", "mirror.control")
    system.kill("mirror.better")
    with Tap(system.config.broker.bootstrap) as tap:
        say(tap, "waiting", 20)
    assert control(system, "pause", "better").returncode == 0
    system.start("mirror.better")
    assert system.settled(turns=20).arms["better"].outcomes == {"shed": 20}
    system.kill("mirror.better")
    system.start("mirror.better")
    with Tap(system.config.broker.bootstrap) as tap:
        say(tap, "later", 20)
    report = system.settled(turns=40)
    assert report.balanced
    assert report.arms["better"].outcomes == {"shed": 40}
    assert meter.read_text() == ""


def test_kill_gives_up_the_calls_under_way(system, meter):
    """Calls that would hang for minutes end at once as shed(paused); each turn has one reply; resume asks again."""
    system.start("mirror.stuck", "mirror.better")
    system.await_assigned("comparator", "mirror.stuck", "mirror.better", "mirror.control")
    with Tap(system.config.broker.bootstrap) as tap:
        say(tap, "hanging", 10, metadata={"tier": "stuck"})
        until(lambda: len(asked_to_hang(meter)) == 10, why=system.logs)
        assert not replies(system, "stuck")
        assert control(system, "kill", "stuck").returncode == 0
        until(lambda: len(replies(system, "stuck")) == 10, why=system.logs)
        ended = {each.shed for each in replies(system, "stuck").values()}
        assert ended == {"paused"}, "they ended by their time-out, not by the command"
        say(tap, "killed", 5, metadata={"tier": "stuck"})
        report = system.settled(turns=15)
        assert report.balanced
        assert report.arms["stuck"].outcomes == {"shed": 15}
        found = replies(system, "stuck")
        assert [found[f"hanging:{n}"].attempts for n in range(10)] == [1] * 10
        assert [found[f"killed:{n}"].attempts for n in range(5)] == [0] * 5
        records = insist(lambda: list(kafka_client.read(system.config.broker.bootstrap, ARM_REPLIES)))
        assert sum(json.loads(each.value)["arm"] == "stuck" for each in records) == 15
        assert control(system, "resume", "stuck").returncode == 0
        until(lambda: said(system, "running", "mirror.stuck") > 0, why=system.logs)
        say(tap, "resumed", 5, metadata={"tier": "stuck"})
        until(lambda: len(asked_to_hang(meter)) == 15, why=system.logs)


def test_wrong_use_is_one_line(deployed):
    """An unknown arm is the user's mistake (exit 2) and the known ones are named."""
    done = control(deployed, "pause", "nobody")
    assert (done.returncode, done.stdout) == (2, "")
    assert len(done.stderr.splitlines()) == 1
    for name in ("nobody", "control", "better", "stuck"):
        assert name in done.stderr
