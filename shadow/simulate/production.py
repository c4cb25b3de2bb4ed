"""Who answers the simulated customers: the simulated server over HTTP, or its model in this process."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

import aiohttp

from shadow.simulate import models, wire

MODEL: Final = "support-prod"
INPUT_USD_PER_MILLION: Final = 0.5
OUTPUT_USD_PER_MILLION: Final = 1.5
TIMEOUT_S: Final = 30.0
OK: Final = 200

Messages = Sequence[Mapping[str, Any]]


class ProductionError(Exception):
    """Production's endpoint refused or broke off; ``status`` is its HTTP status, ``None`` if it sent none."""

    def __init__(self, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True, slots=True)
class Answer:
    """What production said, with OpenTelemetry's GenAI attributes."""

    message: dict[str, Any]
    gen_ai: dict[str, Any]

    @property
    def cost_usd(self) -> float:
        """At the demo's prices."""
        asked: int = self.gen_ai["gen_ai.usage.input_tokens"]
        said: int = self.gen_ai["gen_ai.usage.output_tokens"]
        return (asked * INPUT_USD_PER_MILLION + said * OUTPUT_USD_PER_MILLION) / 1e6


class Production(Protocol):
    """Who answers the customers."""

    async def answer(
        self, messages: Messages, tools: Messages, *, seed: int, first_token: Callable[[], None]
    ) -> Answer:
        """The reply. Raises :class:`ProductionError`, :class:`TimeoutError` or :class:`aiohttp.ClientError`."""
        ...


class InProcess:
    """The simulated model itself, without latency and without HTTP: as fast as it goes."""

    async def answer(
        self, messages: Messages, tools: Messages, *, seed: int, first_token: Callable[[], None]
    ) -> Answer:
        """The model's reply, at once."""
        scripted = models.answer(MODEL, messages, seed=seed, tools=tools)
        first_token()
        number = f"{scripted.key}{seed}"
        return Answer(wire.message(scripted, number), _gen_ai(number, scripted.finish_reason, wire.usage(scripted)))


class Http:
    """The simulated server, asked in streaming mode so that the time to the first token is real."""

    def __init__(self, session: aiohttp.ClientSession, base_url: str) -> None:
        self._session = session
        self._url = f"{base_url.rstrip('/')}/chat/completions"

    async def answer(
        self, messages: Messages, tools: Messages, *, seed: int, first_token: Callable[[], None]
    ) -> Answer:
        """The streamed reply, put together."""
        body: dict[str, Any] = {"model": MODEL, "messages": messages, "seed": seed, "stream": True}
        body["stream_options"] = {"include_usage": True}
        if tools:
            body["tools"] = tools
        stream = _Stream()
        async with asyncio.timeout(TIMEOUT_S), self._session.post(self._url, json=body) as response:
            if response.status != OK:
                raise ProductionError(f"status {response.status}: {(await response.text())[:200]}", response.status)
            async for line in response.content:
                if stream.feed(line):
                    first_token()
        return stream.answer()


@dataclass(slots=True)
class _Stream:
    """Puts the events of a streamed reply together."""

    text: str = ""
    calls: dict[int, dict[str, Any]] = field(default_factory=dict)
    finish: str | None = None
    number: str = ""
    used: dict[str, int] = field(default_factory=dict)
    done: bool = False

    def feed(self, line: bytes) -> bool:
        """Take one line of the stream; whether it brought words or a call."""
        data = line.removeprefix(b"data: ").strip()
        if not data or data == b"[DONE]":
            self.done = self.done or bool(data)
            return False
        event = json.loads(data)
        self.number, self.used = event["id"], event.get("usage") or self.used
        for choice in event["choices"]:
            delta = choice["delta"]
            self.text += delta.get("content") or ""
            self.finish = choice.get("finish_reason") or self.finish
            for call in delta.get("tool_calls") or ():
                known = self.calls.setdefault(call["index"], {"type": "function", "function": {"arguments": ""}})
                known["id"] = call.get("id", known.get("id"))
                function = call["function"]
                known["function"]["name"] = function.get("name", known["function"].get("name"))
                known["function"]["arguments"] += function.get("arguments", "")
            return bool(delta.get("content") or delta.get("tool_calls"))
        return False

    def answer(self) -> Answer:
        """The whole reply. Raises :class:`ProductionError` if the stream broke off."""
        if not self.done:
            raise ProductionError("the stream ended before [DONE]")
        message: dict[str, Any] = {"role": "assistant", "content": self.text}
        if self.calls:
            message |= {"content": self.text or None, "tool_calls": [self.calls[n] for n in sorted(self.calls)]}
        return Answer(message, _gen_ai(self.number, self.finish, self.used))


def _gen_ai(number: str, finish: str | None, used: Mapping[str, int]) -> dict[str, Any]:
    return {
        "gen_ai.provider.name": "shadow.simulate",
        "gen_ai.request.model": MODEL,
        "gen_ai.response.model": MODEL,
        "gen_ai.response.id": number,
        "gen_ai.response.finish_reasons": [finish] if finish else [],
        "gen_ai.usage.input_tokens": used.get("prompt_tokens", 0),
        "gen_ai.usage.output_tokens": used.get("completion_tokens", 0),
    }
