"""A streamed chat completion, read piece by piece: bytes in, an answer out; it knows nothing of HTTP.

Format: server-sent events (WHATWG HTML, 9.2) whose ``data`` lines hold OpenAI's ``chat.completion.chunk`` objects.
"""

from __future__ import annotations

from typing import Any, Final

import orjson

from shadow.adapters.base import AdapterError, Answer, ProviderError, RateLimited
from shadow.events import FunctionCall, GenAI, Message, ToolCall

MAX_LINE_BYTES: Final = 1_000_000
"""A longer line is no chunk of any known server: reading on would cost memory without end."""
DONE: Final = b"[DONE]"
SHORT: Final = 20
MAX_CALLS: Final = 128
ENVELOPE: Final = 200
"""Wire bytes read per byte of reply: each chunk wraps a few characters in some hundred bytes."""


class ReplyStream:
    """Feed it the body's bytes as they come; ``done`` says when to stop reading, :meth:`answer` what was said.

    ``first_token`` is true from the first content or tool-call delta on. Content and arguments together are bounded by
    ``limit`` bytes: the rest is cut at a character's end, and the finish reason becomes ``length``.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._rest = b""
        self._bytes = 0
        self._wire_bytes = 0
        self._content: list[str] = []
        self._calls: dict[int, dict[str, Any]] = {}
        self._finish: str | None = None
        self._head: dict[str, Any] = {}
        self._usage: dict[str, Any] = {}
        self.first_token = False
        self.truncated = False
        self.done = False

    def feed(self, data: bytes) -> None:
        """Take the next bytes in. Raises :class:`AdapterError` on an error object or a line without end."""
        self._wire_bytes += len(data)
        lines = (self._rest + data if self._rest else data).split(b"\n")
        self._rest = lines.pop()
        for line in lines:
            if self.done:
                return
            if line.startswith(b"data:"):
                if len(line) < SHORT and line[5:].strip() in (b"", DONE):
                    self.done = DONE in line
                else:
                    self._chunk(_object(line[5:]))
        if len(self._rest) > MAX_LINE_BYTES:
            raise ProviderError(f"a line of over {MAX_LINE_BYTES} bytes in the stream", retryable=False)
        if self._wire_bytes > MAX_LINE_BYTES + ENVELOPE * self._limit:
            self.cut()

    def end(self) -> None:
        """The body has ended. Raises :class:`AdapterError` if the reply had not."""
        if self._rest and not self.done:
            self.feed(b"\n")
        if not self.done and self._finish is None:
            raise ProviderError("the stream ended before the reply did", retryable=True)

    def cut(self) -> None:
        """Stop here: the reply is longer than it may be."""
        self.truncated = self.done = True
        self._finish = "length"

    def whole(self, body: bytes) -> None:
        """A body that is one ``chat.completion`` object: the server did not stream."""
        data = _object(body)
        choices = data.get("choices")
        choice = choices[0] if isinstance(choices, list) and choices and isinstance(choices[0], dict) else {}
        if not isinstance(choice.get("message"), dict):
            _raise_error(data)
            raise ProviderError(f"no choices[0].message in {body[:100]!r}", retryable=False)
        self._chunk({**data, "choices": [{**choice, "delta": choice["message"]}]})
        self.first_token = False  # all of it came at once: there was no first token to time

    def answer(self, provider: str, model: str) -> Answer:
        """What was said until now."""
        calls = [call for _, call in sorted(self._calls.items())] or None
        reason = self._finish
        return Answer(
            message=Message.trusted(
                role="assistant",
                content="".join(self._content) or None,
                name=None,
                tool_calls=[_tool_call(call) for call in calls] if calls else None,
                tool_call_id=None,
            ),
            finish_reason=reason,
            gen_ai=GenAI.trusted(
                provider_name=provider,
                request_model=model,
                response_model=_text(self._head.get("model")),
                response_id=_text(self._head.get("id")),
                finish_reasons=[reason] if reason else None,
                input_tokens=_count(self._usage.get("prompt_tokens")),
                output_tokens=_count(self._usage.get("completion_tokens")),
            ),
            truncated_by_limit=self.truncated,
        )

    def _chunk(self, chunk: dict[str, Any]) -> None:
        if "error" in chunk:
            _raise_error(chunk)
        if not self._head:
            self._head = {name: chunk[name] for name in ("id", "model") if chunk.get(name)}
        if isinstance(usage := chunk.get("usage"), dict):
            self._usage = usage
        choices = chunk.get("choices")
        choice = choices[0] if isinstance(choices, list) and choices else None
        if not isinstance(choice, dict):
            return
        delta = choice.get("delta")
        if isinstance(delta, dict):
            content = delta.get("content")
            if isinstance(content, str) and content:
                self.first_token = True
                self._content.append(self._fit(content))
            if isinstance(pieces := delta.get("tool_calls"), list):
                for position, piece in enumerate(pieces):
                    self._call(piece, position)
        reason = choice.get("finish_reason")
        if reason is not None and isinstance(reason, str) and not self.truncated:
            self._finish = reason

    def _call(self, piece: Any, position: int) -> None:
        if not isinstance(piece, dict):
            return
        index = piece.get("index", position)
        if type(index) is not int or (index not in self._calls and len(self._calls) >= MAX_CALLS):
            raise ProviderError(
                f"tool call with index {index!r:.20}: at most {MAX_CALLS}, whole numbers", retryable=False
            )
        call = self._calls.setdefault(index, {"id": None, "name": "", "arguments": []})
        self.first_token = True
        if isinstance(name := piece.get("id"), str) and name:
            call["id"] = self._fit(name)
        function = piece.get("function")
        if isinstance(function, dict):
            if isinstance(name := function.get("name"), str) and name:
                call["name"] = self._fit(name)
            if isinstance(arguments := function.get("arguments"), str):
                call["arguments"].append(self._fit(arguments))

    def _fit(self, text: str) -> str:
        """As much of ``text`` as the limit leaves room for."""
        size = len(text) if text.isascii() else len(text.encode(errors="replace"))
        room = self._limit - self._bytes
        self._bytes += size
        if size <= room:
            return text
        self.cut()
        return text.encode(errors="replace")[: max(room, 0)].decode(errors="ignore")


def _object(data: bytes) -> dict[str, Any]:
    try:
        found = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise ProviderError(f"not JSON ({error}): {data[:100]!r}", retryable=False) from None
    if not isinstance(found, dict):
        raise ProviderError(f"not a JSON object: {data[:100]!r}", retryable=False)
    return found


def _raise_error(chunk: dict[str, Any]) -> None:
    error = chunk.get("error")
    if not error:
        return
    text = error if isinstance(error, dict) else {"message": error}
    what = f"{text.get('type') or text.get('code') or 'error'}: {text.get('message')}"
    if "rate_limit" in what or text.get("code") in (429, "429"):
        raise RateLimited(what)
    raise ProviderError(what, retryable=True)


def error_text(body: bytes) -> str:
    """What an error response says, for people."""
    try:
        _raise_error(_object(body))
    except AdapterError as error:
        return error.detail
    return repr(body[:200])


def _tool_call(call: dict[str, Any]) -> ToolCall:
    return ToolCall(id=call["id"], function=FunctionCall(name=call["name"], arguments="".join(call["arguments"])))


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _count(value: Any) -> int | None:
    return value if type(value) is int and value >= 0 else None
