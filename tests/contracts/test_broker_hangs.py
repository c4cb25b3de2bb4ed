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

LIMIT_S = 1.0
Hang = Callable[[Any, str], None]


def kafka_threads() -> set[threading.Thread]:
    return {each for each in threading.enumerate() if "kafka" in each.name or "network" in each.name}


@pytest.fixture
def hang(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hang]:
    """Lets a method not return, as the library does: it waits for its own event, until the test has ended.

    A client whose call comes back after all must then be closed: its threads would go on connecting for ever.
    """
    released, before = threading.Event(), kafka_threads()

    def hanging(of: Any, name: str) -> None:
        method = getattr(of, name)

        def late(*given: Any, **named: Any) -> Any:
            released.wait(120)
            return method(*given, **named)

        monkeypatch.setattr(of, name, late)

    monkeypatch.setattr("shadow.broker.timed.HANG_S", LIMIT_S)
    monkeypatch.setattr("shadow.broker.timed.CLOSE_S", LIMIT_S)
    monkeypatch.setattr("shadow.broker.connection.ANSWER_S", LIMIT_S)
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
    hang(of, method)
    begun = time.monotonic()
    with pytest.raises(BrokerError, match=f"no answer from Kafka at {embedded}") as caught:
        ask(embedded)
    assert time.monotonic() - begun < 20
    assert "has not come back" in str(caught.value)


def test_a_client_whose_loop_has_stopped_is_closed_in_time(embedded: str, hang: Hang) -> None:
    """``close`` joins the loop's thread without limit: the answer that was there is given all the same."""
    ensure_topics(config_for(embedded))
    hang(NetworkSelector, "close")
    begun = time.monotonic()
    assert end_offsets([embedded], [TURNS]) == {(TURNS, number): 0 for number in range(3)}
    assert time.monotonic() - begun < 20


def test_a_time_out_of_the_calls_own_is_no_hang() -> None:
    def late() -> None:
        raise TimeoutError("the work's own")

    caller = Caller()
    with pytest.raises(TimeoutError, match="the work's own") as caught:
        caller(late, 5)
    assert not isinstance(caught.value, HangsError)
    assert caller(lambda: 7, 5) == 7
    caller.end()


def test_a_client_that_hung_is_not_asked_again(hang: Hang) -> None:
    class Client:
        def ask(self) -> int:
            return 1

        def close(self) -> None:
            return

    client = Bounded(Client, 5)
    assert client.ask() == 1
    hang(Client, "ask")
    for _ in range(2):
        begun = time.monotonic()
        with pytest.raises(HangsError):
            client.ask()
    assert time.monotonic() - begun < LIMIT_S / 2
    with suppress(OSError):
        client.close()
