"""The Tap: a few microseconds on the caller's thread to check and queue; a thread of its own does the rest."""

from __future__ import annotations

import atexit
import os
import time
import weakref
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import partial
from types import TracebackType
from typing import Any, Final, Self

from shadow import topology
from shadow.tap import wire
from shadow.tap.buffer import Buffer
from shadow.tap.call import Call
from shadow.tap.fields import RefusedError
from shadow.tap.redaction import redaction_for
from shadow.tap.sender import Sender, TapStats
from shadow.tap.throttle import LOG, Throttle

MIB: Final = 1024 * 1024
EXIT_S: Final = 5.0


class Tap:
    """Writes production's turns, replies and outcomes to Kafka; production never waits, blocks or fails because of it.

    No method but :meth:`flush` and :meth:`close` blocks, and none raises. Memory is bounded by ``max_queue_bytes`` and
    ``max_queue_records`` (what is in flight to the broker included); the oldest records are dropped first, and every
    drop is counted by reason: ``queue_full``, ``too_large``, ``invalid``, ``not_redacted``, ``unsure``,
    ``delivery_failed``, ``closed``. The broker may be absent, slow or dead at any time. Thread-safe; a forked child
    gets a thread and a queue of its own. ``kafka`` holds further settings of kafka-python's producer, such as
    ``security_protocol``.

    ``redaction`` is ``off``, ``on`` or ``strict``; without it ``$SHADOW_TAP_REDACTION`` says so, else it is off.
    Personal data is then replaced before a record is sent, with the key in the environment variable that
    ``redaction_key_env`` names. A setting that cannot be used raises nothing: no record is sent (``not_redacted``).
    """

    def __init__(
        self,
        bootstrap: str | Sequence[str],
        *,
        max_queue_bytes: int = 64 * MIB,
        max_queue_records: int = 100_000,
        max_record_bytes: int = topology.MAX_RECORD_BYTES,
        client_id: str = "shadow-tap",
        kafka: Mapping[str, Any] | None = None,
        redaction: str | None = None,
        redaction_key_env: str = "SHADOW_TAP_KEY",
    ) -> None:
        self._max_record_bytes = max_record_bytes
        self._redaction = redaction_for(redaction, redaction_key_env, os.environ)
        self._may_log = Throttle()
        self._buffer = Buffer(max_queue_bytes, max_queue_records)
        prepare = None if self._redaction is None else partial(self._redaction.apply, limit=max_record_bytes)
        options = {"max_request_size": 4 * MIB, **(kafka or {})}
        self._sender = Sender(bootstrap, self._buffer, client_id, options, prepare)
        self._started = False
        _TAPS.add(self)

    def turn(
        self,
        *,
        conversation_id: str,
        messages: Sequence[Any],
        turn_id: str | None = None,
        turn_index: int | None = None,
        tools: Sequence[Any] | None = None,
        response_format: Any = None,
        params: Mapping[str, Any] | None = None,
        metadata: Mapping[str, str] | None = None,
        gen_ai: Mapping[str, Any] | None = None,
        trace_id: str | None = None,
        known: Sequence[str] = (),
    ) -> str:
        """Record what production's model is given now; the turn's id (``{conversation_id}:{turn_index}`` if not given).

        ``turn_index`` is how many customer turns came before; without it, the customer's messages before the last one
        are counted. ``messages`` and ``tools`` are in OpenAI chat format: dicts, or objects with ``model_dump``. They
        may be changed as soon as this returns. ``known`` are names and addresses, the customer's own for one, that
        redaction is to replace too.
        """
        extra = {
            "tools": tools,
            "response_format": response_format,
            "params": params,
            "metadata": metadata,
            "gen_ai": gen_ai,
            "trace_id": trace_id,
        }
        name = ""
        try:
            index = wire.turn_index(messages) if turn_index is None else turn_index
            name = turn_id if turn_id is not None else f"{conversation_id}:{index}"
            record = wire.turn((conversation_id, name), index, messages, time.time(), extra)
            self._put(topology.TURNS, record, known)
        except Exception as error:  # noqa: BLE001 - never raises into production
            self._refused("turn", error)
        return name

    def reply(
        self,
        *,
        conversation_id: str,
        turn_id: str,
        message: Any = None,
        failure: tuple[str, str] | None = None,
        latency_s: float | None = None,
        time_to_first_token_s: float | None = None,
        cost_usd: float | None = None,
        gen_ai: Mapping[str, Any] | None = None,
        occurred_at: float | None = None,
        known: Sequence[str] = (),
    ) -> None:
        """Record what production answered: text, a message, or a failure ``(kind, detail)``; neither: ``empty``."""
        extra = {
            "latency_s": latency_s,
            "time_to_first_token_s": time_to_first_token_s,
            "cost_usd": cost_usd,
            "gen_ai": gen_ai,
        }
        try:
            at = time.time() if occurred_at is None else occurred_at
            record = wire.reply((conversation_id, turn_id), message, failure, at, extra)
            self._put(topology.REPLIES, record, known)
        except Exception as error:  # noqa: BLE001 - never raises into production
            self._refused("reply", error)

    def outcome(
        self,
        *,
        conversation_id: str,
        turn_id: str,
        name: str,
        value: float | str,
        arm: str = wire.PRODUCTION,
        outcome_id: str | None = None,
    ) -> None:
        """Record what became of a turn: solved, rated, escalated. ``outcome_id`` defaults to ``{turn_id}:{name}``."""
        try:
            identity = outcome_id if outcome_id is not None else f"{turn_id}:{name}"
            given = {"outcome_id": identity, "arm": arm, "name": name, "value": value}
            self._put(topology.OUTCOMES, wire.outcome((conversation_id, turn_id), given, time.time()))
        except Exception as error:  # noqa: BLE001 - never raises into production
            self._refused("outcome", error)

    def call(self, *, conversation_id: str, messages: Sequence[Any], **turn: Any) -> Call:
        """A block around one production call; takes what :meth:`turn` takes. See :class:`Call`."""
        return Call(self, conversation_id, {"messages": messages, **turn})

    def stats(self) -> TapStats:
        """What became of the records given until now."""
        buffer = self._buffer
        replaced = self._sender.clients_replaced
        return TapStats(buffer.records, buffer.bytes, buffer.sent, dict(buffer.dropped), replaced)

    def flush(self, timeout_s: float) -> bool:
        """Wait until nothing is queued or in flight. False if that took longer. Blocks: not for a request's path."""
        deadline = time.monotonic() + timeout_s
        while self._buffer.records:
            if time.monotonic() >= deadline:
                return False
            time.sleep(0.005)
        return True

    def close(self, timeout_s: float = EXIT_S) -> None:
        """Send what waits, for at most ``timeout_s``; the rest is counted as ``closed``. Later records are refused."""
        self._buffer.closed = True
        deadline = time.monotonic() + timeout_s
        self._sender.stop(timeout_s)
        self._sender.join(max(0.0, deadline - time.monotonic()))
        self._buffer.drop_waiting("closed")
        _TAPS.discard(self)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __del__(self) -> None:
        sender = getattr(self, "_sender", None)
        if sender is not None:
            sender.stop(EXIT_S)  # without waiting: this may be anyone's thread

    def _put(self, topic: str, record: dict[str, Any], known: Sequence[str] = ()) -> None:
        if self._redaction is not None and known:
            record["known"] = wire.known(known)  # redaction takes it out again
        value = wire.dump(record, self._max_record_bytes)
        if not self._started:
            self._sender.start()
            self._started = True
        reason = self._buffer.put(topic, record["conversation_id"].encode(), value)
        if reason is not None:
            self._warn(reason, f"{reason}: records are dropped, the oldest first; see stats()")

    def _refused(self, what: str, error: Exception) -> None:
        reason = error.reason if isinstance(error, RefusedError) else "invalid"
        self._buffer.drop(reason)
        text = str(error) if isinstance(error, RefusedError) else f"{type(error).__name__} while reading it"
        self._warn(reason, f"a {what} was not recorded ({reason}): {text}")

    def _warn(self, subject: str, text: str) -> None:
        with suppress(Exception):  # a broken log handler is production's, and must not fail its request here
            if self._may_log(subject):
                LOG.warning("shadow tap: %s", text)

    def _after_fork(self) -> None:
        self._buffer.forget()
        self._sender.forked()
        self._may_log = Throttle()
        self._started = False


_TAPS: weakref.WeakSet[Tap] = weakref.WeakSet()


def _close_all() -> None:
    """At exit: all Taps together take no longer than one."""
    deadline = time.monotonic() + EXIT_S
    for tap in list(_TAPS):
        tap.close(max(0.0, deadline - time.monotonic()))


def _forget_all() -> None:
    for tap in list(_TAPS):
        tap._after_fork()  # noqa: SLF001 - the module's own class


atexit.register(_close_all)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_all)
