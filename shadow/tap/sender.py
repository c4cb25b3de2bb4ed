"""The Tap's own thread: moves records from the buffer to Kafka, and survives every state that a broker can be in."""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from kafka import KafkaProducer
from kafka.errors import KafkaTimeoutError, MessageSizeTooLargeError, UnknownTopicOrPartitionError

from shadow.tap.buffer import Buffer, Item, size_of

LOG: Final = logging.getLogger("shadow.tap")

LINGER_S: Final = 0.025  # the thread looks this often while records come: waking it would cost each call some 5 us
IDLE_LOOKS: Final = 40  # looks without a record after which it sleeps until it is woken
CHUNK: Final = 8  # records handed on between two pauses: each costs ~0.1 ms of interpreter time
PAUSE_S: Final = 0.000_1  # a pause gives the interpreter lock back to production
STALL_S: Final = 0.05  # between two looks while the producer is full or a topic is missing
IN_FLIGHT_RECORDS: Final = 2_000
IN_FLIGHT_BYTES: Final = 4 * 1024 * 1024
RETRY_S: Final = (0.25, 5.0)  # first and longest wait before the next try to reach a broker
MISSING_S: Final = 2.0  # between two looks for a topic that does not exist
LOG_EVERY_S: Final = 60.0

PRODUCER: Final[dict[str, Any]] = {
    "acks": "all",
    "enable_idempotence": True,
    "linger_ms": 5,
    "batch_size": 65_536,
    "allow_auto_create_topics": False,  # partition counts are the topology's, not the broker's default
    "max_block_ms": 500,
    "bootstrap_timeout_ms": 5_000,
    "request_timeout_ms": 15_000,
    "delivery_timeout_ms": 60_000,
    "reconnect_backoff_ms": 100,
    "reconnect_backoff_max_ms": 2_000,
    "metrics_enabled": False,
}


@dataclass(frozen=True, slots=True)
class TapStats:
    """What became of the records given: ``queued`` (waiting or in flight), ``sent`` (acknowledged), ``dropped``."""

    queued: int
    queued_bytes: int
    sent: int
    dropped: dict[str, int]


class Throttle:
    """Lets one line through per subject per minute."""

    def __init__(self) -> None:
        self._last: dict[str, float] = {}

    def __call__(self, subject: str) -> bool:
        """Whether this line may be written now."""
        now = time.monotonic()
        if now - self._last.get(subject, -LOG_EVERY_S) < LOG_EVERY_S:
            return False
        self._last[subject] = now
        return True


class Sender:
    """One thread, one producer. Only this thread touches the network; a broken producer is replaced, never reused."""

    def __init__(
        self, bootstrap: str | Sequence[str], buffer: Buffer, client_id: str, options: Mapping[str, Any]
    ) -> None:
        self._settings = {**PRODUCER, **options, "bootstrap_servers": bootstrap, "client_id": client_id}
        self._buffer = buffer
        self._may_log = Throttle()
        self._producer: Any = None
        self._suspect = False
        self._refused = 0
        self._idle_looks = 0
        self._missing: dict[str, float] = {}
        self._deadline: float | None = None
        self._thread: threading.Thread | None = None
        self._starting = threading.Lock()

    def start(self) -> None:
        """Start the thread, once."""
        with self._starting:
            if self._thread is None:
                thread = threading.Thread(target=self._run, name="shadow-tap", daemon=True)
                thread.start()
                self._thread = thread

    def stop(self, timeout_s: float) -> None:
        """Ask the thread to send what waits and end within ``timeout_s``; returns at once."""
        self._deadline = time.monotonic() + timeout_s
        self._buffer.ring()

    def join(self, timeout_s: float) -> None:
        """Wait for the thread's end."""
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(timeout_s)

    def forked(self) -> None:
        """In a forked child: leave the parent's producer and its sockets alone, begin anew."""
        if self._producer is not None:
            self._producer._closed = True  # noqa: SLF001 - its finaliser would wait for a thread that is not here
        self._producer = None
        self._thread = None
        self._starting = threading.Lock()
        self._suspect = False
        self._missing = {}

    def _run(self) -> None:
        while not self._over():
            try:
                self._round()
            except Exception:  # noqa: BLE001 - the thread must outlive every fault of the client
                self._warn("sender", "the sender failed and goes on with a new connection", exc_info=True)
                self._suspect = True
                self._buffer.wait(1.0, for_records=False)
        self._close_producer()

    def _over(self) -> bool:
        if self._deadline is None:
            return False
        return self._buffer.records == 0 or time.monotonic() >= self._deadline

    def _round(self) -> None:
        if self._suspect:
            self._close_producer()
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
            self._buffer.wait(60.0)

    def _connect(self) -> bool:
        """One producer, however long that takes. False if it is time to end."""
        wait_s = RETRY_S[0]
        while not self._over():
            try:
                self._producer = KafkaProducer(**self._settings)
                unregister_exit = getattr(self._producer, "_unregister_cleanup", None)
                if unregister_exit:
                    unregister_exit()  # the Tap closes it at exit, after sending what waits
            except Exception as error:  # noqa: BLE001 - the client raises many kinds, and all mean: not now
                self._warn(
                    "connect", f"no broker at {self._settings['bootstrap_servers']!r} ({error!s:.200}); records wait"
                )
                self._buffer.wait(wait_s, for_records=False)
                wait_s = min(2 * wait_s, RETRY_S[1])
            else:
                self._suspect = False
                self._missing.clear()
                return True
        return False

    def _close_producer(self) -> None:
        producer, self._producer, self._suspect = self._producer, None, False
        if producer is not None:
            left_s = 1.0 if self._deadline is None else self._deadline - time.monotonic()
            _end(producer, max(left_s, 0.0))

    def _send_waiting(self) -> bool:
        """Hand on what waits, as far as there is room. False if nothing could be handed on."""
        handed = 0
        for topic in self._buffer.topics():
            if time.monotonic() < self._missing.get(topic, 0.0):
                continue
            while self._room() and not self._suspect and (item := self._buffer.take(topic)) is not None:
                if not self._send(item):
                    break
                handed += 1
                if handed % CHUNK == 0:
                    time.sleep(PAUSE_S)
        return handed > 0

    def _room(self) -> bool:
        return self._buffer.in_flight < IN_FLIGHT_RECORDS and self._buffer.in_flight_bytes < IN_FLIGHT_BYTES

    def _send(self, item: Item) -> bool:
        """Hand one record to the producer. False if its topic cannot take records now."""
        number, topic, key, value = item
        size = size_of(key, value)
        try:
            future = self._producer.send(topic, value=value, key=key)
        except (KafkaTimeoutError, UnknownTopicOrPartitionError) as error:
            self._buffer.put_back(item)
            self._missing[topic] = time.monotonic() + MISSING_S
            self._warn(topic, f"{topic} cannot be reached or does not exist ({error!s:.200}); records wait")
            return False
        except MessageSizeTooLargeError:
            self._buffer.resolve(size, "too_large")
            return True
        except Exception as error:  # noqa: BLE001 - the producer is broken: the record waits for the next one
            self._suspect = True
            if self._refused == number:  # by two producers: it would stop those behind it for ever
                self._buffer.resolve(size, "delivery_failed")
            else:
                self._refused = number
                self._buffer.put_back(item)
            self._warn("send", f"the producer failed ({error!r:.200}) and is replaced")
            return False
        future.add_callback(self._delivered, size)
        future.add_errback(self._failed, size)
        return True

    def _delivered(self, size: int, _metadata: Any) -> None:
        self._buffer.resolve(size)

    def _failed(self, size: int, error: Any) -> None:
        self._buffer.resolve(size, "delivery_failed")
        self._suspect = True
        self._warn("delivery", f"records were not delivered ({error!r:.200}); they are counted as delivery_failed")

    def _warn(self, subject: str, text: str, *, exc_info: bool = False) -> None:
        with contextlib.suppress(Exception):  # a log filter of production's that raises must not end the thread
            if self._may_log(subject):
                LOG.warning("shadow tap: %s", text, exc_info=exc_info)


def _end(producer: Any, timeout_s: float) -> None:
    """Close a producer for good: what it could not deliver fails now, so that nothing of it arrives later."""
    try:
        producer.close(timeout=timeout_s)
    except Exception:  # noqa: BLE001 - kafka-python leaves its thread running if the flush within close times out
        producer._sender.force_close()  # noqa: SLF001 - there is no public way to give up
        producer._sender.join(timeout_s)  # noqa: SLF001
        producer._closed = True  # noqa: SLF001
