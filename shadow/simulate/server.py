"""An OpenAI-compatible HTTP server whose models are the simulated ones: what candidates and production are asked at.

``POST /v1/chat/completions`` (streaming or not), ``GET /v1/models``, ``GET /healthz``, and ``GET`` or ``PUT /faults``,
a JSON map model -> {fault: rate} that replaces the one before. It listens on the loopback unless told otherwise, and
checks no key.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from itertools import count
from typing import Any, Final

import orjson
from aiohttp import web

from shadow.simulate import JUDGES, MODELS, faults, judges, models, wire
from shadow.simulate.faults import DEFAULT_RATES, Rates
from shadow.simulate.scripted import Scripted

HOST: Final = "127.0.0.1"
MAX_BODY: Final = 4_000_000
JSON: Final = "application/json"
OK: Final = 200
NAMES: Final = (*MODELS, *JUDGES)
TOO_MANY: Final = 429
TOO_LARGE: Final = 413

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Server:
    """The handlers and their state. ``latency`` scales the models' own latency, 0 for none; faults' delays stay.

    Requests without a ``seed`` get the next one of a stream that ``seed`` starts: asking twice gives other words.
    """

    def __init__(self, *, latency: float = 1.0, seed: int = 0, rates: dict[str, Rates] | None = None) -> None:
        self._latency = latency
        self._seed = seed
        self._rates: dict[str, Rates] = dict(DEFAULT_RATES if rates is None else rates)
        self._samples = random.Random(seed)
        self._numbers = count(1)

    def app(self) -> web.Application:
        """The application with its routes."""
        app = web.Application(client_max_size=MAX_BODY, middlewares=[_shaped])
        app.router.add_post("/v1/chat/completions", self.chat)
        app.router.add_get("/v1/models", self.list_models)
        app.router.add_get("/healthz", self.healthz)
        app.router.add_get("/faults", self.get_faults)
        app.router.add_put("/faults", self.put_faults)
        return app

    async def chat(self, request: web.Request) -> web.StreamResponse:
        """One chat completion."""
        ask = wire.ask(await request.read(), NAMES)
        seed = self._samples.getrandbits(32) if ask.seed is None else ask.seed
        if ask.model in JUDGES:
            reply = judges.answer(ask.model, ask.messages)
        else:
            reply = models.answer(
                ask.model, ask.messages, seed=seed, tools=ask.tools, response_format=ask.response_format
            )
        reply = wire.limited(reply, ask.max_tokens)
        rates = self._rates.get(ask.model)
        if rates:
            reply = faults.apply(reply, rates, model=ask.model, seed=self._seed, now_s=time.monotonic())
        if reply.status != OK:
            return _failed(reply)
        await _wait(reply.delay_s + reply.first_token_s * self._latency)
        rest_s = (reply.latency_s - reply.first_token_s) * self._latency
        if ask.stream:
            return await self._stream(request, ask, reply, rest_s)
        return await self._whole(request, ask, reply, rest_s)

    async def _whole(self, request: web.Request, ask: wire.Ask, reply: Scripted, rest_s: float) -> web.StreamResponse:
        await _wait(rest_s)
        body = wire.completion(reply, ask.model, next(self._numbers), int(time.time()))
        if not reply.disconnect:
            return web.Response(body=body, content_type=JSON)
        response = web.StreamResponse(headers={"Content-Type": JSON, "Content-Length": str(len(body))})
        await response.prepare(request)
        await response.write(body[: len(body) // 2])
        return _hang_up(request, response)

    async def _stream(self, request: web.Request, ask: wire.Ask, reply: Scripted, rest_s: float) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream", "Cache-Control": "no-cache"})
        number, created = next(self._numbers), int(time.time())
        events = list(wire.chunks(reply, ask.model, number, created, include_usage=ask.include_usage))
        if reply.disconnect:
            events = events[: max(1, len(events) // 2)]
        await response.prepare(request)
        if rest_s > 0:
            for event in events:
                await response.write(event)
                await asyncio.sleep(rest_s / len(events))
        else:
            await response.write(b"".join(events))
        if reply.disconnect:
            return _hang_up(request, response)
        await response.write_eof()
        return response

    async def list_models(self, _: web.Request) -> web.Response:
        """The simulated models."""
        return web.Response(body=wire.models(NAMES), content_type=JSON)

    async def healthz(self, _: web.Request) -> web.Response:
        """Answers as soon as the server does."""
        return web.Response(text="ok\n")

    async def get_faults(self, _: web.Request) -> web.Response:
        """The faults that are on, and those that there are."""
        return web.Response(body=orjson.dumps(self._rates), content_type=JSON)

    async def put_faults(self, request: web.Request) -> web.Response:
        """Replace the whole map; an empty one switches all faults off."""
        try:
            wanted: Any = orjson.loads(await request.read())
        except orjson.JSONDecodeError as error:
            raise wire.BadRequestError(f"not JSON: {error}") from None
        if wrong := faults.problems(wanted, NAMES):
            raise wire.BadRequestError("; ".join(wrong))
        self._rates = wanted
        return await self.get_faults(request)


async def start(server: Server, port: int, *, host: str = HOST) -> tuple[web.AppRunner, int]:
    """Serve on ``host``; the runner and the port (0 takes a free one). Raises :class:`OSError` if it is taken."""
    # a client that has given up ends its handler: a hanging reply must not stay for two minutes
    runner = web.AppRunner(server.app(), handler_cancellation=True, access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port, backlog=1024).start()
    except OSError:
        await runner.cleanup()
        raise
    return runner, int(runner.addresses[0][1])


async def _wait(seconds: float) -> None:
    if seconds > 0:
        await asyncio.sleep(seconds)


def _hang_up(request: web.Request, response: web.StreamResponse) -> web.StreamResponse:
    if request.transport is not None:
        request.transport.close()  # after what is buffered: the client has seen half
    return response


def _failed(reply: Scripted) -> web.Response:
    if reply.status == TOO_MANY:
        body = wire.error("Rate limit reached (simulated)", "rate_limit_error", code="rate_limit_exceeded")
        headers = {"Retry-After": str(reply.retry_after_s or 1)}
        return web.Response(status=TOO_MANY, body=body, content_type=JSON, headers=headers)
    body = wire.error("The server had an error (simulated)", "server_error")
    return web.Response(status=reply.status, body=body, content_type=JSON)


@web.middleware
async def _shaped(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Every refusal in OpenAI's shape, the framework's own included."""
    try:
        return await handler(request)
    except wire.BadRequestError as error:
        body = wire.error(str(error), "invalid_request_error", error.param, error.code)
        return web.Response(status=error.status, body=body, content_type=JSON)
    except web.HTTPException as error:
        text = f"the body is larger than {MAX_BODY} bytes" if error.status == TOO_LARGE else error.reason
        text = f"{text} ({request.method} {request.path})"
        return web.Response(status=error.status, body=wire.error(text, "invalid_request_error"), content_type=JSON)
