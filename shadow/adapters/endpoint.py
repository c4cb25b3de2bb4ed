"""An address that an arm is asked at: one connection pool, bounded reading, every failure an :class:`AdapterError`."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Mapping
from dataclasses import replace
from email.utils import parsedate_to_datetime
from typing import Final

import aiohttp

from shadow.adapters.base import AdapterConfigError, AdapterError, Answer, ProviderError, RateLimited, ReplyTimeout
from shadow.adapters.event_stream import MAX_LINE_BYTES, EventStream, error_text
from shadow.config import Arm

JSON: Final = "application/json"
RATE_LIMITED: Final = 429
TIMED_OUT: Final = frozenset({408, 504})
OK: Final = 200
SERVER_ERROR: Final = 500
ERROR_BYTES: Final = 4_000
LINGER_S: Final = 0.02  # how long the body's end may come after the reply's for the connection to be kept


class Endpoint:
    """``POST url``; one connection pool per arm. Only the headers given here travel."""

    def __init__(self, arm: Arm, url: str, headers: Mapping[str, str]) -> None:
        self._arm = arm
        self._url = url
        self._headers = {"Content-Type": JSON, "Accept-Encoding": "identity", **headers}
        self._limit = arm.limits.max_reply_bytes
        self._session: aiohttp.ClientSession | None = None

    async def ask(self, body: bytes, stream: EventStream, *, provider: str, model: str) -> Answer:
        """What ``stream`` makes of the response, asked once. Raises :class:`~shadow.adapters.AdapterError`."""
        session = self._session or self._open()
        try:
            first_s = await self._read(session, body, stream)
        except AdapterError:
            raise
        except TimeoutError as error:
            raise ReplyTimeout(f"no whole reply within {self._arm.limits.timeout_s:g} s") from error
        except (aiohttp.ClientPayloadError, aiohttp.ClientConnectionError, OSError) as error:
            raise ProviderError(f"connection: {error!r}", retryable=True) from error
        except (aiohttp.ClientError, ValueError) as error:
            raise ProviderError(f"not HTTP as expected: {error!r}", retryable=False) from error
        answer = stream.answer(provider, model)
        return answer if first_s is None else replace(answer, time_to_first_token_s=first_s)

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

    async def _read(self, session: aiohttp.ClientSession, body: bytes, stream: EventStream) -> float | None:
        """Read the response into ``stream``; returns the time to the first token, if the reply streamed."""
        sent = time.monotonic()
        first_s: float | None = None
        async with session.post(self._url, data=body, allow_redirects=False) as response:
            if response.status != OK:
                raise await _refusal(response)
            if response.content_type == JSON or not stream.streams:
                await self._whole(response, stream)
            else:
                async for data in response.content.iter_any():
                    stream.feed(data)
                    if first_s is None and stream.first_token:
                        first_s = time.monotonic() - sent
                    if stream.done:
                        break
                stream.end()
                await _leave(response, stream)
        return first_s

    async def _whole(self, response: aiohttp.ClientResponse, stream: EventStream) -> None:
        """A server that does not stream: one JSON object, bounded before it is parsed."""
        limit = MAX_LINE_BYTES + 2 * self._limit  # escapes and what else stands in it are not the reply's size
        body = await _up_to(response, limit + 1)
        if len(body) > limit:
            response.close()
            stream.cut()
        else:
            stream.whole(body)


def key(arm: Arm, variable: str | None, environ: Mapping[str, str]) -> str | None:
    """The arm's own key, from the variable that its adapter names. Raises :class:`AdapterConfigError`."""
    if variable is None:
        return None
    found = environ.get(variable, "").strip()
    if not found or not found.isprintable():
        state = "is not printable text" if found else "is not set"
        raise AdapterConfigError(
            f"arm {arm.name!r}: adapter.api_key_env names ${variable}, which {state}; export {variable} with the arm's "
            f"own key, or remove api_key_env if the endpoint needs none"
        )
    return found


async def _leave(response: aiohttp.ClientResponse, stream: EventStream) -> None:
    """Keep the connection if the body ends now, as it does after the last event; else drop it."""
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


async def _up_to(response: aiohttp.ClientResponse, limit: int) -> bytes:
    data = bytearray()
    async for part in response.content.iter_any():
        data += part
        if len(data) >= limit:
            break
    return bytes(data[:limit])


async def _refusal(response: aiohttp.ClientResponse) -> AdapterError:
    """What a status other than 200 means."""
    try:
        text = error_text(await _up_to(response, ERROR_BYTES))
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
