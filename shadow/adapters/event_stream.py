"""A streamed reply, read piece by piece: bytes in, an answer out. What all formats share; it knows nothing of HTTP.

Format: server-sent events (WHATWG HTML, 9.2) whose ``data`` lines hold one JSON object each.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar, Final

import orjson

from shadow.adapters.base import AdapterError, Answer, ProviderError, RateLimited
from shadow.events import FunctionCall, GenAI, Message, ToolCall

MAX_LINE_BYTES: Final = 1_000_000
"""A longer line is no event of any known server: reading on would cost memory without end."""
DONE: Final = b"[DONE]"
SHORT: Final = 20
MAX_CALLS: Final = 128
ENVELOPE: Final = 200
"""Wire bytes read per byte of reply: each event wraps a few characters in some hundred bytes."""


class EventStream(ABC):
    """Feed it the body's bytes as they come; ``done`` says when to stop reading, :meth:`answer` what was said.

    ``first_token`` is true from the first content or tool call on. Content and arguments together are bounded by
    ``limit`` bytes: the rest is cut at a character's end, and the finish reason becomes ``length``.
    """

    streams: ClassVar[bool] = True
    """Whether the format has events; else a body is one JSON object, whatever its content type says."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._rest = b""
        self._bytes = 0
        self._wire_bytes = 0
        self._content: list[str] = []
        self._calls: dict[int, dict[str, Any]] = {}
        self._finish: str | None = None
        self._head: dict[str, Any] = {}
        self._tokens: dict[str, Any] = {}
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
                    self._event(parsed(line[5:]))
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

    @abstractmethod
    def whole(self, body: bytes) -> None:
        """A body that is one JSON object: the server did not stream. Raises :class:`AdapterError` if it is no reply."""

    def answer(self, provider: str, model: str) -> Answer:
        """What was said until now."""
        calls = [call for _, call in sorted(self._calls.items())]
        reason = self._finish
        return Answer(
            message=Message.trusted(
                role="assistant",
                content="".join(self._content) or None,
                name=None,
                tool_calls=[_tool_call(call) for call in calls] or None,
                tool_call_id=None,
            ),
            finish_reason=reason,
            gen_ai=GenAI.trusted(
                provider_name=provider,
                request_model=model,
                response_model=_text(self._head.get("model")),
                response_id=_text(self._head.get("id")),
                finish_reasons=[reason] if reason else None,
                input_tokens=_count(self._tokens.get("input")),
                output_tokens=_count(self._tokens.get("output")),
            ),
            truncated_by_limit=self.truncated,
        )

    @abstractmethod
    def _event(self, event: dict[str, Any]) -> None:
        """Take one event in, by the format's own rules."""

    def _named(self, head: dict[str, Any]) -> None:
        """Who answers, and under which id."""
        if not self._head:
            self._head = {name: head[name] for name in ("id", "model") if head.get(name)}

    def _say(self, text: Any) -> None:
        """The next words."""
        if isinstance(text, str) and text:
            self.first_token = True
            self._content.append(self._fit(text))

    def _call(self, index: Any, *, id_: Any = None, name: Any = None, arguments: Any = None) -> None:
        """The next piece of the tool call of that number. Raises :class:`ProviderError` for a number out of bounds."""
        if type(index) is not int or (index not in self._calls and len(self._calls) >= MAX_CALLS):
            raise ProviderError(
                f"tool call with index {index!r:.20}: at most {MAX_CALLS}, whole numbers", retryable=False
            )
        call = self._calls.setdefault(index, {"id": None, "name": "", "arguments": []})
        self.first_token = True
        if isinstance(id_, str) and id_:
            call["id"] = self._fit(id_)
        if isinstance(name, str) and name:
            call["name"] = self._fit(name)
        if isinstance(arguments, str):
            call["arguments"].append(self._fit(arguments))

    def _ended(self, reason: Any) -> None:
        """Why the reply ends, in OpenAI's words."""
        if isinstance(reason, str) and not self.truncated:
            self._finish = reason

    def _fit(self, text: str) -> str:
        """As much of ``text`` as the limit leaves room for."""
        size = len(text) if text.isascii() else len(text.encode(errors="replace"))
        room = self._limit - self._bytes
        self._bytes += size
        if size <= room:
            return text
        self.cut()
        return text.encode(errors="replace")[: max(room, 0)].decode(errors="ignore")


def parsed(data: bytes) -> dict[str, Any]:
    """The JSON object in ``data``. Raises :class:`ProviderError` for anything else."""
    try:
        found = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise ProviderError(f"not JSON ({error}): {data[:100]!r}", retryable=False) from None
    if not isinstance(found, dict):
        raise ProviderError(f"not a JSON object: {data[:100]!r}", retryable=False)
    return found


def raise_error(event: dict[str, Any]) -> None:
    """Raises :class:`AdapterError` if the event says that something went wrong."""
    error = event.get("error")
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
        raise_error(parsed(body))
    except AdapterError as error:
        return error.detail
    return repr(body[:200])


def _tool_call(call: dict[str, Any]) -> ToolCall:
    return ToolCall(id=call["id"], function=FunctionCall(name=call["name"], arguments="".join(call["arguments"])))


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _count(value: Any) -> int | None:
    return value if type(value) is int and value >= 0 else None
