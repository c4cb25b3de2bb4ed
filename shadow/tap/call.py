"""One production model call, timed and recorded: written as a turn on entry and as a reply on exit."""

from __future__ import annotations

import time
from collections.abc import Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self

if TYPE_CHECKING:
    from shadow.tap.client import Tap

TOO_MANY_REQUESTS: Final = 429
TIMEOUTS: Final = ("Timeout", "TimeoutError", "TimeoutException", "APITimeoutError", "DeadlineExceeded")


def failure_of(error: BaseException) -> tuple[str, str]:
    """Which failure kind an exception of production's call is, and what it says (capped)."""
    kind = "provider_error"
    if isinstance(error, TimeoutError) or type(error).__name__.endswith(TIMEOUTS):
        kind = "timeout"
    elif _status(error) == TOO_MANY_REQUESTS:
        kind = "rate_limited"
    try:
        text = str(error)[:300]
    except Exception:  # noqa: BLE001 - an exception of production may be broken too
        text = ""
    return kind, f"{type(error).__name__}: {text}"


def _status(error: BaseException) -> Any:
    for holder in (error, getattr(error, "response", None)):
        for name in ("status_code", "status", "code"):
            value = getattr(holder, name, None)
            if value is not None:
                return value
    return None


class Call:
    """What :meth:`Tap.call` gives: ``with`` or ``async with`` around the call, :meth:`reply` with its answer.

    An exception inside is recorded as production's failure and goes on unchanged. Leaving without :meth:`reply` is
    recorded as ``empty``. It does no input or output, so both forms do the same.
    """

    def __init__(self, tap: Tap, conversation_id: str, turn: Mapping[str, Any]) -> None:
        self._tap = tap
        self._conversation_id = conversation_id
        self._turn = turn
        self._started = time.monotonic()
        self._first_token_s: float | None = None
        self._answer: dict[str, Any] = {}
        self._ended: float | None = None
        self.turn_id = ""

    def first_token(self) -> None:
        """Mark the first token; only the first call counts."""
        if self._first_token_s is None:
            self._first_token_s = time.monotonic() - self._started

    def reply(self, message: Any, *, cost_usd: float | None = None, gen_ai: Any = None) -> None:
        """Production's answer, complete now; recorded when the block ends. A later call replaces it."""
        self._ended = time.monotonic()
        self._answer = {"message": message, "cost_usd": cost_usd, "gen_ai": gen_ai}

    def __enter__(self) -> Self:
        self.turn_id = self._tap.turn(conversation_id=self._conversation_id, **self._turn)
        self._started = time.monotonic()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        answer = dict(self._answer)
        if error is not None and answer.get("message") is None:
            try:
                answer["failure"] = failure_of(error)
            except Exception:  # noqa: BLE001 - never raises into production, whatever the exception is made of
                answer["failure"] = ("provider_error", type(error).__name__)
        self._tap.reply(
            conversation_id=self._conversation_id,
            turn_id=self.turn_id,
            latency_s=(self._ended or time.monotonic()) - self._started,
            time_to_first_token_s=self._first_token_s,
            known=self._turn.get("known", ()),
            **answer,
        )

    async def __aenter__(self) -> Self:
        return self.__enter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.__exit__(kind, error, trace)
