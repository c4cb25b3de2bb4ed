"""Calls of a Kafka client that end in time, whatever the library does: each is made on a thread of the client's own.

kafka-python 3.0.12 waits without limit for its own event loop (:mod:`shadow.hang_watch`), in a constructor and in
``close`` too. A call that does not come back is left behind with its thread, which holds up nobody's exit; should it
come back after all, its client is closed then.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from typing import Any, Final

from shadow.hang_watch import HANG_S

CLOSE_S: Final = 5.0
"""To take leave of a broker, for which nobody need wait."""


class HangsError(OSError):
    """A call that did not come back; its client must not be used again."""


class Caller:
    """A thread that makes one call after the other, for somebody who does not wait longer than he says."""

    def __init__(self) -> None:
        self._calls: queue.SimpleQueue[tuple[Callable[[], Any], Future[Any]] | None] = queue.SimpleQueue()
        self.hangs = False
        threading.Thread(target=self._make_calls, name="kafka-calls", daemon=True).start()

    def __call__(self, work: Callable[[], Any], seconds: float) -> Any:
        """What ``work`` returns or raises. Raises :class:`HangsError` if that takes longer."""
        if self.hangs:
            raise HangsError("an earlier call of this client has not come back")
        result: Future[Any] = Future()
        self._calls.put((work, result))
        try:
            return result.result(seconds)
        except TimeoutError:
            if result.done():  # the work's own time-out, or it came at the last moment
                return result.result()
            self.hangs = True
            raise HangsError(f"a call has not come back for {seconds:g} s") from None

    def later(self, work: Callable[[], Any]) -> None:
        """Make this call too, once the others have come back; nobody waits for it."""
        self._calls.put((work, Future()))

    def end(self) -> None:
        """Let the thread end after what it does now."""
        self._calls.put(None)

    def _make_calls(self) -> None:
        while (call := self._calls.get()) is not None:
            work, result = call
            try:
                result.set_result(work())
            except BaseException as error:  # noqa: BLE001 (it is raised where the call was made)
                result.set_exception(error)
            del work, result, call  # a client that nobody uses any more must not be kept by its last call


class Bounded:
    """A client whose constructor, ``make``, may take ``seconds``, and each of whose methods :data:`HANG_S`.

    What a method's own ``timeout_ms`` allows comes on top. Attributes that are no methods are the client's.
    """

    def __init__(self, make: Callable[[], Any], seconds: float) -> None:
        self._caller = Caller()
        self._client: Any = None
        try:
            self._caller(partial(self._make, make), seconds)
        except BaseException:
            self._caller.later(self._close)
            self._caller.end()
            raise

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._client, name)
        if not callable(found):
            return found

        def call(*given: Any, **named: Any) -> Any:
            seconds = HANG_S + (named.get("timeout_ms") or 0) / 1000
            return self._caller(lambda: found(*given, **named), seconds)

        return call

    def released(self) -> Any:
        """The client itself: from now on nothing bounds its calls."""
        self._caller.end()
        return self._client

    def close(self) -> None:
        """Close the client, or leave it behind if it hangs."""
        try:
            self._caller(self._close, CLOSE_S)
        except HangsError:
            self._caller.later(self._close)
        self._caller.end()

    def _make(self, make: Callable[[], Any]) -> None:
        self._client = make()

    def _close(self) -> None:
        if self._client is not None:
            self._client.close()
