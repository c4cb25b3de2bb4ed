"""ACME's plug-ins: what each says, and that it keeps what Shadow asks of every plug-in."""

from __future__ import annotations

import pytest
from acme_support.placeholder import Placeholder
from acme_support.questions import Questions
from acme_support.shouting import Shouting

from shadow.conformance import run
from shadow.conformance.samples import TURN, message, reply, turn
from shadow.measures import Pair


@pytest.mark.parametrize(
    ("production", "arm", "expected"),
    [("Sent today.", "Sent. All good?", 1.0), ("Which? When?", "Which one?", 0.5), ("Why?", "Why not?", 0.0)],
)
def test_questions(production: str, arm: str, expected: float) -> None:
    assert [score.value for score in Questions().score([Pair(TURN, message(production), message(arm))])] == [expected]


@pytest.mark.parametrize("text", ["Dear {{customer.name}}, it is sent.", "Your order [Order Number] is sent."])
def test_an_open_placeholder_is_malformed(text: str) -> None:
    assert set(Placeholder().detect(TURN, reply(message(text)))) == {"malformed"}


def test_a_filled_template_is_not() -> None:
    assert Placeholder().detect(TURN, reply(message("Dear Ann, order AB-10234 [express] is sent."))) == {}


@pytest.mark.parametrize(("said", "names"), [("WHERE IS MY ORDER!!", {"shouting"}), ("Where is my order?", set())])
def test_shouting(said: str, names: set[str]) -> None:
    assert set(Shouting().slices(turn(said))) == names


@pytest.mark.parametrize(
    ("family", "plugin"),
    [("shadow.measures", Questions()), ("shadow.failures", Placeholder()), ("shadow.slices", Shouting())],
)
def test_each_keeps_every_promise(family: str, plugin: object) -> None:
    assert {check: faults for check, faults in run(family, plugin) if faults} == {}
