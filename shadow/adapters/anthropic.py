"""An arm behind an endpoint that speaks Anthropic's messages, asked in streaming mode."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import orjson

from shadow.adapters.anthropic_request import body
from shadow.adapters.anthropic_stream import AnthropicStream
from shadow.adapters.base import AdapterConfigError, Answer
from shadow.adapters.endpoint import Endpoint, key
from shadow.config import AnthropicAdapter, Arm
from shadow.events import Turn

VERSION: Final = "2023-06-01"
PROVIDER: Final = "anthropic"


class AnthropicMessages:
    """``POST {base_url}/v1/messages``. Only the arm's own key and settings travel."""

    def __init__(self, arm: Arm, *, environ: Mapping[str, str]) -> None:
        if not isinstance(arm.adapter, AnthropicAdapter):
            raise AdapterConfigError(f"arm {arm.name!r}: adapter.type is {arm.adapter.type!r}; use 'anthropic'")
        self._arm = arm
        self._adapter = arm.adapter
        headers = {"Accept": "text/event-stream", "anthropic-version": VERSION}
        if own := key(arm, arm.adapter.api_key_env, environ):
            headers["x-api-key"] = own
        self._endpoint = Endpoint(arm, f"{arm.adapter.base_url.rstrip('/')}/v1/messages", headers)

    async def answer(self, turn: Turn) -> Answer:
        """The arm's answer, asked once. Raises :class:`~shadow.adapters.AdapterError`."""
        asked = orjson.dumps(body(turn, self._adapter, tools=self._arm.tools == "record"))
        stream = AnthropicStream(self._arm.limits.max_reply_bytes)
        return await self._endpoint.ask(asked, stream, provider=PROVIDER, model=self._adapter.model)

    async def close(self) -> None:
        """Close the connections."""
        await self._endpoint.close()
