"""A message of Anthropic's format, streamed or whole, told in OpenAI's words.

Source: Anthropic's API reference, "Messages" and "Streaming messages" (version 2023-06-01).
"""

from __future__ import annotations

from typing import Any, Final

import orjson

from shadow.adapters.base import ProviderError
from shadow.adapters.event_stream import EventStream, parsed, raise_error

REASONS: Final = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "refusal": "content_filter",
}
"""Why a reply ends, in OpenAI's words; another reason is passed on as it is."""


class AnthropicStream(EventStream):
    """Reads text and tool-use blocks; thinking and other blocks are not what the customer sees."""

    def whole(self, body: bytes) -> None:
        """A body that is one ``message`` object: the server did not stream."""
        data = parsed(body)
        blocks = data.get("content")
        if not isinstance(blocks, list):
            raise_error(data)
            raise ProviderError(f"no content in {body[:100]!r}", retryable=False)
        self._event({"type": "message_start", "message": data})
        for index, block in enumerate(blocks):
            self._event({"type": "content_block_start", "index": index, "content_block": block})
            self._event({"type": "content_block_stop", "index": index})
        self._event({"type": "message_delta", "delta": data, "usage": data.get("usage")})
        self.done = True
        self.first_token = False  # all of it came at once: there was no first token to time

    def _event(self, event: dict[str, Any]) -> None:
        raise_error(event)
        match event.get("type"):
            case "message_start":
                message = _section(event, "message")
                self._named(message)
                self._count_tokens(message.get("usage"))
            case "content_block_start":
                self._block(event.get("index"), _section(event, "content_block"))
            case "content_block_delta":
                self._delta(event.get("index"), _section(event, "delta"))
            case "content_block_stop":
                self._close(event.get("index"))
            case "message_delta":
                self._count_tokens(event.get("usage"))
                reason = _section(event, "delta").get("stop_reason")
                self._ended(REASONS.get(reason, reason) if isinstance(reason, str) else None)
            case "message_stop":
                self.done = True

    def _delta(self, index: Any, delta: dict[str, Any]) -> None:
        if delta.get("type") == "text_delta":
            self._say(delta.get("text"))
        elif delta.get("type") == "input_json_delta":
            self._call(index, arguments=delta.get("partial_json"))

    def _close(self, index: Any) -> None:
        """A call that got no arguments has none: in JSON, an empty object."""
        call = self._calls.get(index) if type(index) is int else None
        if call and not any(call["arguments"]):
            call["arguments"] = ["{}"]

    def _block(self, index: Any, block: dict[str, Any]) -> None:
        if block.get("type") == "text":
            self._say(block.get("text"))
        elif block.get("type") == "tool_use":
            given = block.get("input")  # whole only where nothing streams; else the deltas bring it
            arguments = orjson.dumps(given).decode() if given else None
            self._call(index, id_=block.get("id"), name=block.get("name"), arguments=arguments)

    def _count_tokens(self, usage: Any) -> None:
        """Tokens that came from a cache or went into it are input too. Later counts replace earlier ones."""
        if not isinstance(usage, dict):
            return
        read = [usage.get(f"{kind}input_tokens") for kind in ("", "cache_creation_", "cache_read_")]
        counts = [count for count in read if type(count) is int]
        if counts:
            self._tokens["input"] = sum(counts)
        if "output_tokens" in usage:
            self._tokens["output"] = usage["output_tokens"]


def _section(event: dict[str, Any], name: str) -> dict[str, Any]:
    found = event.get(name)
    return found if isinstance(found, dict) else {}
