"""OpenAI's chat completions on the wire: requests as they are taken; replies, chunks, errors as they are sent."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import orjson

from shadow.simulate.scripted import Scripted

ROLES: Final = ("system", "developer", "user", "assistant", "tool")
MAX_TOKENS_FIELDS: Final = ("max_completion_tokens", "max_tokens")
CHUNK_CHARS: Final = 24
CHARS_PER_TOKEN: Final = 4
INT64: Final = 2**63


class BadRequestError(ValueError):
    """A request that OpenAI's API would refuse too; ``param`` is the field that is wrong."""

    def __init__(self, message: str, param: str | None = None, code: str | None = None, status: int = 400) -> None:
        super().__init__(message)
        self.param = param
        self.code = code
        self.status = status


@dataclass(frozen=True, slots=True)
class Ask:
    """One checked request. ``seed`` None: the server draws one, so that asking again gives other words."""

    model: str
    messages: list[dict[str, Any]]
    tools: list[dict[str, Any]]
    response_format: dict[str, Any] | None
    stream: bool
    include_usage: bool
    max_tokens: int | None
    seed: int | None


def ask(body: bytes, models: Sequence[str]) -> Ask:
    """The request in ``body``. Raises :class:`BadRequestError`."""
    try:
        data = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise BadRequestError(f"We could not parse the JSON body of your request: {error}") from None
    if not isinstance(data, dict):
        raise BadRequestError("The body of your request must be a JSON object.")
    model = data.get("model")
    if not isinstance(model, str):
        raise BadRequestError("you must provide a model parameter", "model")
    if model not in models:
        raise BadRequestError(
            f"The model {model!r:.100} does not exist; there are: {', '.join(models)}", "model", "model_not_found", 404
        )
    if data.get("n") not in (None, 1):
        raise BadRequestError("only n=1 is simulated", "n")
    options = _typed(data, "stream_options", dict, {})
    return Ask(
        model=model,
        messages=_messages(data.get("messages")),
        tools=_objects(data, "tools"),
        response_format=_typed(data, "response_format", dict, None),
        stream=_typed(data, "stream", bool, default=False),
        include_usage=options.get("include_usage") is True,
        max_tokens=_max_tokens(data),
        seed=_typed(data, "seed", int, None),
    )


def _typed(data: Mapping[str, Any], field: str, kind: type, default: Any) -> Any:
    value = data.get(field)
    if value is None:
        return default
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise BadRequestError(f"Invalid type for '{field}': expected {kind.__name__}, not {value!r:.60}", field)
    return value


def _objects(data: Mapping[str, Any], field: str) -> list[dict[str, Any]]:
    values: list[dict[str, Any]] = _typed(data, field, list, [])
    for n, value in enumerate(values):
        if not isinstance(value, dict):
            raise BadRequestError(f"Invalid type for '{field}[{n}]': expected an object", f"{field}[{n}]")
    return values


def _messages(value: object) -> list[dict[str, Any]]:
    if not isinstance(value, list) or not value:
        raise BadRequestError("Invalid 'messages': expected a non-empty array of messages", "messages")
    for n, message in enumerate(value):
        where = f"messages[{n}]"
        if not isinstance(message, dict):
            raise BadRequestError(f"Invalid type for '{where}': expected an object", where)
        if message.get("role") not in ROLES:
            raise BadRequestError(
                f"Invalid value for '{where}.role': must be one of {', '.join(ROLES)}", f"{where}.role"
            )
        if not isinstance(message.get("content"), (str, list, type(None))):
            raise BadRequestError(f"Invalid type for '{where}.content': expected a string or parts", f"{where}.content")
    return value


def _max_tokens(data: Mapping[str, Any]) -> int | None:
    for field in MAX_TOKENS_FIELDS:
        value: int | None = _typed(data, field, int, None)
        if value is not None:
            if value < 1:
                raise BadRequestError(f"Invalid '{field}': must be at least 1, not {value}", field)
            return value
    return None


def limited(reply: Scripted, max_tokens: int | None) -> Scripted:
    """The reply cut to ``max_tokens``, with the finish reason that says so."""
    if max_tokens is None or reply.calls or reply.output_tokens <= max_tokens:
        return reply
    return replace(reply, text=reply.text[: max_tokens * CHARS_PER_TOKEN], finish_reason="length")


def error(message: str, kind: str, param: str | None = None, code: str | None = None) -> bytes:
    """An error body in OpenAI's shape."""
    return orjson.dumps({"error": {"message": message, "type": kind, "param": param, "code": code}})


def models(names: Sequence[str]) -> bytes:
    """The answer to ``GET /v1/models``."""
    data = [{"id": name, "object": "model", "created": 0, "owned_by": "shadow-simulate"} for name in names]
    return orjson.dumps({"object": "list", "data": data})


def usage(reply: Scripted) -> dict[str, int]:
    """The tokens of a call, as OpenAI counts them."""
    prompt, completion = reply.input_tokens, reply.output_tokens
    return {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion}


def message(reply: Scripted, number: object) -> dict[str, Any]:
    """The assistant's message. ``number`` makes the ids of its tool calls unique."""
    if not reply.calls:
        return {"role": "assistant", "content": reply.text}
    return {"role": "assistant", "content": reply.text or None, "tool_calls": _calls(reply, number)}


def completion(reply: Scripted, model: str, number: object, created: int) -> bytes:
    """The whole reply of a call that does not stream."""
    choice = {"index": 0, "message": message(reply, number), "logprobs": None, "finish_reason": reply.finish_reason}
    head = _head(model, number, created, "chat.completion")
    return orjson.dumps({**head, "choices": [choice], "usage": usage(reply)})


def chunks(reply: Scripted, model: str, number: object, created: int, *, include_usage: bool) -> Iterator[bytes]:
    """The server-sent events of a call that streams: role, pieces, finish reason, usage if asked for, ``[DONE]``."""
    head = _head(model, number, created, "chat.completion.chunk")
    if include_usage:
        head["usage"] = None

    def event(delta: dict[str, Any], finish: str | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
        return b"data: " + orjson.dumps({**head, "choices": [choice]}) + b"\n\n"

    yield event({"role": "assistant", "content": None if reply.calls and not reply.text else ""})
    for piece in _pieces(reply.text):
        yield event({"content": piece})
    for index, call in enumerate(_calls(reply, number)):
        function = call["function"]
        first = {**call, "index": index, "function": {"name": function["name"], "arguments": ""}}
        yield event({"tool_calls": [first]})
        for piece in _pieces(function["arguments"]):
            yield event({"tool_calls": [{"index": index, "function": {"arguments": piece}}]})
    yield event({}, reply.finish_reason)
    if include_usage:
        yield b"data: " + orjson.dumps({**head, "choices": [], "usage": usage(reply)}) + b"\n\n"
    yield b"data: [DONE]\n\n"


def _head(model: str, number: object, created: int, kind: str) -> dict[str, Any]:
    return {"id": f"chatcmpl-{number}", "object": kind, "created": created, "model": model}


def _calls(reply: Scripted, number: object) -> list[dict[str, Any]]:
    return [
        {
            "id": f"call_{number}_{n}",
            "type": "function",
            "function": {"name": call.name, "arguments": call.arguments},
        }
        for n, call in enumerate(reply.calls)
    ]


def _pieces(text: str) -> list[str]:
    return [text[n : n + CHUNK_CHARS] for n in range(0, len(text), CHUNK_CHARS)]
