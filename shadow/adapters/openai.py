"""An arm behind an endpoint that speaks OpenAI's chat completions, asked in streaming mode."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import orjson

from shadow.adapters.base import AdapterConfigError, Answer
from shadow.adapters.endpoint import Endpoint, key
from shadow.adapters.reply_stream import ReplyStream
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


class OpenAIChat:
    """``POST {base_url}/chat/completions``. Only the arm's own key and settings travel."""

    def __init__(self, arm: Arm, *, environ: Mapping[str, str]) -> None:
        if not isinstance(arm.adapter, OpenAIAdapter):
            raise AdapterConfigError(f"arm {arm.name!r}: adapter.type is {arm.adapter.type!r}; use 'openai'")
        self._arm = arm
        self._adapter = arm.adapter
        headers = {"Accept": "text/event-stream"}
        if own := key(arm, arm.adapter.api_key_env, environ):
            headers["Authorization"] = f"Bearer {own}"
        self._endpoint = Endpoint(arm, f"{arm.adapter.base_url.rstrip('/')}/chat/completions", headers)

    async def answer(self, turn: Turn) -> Answer:
        """The arm's answer, asked once. Raises :class:`~shadow.adapters.AdapterError`."""
        stream = ReplyStream(self._arm.limits.max_reply_bytes)
        return await self._endpoint.ask(
            self._body(turn), stream, provider=self._adapter.provider, model=self._adapter.model
        )

    async def close(self) -> None:
        """Close the connections."""
        await self._endpoint.close()

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
