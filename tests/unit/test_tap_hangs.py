"""The Tap's Kafka client hangs in a call: it is replaced, and costs production few threads."""

from __future__ import annotations

import threading
from collections import Counter
from typing import Any

import pytest

from shadow import hang_watch
from shadow.tap import Tap, producer
from tests.fixtures.waiting import until

BODY = [{"role": "user", "content": "Where is my order?"}]


class Watched:
    """The clock of the watches of clients: it stands still until it is put forward."""

    def __init__(self) -> None:
        self.now = 0.0
        self.looks: Counter[threading.Thread] = Counter()
        self._of_others = set(threading.enumerate())

    def monotonic(self) -> float:
        thread = threading.current_thread()
        if thread.name == "hang-watch" and thread not in self._of_others:
            self.looks[thread] += 1
        return self.now

    def pass_over(self, seconds: float, *, watches: int) -> None:
        """Returns when each of so many watches has seen it, and has done what it then does."""
        until(lambda: len(self.looks) >= watches)
        self.now += seconds
        seen = dict(self.looks)
        until(lambda: all(self.looks[each] >= looks + 2 or not each.is_alive() for each, looks in seen.items()))


def test_clients_that_all_hang_leave_few_threads_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each costs production a thread that nobody can end: the time that the next one is given doubles."""
    made, released, clock = list[threading.Thread](), threading.Event(), Watched()

    def hang(_settings: Any) -> Any:
        made.append(threading.current_thread())
        released.wait()
        raise RuntimeError("released")

    monkeypatch.setattr(producer, "made", hang)
    monkeypatch.setattr(hang_watch, "LOOK_S", 0.01)
    monkeypatch.setattr(hang_watch, "time", clock)
    tap = Tap("127.0.0.1:1")
    tap.turn(conversation_id="c", messages=BODY)
    try:
        for count, times in enumerate((1, 2, 4, 8), start=1):
            until(lambda count=count: len(made) == count)
            clock.pass_over(times * hang_watch.HANG_S, watches=count)
            assert (len(made), tap.stats().clients_replaced) == (count, count - 1)
            clock.pass_over(0.5, watches=count)
        until(lambda: len(made) == 5)
        stats = tap.stats()
    finally:
        tap.close(0)
        released.set()
        for worker in made:  # before the watches have another clock again
            worker.join(60)
    assert (stats.queued, stats.clients_replaced) == (1, 4)
    assert tap.stats().dropped == {"closed": 1}


@pytest.mark.parametrize(
    ("kafka", "times"),
    [({}, 1.0), ({"max_block_ms": 25_000}, 3.0), ({"bootstrap_timeout_ms": 1_000}, 1.0), ({"max_block_ms": "x"}, 1.0)],
)
def test_a_call_that_production_allows_longer_is_not_called_hanging(kafka: dict[str, Any], times: float) -> None:
    tap = Tap("127.0.0.1:1", kafka=kafka)
    assert tap._sender._patience == times
    tap.close(0)
