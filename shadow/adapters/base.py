"""The adapters' protocol, what they return and what they raise; the contents page is the package's own."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, Protocol, runtime_checkable

from shadow.events import FailureKind, GenAI, Message, Turn

MAX_DETAIL: Final = 300


@dataclass(frozen=True, slots=True)
class Answer:
    """What an arm answered, as far as the adapter knows it; the mirror adds latency, cost and attempts.

    ``finish_reason`` stands in ``gen_ai.finish_reasons`` too. ``truncated_by_limit``: the arm would have gone on, but
    the reply was cut at ``limits.max_reply_bytes``; its finish reason is then ``length``. ``latency_s`` is of recorded
    answers alone: what it took when it was given.
    """

    message: Message
    finish_reason: str | None = None
    time_to_first_token_s: float | None = None
    gen_ai: GenAI = field(default_factory=GenAI)
    truncated_by_limit: bool = False
    latency_s: float | None = None


@runtime_checkable
class Adapter(Protocol):
    """Asks an arm. One instance per arm, used by many tasks of one event loop at once."""

    async def answer(self, turn: Turn) -> Answer:
        """The arm's answer to ``turn``, asked once. Raises :class:`AdapterError`.

        The caller bounds the time: cancelling it abandons the call.
        """
        ...

    async def close(self) -> None:
        """Give back connections and threads. An adapter is not used after it."""
        ...


class AdapterError(Exception):
    """The arm did not answer. ``detail`` is for people, ``kind`` goes into the reply."""

    def __init__(self, kind: FailureKind, detail: str, *, retryable: bool, retry_after_s: float | None = None) -> None:
        super().__init__(f"{kind}: {detail[:MAX_DETAIL]}")
        self.kind: FailureKind = kind
        self.detail = detail[:MAX_DETAIL]
        self.retryable = retryable
        self.retry_after_s = retry_after_s


class ProviderError(AdapterError):
    """The arm's server failed or said something that is no answer."""

    def __init__(self, detail: str, *, retryable: bool, retry_after_s: float | None = None) -> None:
        super().__init__("provider_error", detail, retryable=retryable, retry_after_s=retry_after_s)


class RateLimited(AdapterError):  # noqa: N818 - named as the failure kind is
    """The arm asks to be left alone, for ``retry_after_s`` seconds if it said so."""

    def __init__(self, detail: str, *, retry_after_s: float | None = None) -> None:
        super().__init__("rate_limited", detail, retryable=True, retry_after_s=retry_after_s)


class ReplyTimeout(AdapterError):  # noqa: N818 - named as the failure kind is
    """No whole reply in time."""

    def __init__(self, detail: str) -> None:
        super().__init__("timeout", detail, retryable=True)


class AdapterConfigError(ValueError):
    """An arm whose configuration cannot be used; the text names arm, field or variable, and the fix."""
