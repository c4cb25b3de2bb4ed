"""One thread of the Tap: moves records from the buffer to Kafka, and survives every state that a broker can be in."""

from __future__ import annotations

import contextlib
import math
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any, Final

from kafka.errors import KafkaTimeoutError, MessageSizeTooLargeError, UnknownTopicOrPartitionError

from shadow.hang_watch import HangWatch
from shadow.tap import producer as client
from shadow.tap.buffer import Buffer, Item
from shadow.tap.redaction import NotRedactedError
from shadow.tap.throttle import LOG, Throttle

LINGER_S: Final = 0.025  # the thread looks this often while records come: waking it would cost each call some 5 us
IDLE_LOOKS: Final = 40  # looks without a record after which it sleeps until it is woken
CHUNK: Final = 8  # records handed on between two pauses: each costs ~0.1 ms of interpreter time
BUSY_S: Final = 0.000_5  # or after so long: redaction costs more than sending
PAUSE_S: Final = 0.000_1  # a pause gives the interpreter lock back to production
STALL_S: Final = 0.05  # between two looks while the producer is full or a topic is missing
IN_FLIGHT_RECORDS: Final = 2_000
IN_FLIGHT_BYTES: Final = 4 * 1024 * 1024
RETRY_S: Final = (0.25, 5.0)  # first and longest wait before the next try to reach a broker
CLOSE_S: Final = 1.0  # what a broken producer is given to deliver what it has
MISSING_S: Final = 2.0  # between two looks for a topic that does not exist
STILL_S: Final = (30.0, 480.0)
"""After so long without an acknowledgement another client is tried; at most so long after several in vain."""


class Prepared(bytes):
    """A value that is ready to be sent: sent again, it must be the same."""

    __slots__ = ()


class Worker:
    """One thread, one producer. Only this thread touches the network; a broken producer is replaced, never reused.

    A producer that acknowledges nothing while another one can connect is given up, and what it had goes to the other.
    A call that never returns is its watch's to notice: ``hangs`` is called, and should :meth:`abandon` this worker.
    """

    def __init__(
        self,
        settings: Mapping[str, Any],
        buffer: Buffer,
        prepare: Callable[[bytes], bytes] | None,
        hangs: Callable[[Worker], object],
        patience: float = 1.0,
    ) -> None:
        self._settings = settings
        self._buffer = buffer
        self._prepare = prepare
        self._watch = HangWatch(lambda _seconds: hangs(self), patience=patience)
        self._may_log = Throttle()
        self._producer: Any = None
        self._life = 0
        self._suspect = False
        self._refused = 0
        self._idle_looks = 0
        self._missing: dict[str, float] = {}
        self._landed = buffer.landed
        self._patience_s = STILL_S[0]
        self._look_at = time.monotonic() + self._patience_s
        self._abandoned = False
        self.deadline: float | None = None
        self.replaced = 0
        self.thread = threading.Thread(target=self._run, name="shadow-tap", daemon=True)

    def abandon(self) -> None:
        """Its call hangs: what it has in flight goes back to the buffer, and what it does later changes nothing."""
        self._abandoned = True
        self._buffer.recall()
        self._warn("hang", "a call of the Kafka client does not return; a new client takes over, what waits is kept")

    def leave(self) -> None:
        """After :meth:`abandon`: ask the client's thread to end. May hang too."""
        if self._producer is not None:
            client.given_up(self._producer)

    def forget(self) -> None:
        """In a forked child: leave the parent's producer and its sockets alone."""
        self._abandoned = True
        if self._producer is not None:
            self._producer._closed = True  # noqa: SLF001 - its finaliser would wait for a thread that is not here

    def _run(self) -> None:
        with self._watch:
            while not self._over():
                try:
                    self._round()
                except Exception:  # noqa: BLE001 - the thread must outlive every fault of the client
                    self._warn("sender", "the sender failed and goes on with a new connection", exc_info=True)
                    self._suspect = True
                    self._buffer.wait(1.0, for_records=False)
        if not self._abandoned:
            self._close_producer(math.inf)

    def _over(self) -> bool:
        if self._abandoned:
            return True
        if self.deadline is None:
            return False
        return self._buffer.records == 0 or time.monotonic() >= self.deadline

    def _round(self) -> None:
        if self._suspect:
            with self._watch.call():
                self._close_producer(CLOSE_S)
        if self._stands_still():
            self._try_another()
        if not self._buffer.waiting:
            self._rest()
            return
        self._idle_looks = 0
        if self._producer is None and not self._connect():
            return
        if not self._send_waiting():
            self._buffer.wait(STALL_S, for_records=False)

    def _rest(self) -> None:
        self._idle_looks += 1
        if self._idle_looks < IDLE_LOOKS:
            self._buffer.wait(LINGER_S, for_records=False)
        else:
            self._buffer.wait(1.0 if self._buffer.in_flight else 60.0)

    def _connect(self) -> bool:
        """One producer, however long that takes. False if it is time to end."""
        wait_s = RETRY_S[0]
        while not self._over():
            producer = self._made()
            if self._abandoned:
                if producer is not None:
                    client.given_up(producer)
                return False
            if producer is not None:
                self._begin(producer)
                return True
            self._buffer.wait(wait_s, for_records=False)
            wait_s = min(2 * wait_s, RETRY_S[1])
        return False

    def _made(self) -> Any:
        """A new producer, or None if no broker answers."""
        try:
            with self._watch.call():
                return client.made(self._settings)
        except Exception as error:  # noqa: BLE001 - the client raises many kinds, and all mean: not now
            servers = self._settings["bootstrap_servers"]
            self._warn("connect", f"no broker at {servers!r} ({error!s:.200}); records wait")
            return None

    def _begin(self, producer: Any) -> None:
        self._producer = producer
        self._life += 1
        self._suspect = False
        self._missing.clear()
        self._look_at = time.monotonic() + self._patience_s

    def _stands_still(self) -> bool:
        """Whether the producer has had records for long, and has acknowledged none."""
        landed, now = self._buffer.landed, time.monotonic()
        if landed != self._landed:
            self._landed, self._patience_s = landed, STILL_S[0]
        elif self._buffer.in_flight and self._producer is not None:
            return now >= self._look_at
        self._look_at = now + self._patience_s
        return False

    def _try_another(self) -> None:
        """Give the producer up if another one can connect; a broker that is away, or slow, is waited for longer."""
        self._patience_s = min(2 * self._patience_s, STILL_S[1])
        self._look_at = time.monotonic() + self._patience_s
        another = self._made()
        if another is None or self._abandoned:
            return
        if self._buffer.landed != self._landed:  # it moves after all
            with self._watch.call():
                client.ended(another, 0.0)
            return
        silent = self._producer
        self._begin(another)
        self._buffer.recall()
        self.replaced += 1
        client.given_up(silent)
        self._warn("still", "the Kafka client acknowledges nothing; a new one takes over, what it had is sent again")

    def _close_producer(self, longest_s: float) -> None:
        producer, self._producer, self._suspect = self._producer, None, False
        if producer is not None:
            left_s = CLOSE_S if self.deadline is None else self.deadline - time.monotonic()
            client.ended(producer, min(max(left_s, 0.0), longest_s))

    def _send_waiting(self) -> bool:
        """Hand on what waits, as far as there is room. False if nothing could be handed on."""
        handed, paused = 0, time.monotonic()
        for topic in self._buffer.topics():
            if time.monotonic() < self._missing.get(topic, 0.0):
                continue
            while self._room() and (item := self._buffer.take(topic)) is not None:
                if not self._send(item):
                    break
                handed += 1
                if handed % CHUNK == 0 or time.monotonic() - paused > BUSY_S:
                    time.sleep(PAUSE_S)
                    paused = time.monotonic()
        return handed > 0

    def _room(self) -> bool:
        full = self._buffer.in_flight >= IN_FLIGHT_RECORDS or self._buffer.in_flight_bytes >= IN_FLIGHT_BYTES
        return not (full or self._suspect or self._abandoned)

    def _send(self, item: Item) -> bool:
        """Hand one record to the producer. False if its topic cannot take records now."""
        number, topic, key, value = item
        if self._prepare is not None and not isinstance(value, Prepared):
            try:
                item = self._buffer.swap(item, Prepared(self._prepare(value)))
            except NotRedactedError as error:
                self._buffer.resolve(number, error.reason)
                self._warn(error.reason, f"a record for {topic} was not sent ({error.reason}): {error}")
                return True
        try:
            with self._watch.call():
                future = self._producer.send(topic, value=bytes(item[3]), key=key)
        except Exception as error:  # noqa: BLE001 - the client raises many kinds
            return not self._abandoned and self._unsent(item, error)
        future.add_callback(self._delivered, self._life, number)
        future.add_errback(self._failed, self._life, number)
        return True

    def _unsent(self, item: Item, error: Exception) -> bool:
        """What becomes of a record that the producer did not take."""
        number, topic, _, _ = item
        if isinstance(error, MessageSizeTooLargeError):
            self._buffer.resolve(number, "too_large")
            return True
        if isinstance(error, (KafkaTimeoutError, UnknownTopicOrPartitionError)):
            self._buffer.put_back(item)
            self._missing[topic] = time.monotonic() + MISSING_S
            self._warn(topic, f"{topic} cannot be reached or does not exist ({error!s:.200}); records wait")
            return False
        self._suspect = True
        if self._refused == number:  # by two producers: it would stop those behind it for ever
            self._buffer.resolve(number, "delivery_failed")
        else:
            self._refused = number
            self._buffer.put_back(item)
        self._warn("send", f"the producer failed ({error!r:.200}) and is replaced")
        return False

    def _delivered(self, life: int, number: int, _metadata: Any) -> None:
        if life == self._life and not self._abandoned:
            self._buffer.resolve(number)

    def _failed(self, life: int, number: int, error: Any) -> None:
        if life == self._life and not self._abandoned:
            self._buffer.resolve(number, "delivery_failed")
            self._suspect = True
            self._warn("delivery", f"records were not delivered ({error!r:.200}); they are counted as delivery_failed")

    def _warn(self, subject: str, text: str, *, exc_info: bool = False) -> None:
        with contextlib.suppress(Exception):  # a log filter of production's that raises must not end the thread
            if self._may_log(subject):
                LOG.warning("shadow tap: %s", text, exc_info=exc_info)
