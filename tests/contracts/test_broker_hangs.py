"""Every look-up ends in time though kafka-python 3.0.12 does not: it waits without limit for its own event loop."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer
from kafka.net.manager import KafkaConnectionManager
from kafka.net.selector import NetworkSelector

from shadow.broker import BrokerError, HangsError, end_offsets, ensure_topics, lags, publish, read
from shadow.broker.timed import Bounded, Caller
from shadow.topology import TURNS
from tests.fixtures.brokers import config_for
from tests.fixtures.stopwatch import stopwatch

LIMIT_S = 1.0
LONG_S = 100.0
CALL, CLOSE, CONNECT = "shadow.broker.timed.HANG_S", "shadow.broker.timed.CLOSE_S", "shadow.broker.connection.ANSWER_S"
Hang = Callable[..., list[str]]


def kafka_threads() -> set[threading.Thread]:
    return {each for each in threading.enumerate() if "kafka" in each.name or "network" in each.name}


@pytest.fixture
def hang(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hang]:
    """Lets a method not return, as the library does: it waits for its own event, until the test has ended.

    From then on these limits are short, and those alone: a machine that stands still for a second must not be what
    hangs. What it gives is the names of the calls that were made. A client whose call comes back after all must then
    be closed: its threads would go on connecting for ever.
    """
    released, before = threading.Event(), kafka_threads()

    def hanging(of: Any, name: str, *limits: str) -> list[str]:
        method, made = getattr(of, name), []

        def late(*given: Any, **named: Any) -> Any:
            made.append(name)
            released.wait(2 * LONG_S)
            return method(*given, **named)

        monkeypatch.setattr(of, name, late)
        for limit in limits:
            monkeypatch.setattr(limit, LIMIT_S)
        return made

    yield hanging
    released.set()
    deadline = time.monotonic() + 60
    while left := kafka_threads() - before:
        assert time.monotonic() < deadline, f"left behind: {left}"
        time.sleep(0.1)


CALLS: dict[str, tuple[Any, str, Callable[[str], Any]]] = {
    "topics": (KafkaAdminClient, "list_topics", lambda at: ensure_topics(config_for(at))),
    "lag": (KafkaAdminClient, "list_group_offsets", lambda at: lags([at], {"g": [TURNS]})),
    "offsets": (KafkaConsumer, "end_offsets", lambda at: end_offsets([at], [TURNS])),
    "reading": (KafkaConsumer, "poll", lambda at: list(read([at], TURNS))),
    "writing": (KafkaProducer, "send", lambda at: publish([at], TURNS, [(b"k", b"v", ())])),
    "connecting": (KafkaConnectionManager, "bootstrap", lambda at: ensure_topics(config_for(at))),
}


@pytest.mark.parametrize("name", CALLS)
def test_a_look_up_that_hangs_is_one_line_in_time(embedded: str, hang: Hang, name: str) -> None:
    ensure_topics(config_for(embedded))
    of, method, ask = CALLS[name]
    made = hang(of, method, CONNECT if name == "connecting" else CALL)
    with stopwatch() as watch, pytest.raises(BrokerError, match=f"no answer from Kafka at {embedded}") as caught:
        ask(embedded)
    assert watch.seconds < 20
    assert "has not come back" in str(caught.value)
    assert made == [method]


def test_a_client_whose_loop_has_stopped_is_closed_in_time(embedded: str, hang: Hang) -> None:
    """``close`` joins the loop's thread without limit: the answer that was there is given all the same."""
    ensure_topics(config_for(embedded))
    hang(NetworkSelector, "close", CLOSE)
    with stopwatch() as watch:
        assert end_offsets([embedded], [TURNS]) == {(TURNS, number): 0 for number in range(3)}
    assert watch.seconds < 20


def test_a_time_out_of_the_calls_own_is_no_hang() -> None:
    def late() -> None:
        raise TimeoutError("the work's own")

    caller = Caller()
    with pytest.raises(TimeoutError, match="the work's own") as caught:
        caller(late, LONG_S)
    assert not isinstance(caught.value, HangsError)
    assert caller(lambda: 7, LONG_S) == 7
    caller.end()


def test_a_client_that_hung_is_not_asked_again(hang: Hang, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither does its caller wait once more, however long a call may take."""

    class Client:
        def ask(self) -> int:
            return 1

        def close(self) -> None:
            return

    client = Bounded(Client, LONG_S)
    assert client.ask() == 1
    made = hang(Client, "ask", CALL)
    with pytest.raises(HangsError):
        client.ask()
    monkeypatch.setattr(CALL, LONG_S)
    begun = time.monotonic()
    with pytest.raises(HangsError):
        client.ask()
    assert time.monotonic() - begun < LONG_S
    assert made == ["ask"]
    with suppress(OSError):
        client.close()
