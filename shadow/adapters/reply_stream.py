"""A chat completion of OpenAI's format, streamed (``chat.completion.chunk`` events) or whole."""

from __future__ import annotations

from typing import Any

from shadow.adapters.base import ProviderError
from shadow.adapters.event_stream import EventStream, parsed, raise_error


class ReplyStream(EventStream):
    """Reads ``choices[0]``; the others are not asked for."""

    def whole(self, body: bytes) -> None:
        """A body that is one ``chat.completion`` object: the server did not stream."""
        data = parsed(body)
        choices = data.get("choices")
        choice = choices[0] if isinstance(choices, list) and choices and isinstance(choices[0], dict) else {}
        if not isinstance(choice.get("message"), dict):
            raise_error(data)
            raise ProviderError(f"no choices[0].message in {body[:100]!r}", retryable=False)
        self._event({**data, "choices": [{**choice, "delta": choice["message"]}]})
        self.first_token = False  # all of it came at once: there was no first token to time

    def _event(self, event: dict[str, Any]) -> None:
        if "error" in event:
            raise_error(event)
        self._named(event)
        if isinstance(usage := event.get("usage"), dict):
            self._tokens = {"input": usage.get("prompt_tokens"), "output": usage.get("completion_tokens")}
        choices = event.get("choices")
        choice = choices[0] if isinstance(choices, list) and choices else None
        if not isinstance(choice, dict):
            return
        delta = choice.get("delta")
        if isinstance(delta, dict):
            self._say(delta.get("content"))
            if isinstance(pieces := delta.get("tool_calls"), list):
                for position, piece in enumerate(pieces):
                    self._piece(piece, position)
        self._ended(choice.get("finish_reason"))

    def _piece(self, piece: Any, position: int) -> None:
        if not isinstance(piece, dict):
            return
        function = piece.get("function")
        known = function if isinstance(function, dict) else {}
        self._call(
            piece.get("index", position), id_=piece.get("id"), name=known.get("name"), arguments=known.get("arguments")
        )
