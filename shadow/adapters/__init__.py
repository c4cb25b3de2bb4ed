"""How arms are asked: one verb, ``answer``. An adapter asks once; retries, time-outs and budgets are the mirror's.

Raises on failure, always an :class:`AdapterError`::

    AdapterError                kind, detail, retryable, retry_after_s
    ├── ProviderError           provider_error: connection broken, 5xx (retryable), 4xx and nonsense (not)
    ├── RateLimited             rate_limited: 429, with Retry-After in seconds
    └── ReplyTimeout            timeout: no whole reply in time (retryable)
    AdapterConfigError          the arm's configuration cannot be used; raised by create, not while answering
"""

from __future__ import annotations

from collections.abc import Mapping

from shadow.adapters.base import (
    Adapter,
    AdapterConfigError,
    AdapterError,
    Answer,
    ProviderError,
    RateLimited,
    ReplyTimeout,
)
from shadow.config import AnthropicAdapter, Arm, HTTPAdapter, OpenAIAdapter

__all__ = [
    "Adapter",
    "AdapterConfigError",
    "AdapterError",
    "Answer",
    "ProviderError",
    "RateLimited",
    "ReplyTimeout",
    "create",
]


def create(arm: Arm, *, environ: Mapping[str, str]) -> Adapter:
    """The adapter that ``arm`` is configured with. Raises :class:`AdapterConfigError`; touches no network."""
    from shadow.adapters.anthropic import AnthropicMessages  # noqa: PLC0415 - the rooms import this page
    from shadow.adapters.callable import PythonCallable  # noqa: PLC0415
    from shadow.adapters.http import JSONService  # noqa: PLC0415
    from shadow.adapters.openai import OpenAIChat  # noqa: PLC0415

    if isinstance(arm.adapter, OpenAIAdapter):
        return OpenAIChat(arm, environ=environ)
    if isinstance(arm.adapter, AnthropicAdapter):
        return AnthropicMessages(arm, environ=environ)
    if isinstance(arm.adapter, HTTPAdapter):
        return JSONService(arm, environ=environ)
    return PythonCallable(arm, environ=environ)
