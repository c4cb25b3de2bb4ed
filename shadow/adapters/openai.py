"""An arm behind an endpoint that speaks OpenAI's chat completions, asked in streaming mode."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import Any, Final

import aiohttp
import orjson

from shadow.adapters.base import AdapterConfigError, AdapterError, Answer, ProviderError, RateLimited, ReplyTimeout
from shadow.adapters.reply_stream import ReplyStream, error_text
from shadow.config import Arm, OpenAIAdapter
from shadow.events import Turn

NEVER_SENT: Final = frozenset({
    # who the customer or the caller is
    "user", "safety_identifier", "prompt_cache_key", "metadata", "extra_headers", "extra_query", "extra_body",
    "api_key", "organization", "store",
    # what this adapter decides itself
    "model", "messages", "stream", "stream_options", "n", "tools", "functions", "timeout", "service_tier",
})  # fmt: skip
"""Parameters of the production call that no arm gets to see (P1), unless its own configuration sets them."""

OF_TOOLS: Final = frozenset({"tool_choice", "parallel_tool_calls", "function_call"})
RATE_LIMITED: Final = 429
TIMED_OUT: Final = frozenset({408, 504})
OK: Final = 200
SERVER_ERROR: Final = 500
ERROR_BYTES: Final = 4_000
LINGER_S: Final = 0.02  # how long the body's end may come after [DONE] for the connection to be kept


class OpenAIChat:
    """``POST {base_url}/chat/completions``; one connection pool per arm. Only the arm's own key and settings travel."""

    def __init__(self, arm: Arm, *, environ: Mapping[str, str]) -> None:
        if not isinstance(arm.adapter, OpenAIAdapter):
            raise AdapterConfigError(f"arm {arm.name!r}: adapter.type is {arm.adapter.type!r}; use 'openai'")
        self._arm = arm
        self._adapter = arm.adapter
        self._url = f"{arm.adapter.base_url.rstrip('/')}/chat/completions"
        self._headers = {
            "Content-Type": "application/json",
            "Accept": "text/event-stream",
            "Accept-Encoding": "identity",
        }
        self._headers |= _key(arm, environ)
        self._limit = arm.limits.max_reply_bytes
        self._session: aiohttp.ClientSession | None = None

    async def answer(self, turn: Turn) -> Answer:
        """The arm's answer, asked once. Raises :class:`~shadow.adapters.AdapterError`."""
        session = self._session or self._open()
        body = self._body(turn)
        try:
            return await self._ask(session, body)
        except AdapterError:
            raise
        except TimeoutError as error:
            raise ReplyTimeout(f"no whole reply within {self._arm.limits.timeout_s:g} s") from error
        except (aiohttp.ClientPayloadError, aiohttp.ClientConnectionError, OSError) as error:
            raise ProviderError(f"connection: {error!r}", retryable=True) from error
        except (aiohttp.ClientError, ValueError) as error:
            raise ProviderError(f"not HTTP as expected: {error!r}", retryable=False) from error

    async def close(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    def _open(self) -> aiohttp.ClientSession:
        """The session, made inside the event loop that uses it. No proxy, netrc, cookies or redirects of this host."""
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=self._arm.limits.max_in_flight, ttl_dns_cache=60),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=self._arm.limits.timeout_s),  # the caller bounds all
            cookie_jar=aiohttp.DummyCookieJar(),
            headers=self._headers,
            trust_env=False,
            auto_decompress=False,  # a few bytes could unpack to gigabytes
        )
        return self._session

    async def _ask(self, session: aiohttp.ClientSession, body: bytes) -> Answer:
        sent = time.monotonic()
        first: float | None = None
        async with session.post(self._url, data=body, allow_redirects=False) as response:
            if response.status != OK:
                raise await _refusal(response)
            stream = ReplyStream(self._limit)
            if response.content_type == "application/json":
                await self._whole(response, stream)
            else:
                async for data in response.content.iter_any():
                    stream.feed(data)
                    if first is None and stream.first_token:
                        first = time.monotonic() - sent
                    if stream.done:
                        break
                stream.end()
                await self._leave(response, stream)
        answer = stream.answer(self._adapter.provider, self._adapter.model)
        return answer if first is None else _timed(answer, first)

    async def _leave(self, response: aiohttp.ClientResponse, stream: ReplyStream) -> None:
        """Keep the connection if the body ends now, as it does after [DONE]; else drop it."""
        if stream.truncated:
            response.close()
        elif not response.content.at_eof():
            try:
                async with asyncio.timeout(LINGER_S):
                    left = await response.content.read(1)
            except (TimeoutError, aiohttp.ClientError):
                left = b"?"
            if left:
                response.close()

    async def _whole(self, response: aiohttp.ClientResponse, stream: ReplyStream) -> None:
        """A server that does not stream: one JSON object, bounded before it is parsed."""
        limit = 2 * self._limit + ERROR_BYTES
        body = await _read(response, limit + 1)
        if len(body) > limit:
            response.close()
            stream.cut()
        else:
            stream.whole(body)

    def _body(self, turn: Turn) -> bytes:
        """The request. The adapter's own params win over the turn's; tools are offered only if the arm records them."""
        record = self._arm.tools == "record" and bool(turn.tools)
        dropped = NEVER_SENT if record else NEVER_SENT | OF_TOOLS
        body: dict[str, Any] = {name: value for name, value in turn.params.items() if name not in dropped}
        if turn.response_format is not None:
            body["response_format"] = turn.response_format
        if record:
            body["tools"] = turn.tools
        body.update(self._adapter.params)
        body["model"] = self._adapter.model
        body["stream"] = True
        body["stream_options"] = {"include_usage": True}
        messages = turn.__pydantic_serializer__.to_json(turn, include={"messages"}, exclude_none=True)
        body["messages"] = orjson.Fragment(messages[len(b'{"messages":') : -1])
        return orjson.dumps(body)


def _timed(answer: Answer, first: float) -> Answer:
    return Answer(answer.message, answer.finish_reason, first, answer.gen_ai, answer.truncated_by_limit)


def _key(arm: Arm, environ: Mapping[str, str]) -> dict[str, str]:
    variable = arm.adapter.api_key_env if isinstance(arm.adapter, OpenAIAdapter) else None
    if variable is None:
        return {}
    key = environ.get(variable, "").strip()
    if not key or not key.isprintable():
        state = "is not printable text" if key else "is not set"
        raise AdapterConfigError(
            f"arm {arm.name!r}: adapter.api_key_env names ${variable}, which {state}; export {variable} with the arm's "
            f"own key, or remove api_key_env if the endpoint needs none"
        )
    return {"Authorization": f"Bearer {key}"}


async def _read(response: aiohttp.ClientResponse, limit: int) -> bytes:
    data = bytearray()
    async for part in response.content.iter_any():
        data += part
        if len(data) >= limit:
            break
    return bytes(data[:limit])


async def _refusal(response: aiohttp.ClientResponse) -> AdapterError:
    """What a status other than 200 means."""
    try:
        text = error_text(await _read(response, ERROR_BYTES))
    except (aiohttp.ClientError, TimeoutError, OSError):
        text = ""
    response.close()
    detail = f"HTTP {response.status}: {text}"
    wait_s = retry_after(response.headers.get("Retry-After"), time.time())
    if response.status == RATE_LIMITED:
        return RateLimited(detail, retry_after_s=wait_s)
    if response.status in TIMED_OUT:
        return ReplyTimeout(detail)
    return ProviderError(detail, retryable=response.status >= SERVER_ERROR, retry_after_s=wait_s)


def retry_after(value: str | None, now_s: float) -> float | None:
    """Seconds to wait by a ``Retry-After`` header (RFC 9110, 10.2.3: seconds or HTTP date); None if it says nothing."""
    if not value:
        return None
    try:
        wait_s = float(value)
    except ValueError:
        try:
            wait_s = parsedate_to_datetime(value).timestamp() - now_s
        except (ValueError, OverflowError):
            return None
    return max(wait_s, 0.0) if math.isfinite(wait_s) else None
