"""An arm that is any HTTP service: a turn is posted as JSON, and the reply comes back as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import orjson

from shadow.adapters.base import AdapterConfigError, Answer, ProviderError
from shadow.adapters.endpoint import Endpoint, key
from shadow.adapters.event_stream import EventStream, parsed, raise_error
from shadow.adapters.openai import NEVER_SENT, OF_TOOLS
from shadow.config import Arm, HTTPAdapter
from shadow.events import Turn

SENT: Final = frozenset({"turn_id", "conversation_id", "turn_index", "messages", "response_format", "metadata"})
"""Fields of the turn that travel as they are; ``tools`` and ``params`` travel too, as the arm may see them."""


class JSONService:
    """``POST {url}`` with the turn; the service answers ``{content, tool_calls, finish_reason, model, usage}``.

    One of the first two is needed. ``content`` is text, ``tool_calls`` are as in OpenAI's format, ``usage`` is
    ``{input_tokens, output_tokens}``.
    """

    def __init__(self, arm: Arm, *, environ: Mapping[str, str]) -> None:
        if not isinstance(arm.adapter, HTTPAdapter):
            raise AdapterConfigError(f"arm {arm.name!r}: adapter.type is {arm.adapter.type!r}; use 'http'")
        self._arm = arm
        self._adapter = arm.adapter
        own = key(arm, arm.adapter.api_key_env, environ)
        self._endpoint = Endpoint(arm, arm.adapter.url, {"Authorization": f"Bearer {own}"} if own else {})

    async def answer(self, turn: Turn) -> Answer:
        """The arm's answer, asked once. Raises :class:`~shadow.adapters.AdapterError`."""
        stream = _Whole(self._arm.limits.max_reply_bytes)
        return await self._endpoint.ask(self._body(turn), stream, provider=self._arm.name, model=self._arm.name)

    async def close(self) -> None:
        """Close the connections."""
        await self._endpoint.close()

    def _body(self, turn: Turn) -> bytes:
        record = self._arm.tools == "record" and bool(turn.tools)
        dropped = NEVER_SENT if record else NEVER_SENT | OF_TOOLS
        sent = turn.model_dump(mode="json", include=set(SENT), exclude_none=True)
        sent["params"] = {name: value for name, value in turn.params.items() if name not in dropped}
        sent["tools"] = turn.tools if record else []
        return orjson.dumps({**sent, "settings": self._adapter.settings})


class _Whole(EventStream):
    """The service's one JSON object."""

    streams = False

    def whole(self, body: bytes) -> None:
        """Take the reply in. Raises :class:`ProviderError` if it says nothing."""
        self._event(parsed(body))
        self.first_token = False

    def _event(self, event: dict[str, Any]) -> None:
        raise_error(event)
        calls = event.get("tool_calls")
        if not isinstance(event.get("content"), str) and not isinstance(calls, list):
            raise ProviderError("the reply has neither 'content' (text) nor 'tool_calls' (list)", retryable=False)
        self._named(event)
        if isinstance(usage := event.get("usage"), dict):
            self._tokens = {"input": usage.get("input_tokens"), "output": usage.get("output_tokens")}
        self._say(event.get("content"))
        for index, call in enumerate(calls if isinstance(calls, list) else ()):
            function = call.get("function") if isinstance(call, dict) else None
            if not isinstance(function, dict):
                raise ProviderError(f"tool_calls.{index} has no 'function'", retryable=False)
            given = function.get("arguments")
            arguments = orjson.dumps(given).decode() if isinstance(given, dict) else given
            self._call(index, id_=call.get("id"), name=function.get("name"), arguments=arguments)
        self._ended(event.get("finish_reason") or ("tool_calls" if self._calls else "stop"))
        self.done = True
