"""A turn in Anthropic's words: what production was given, in OpenAI chat format, as a body of ``POST /v1/messages``.

Source: Anthropic's API reference, "Messages" (version 2023-06-01). What has no counterpart there is left out:
``response_format``, penalties, seeds.
"""

from __future__ import annotations

from typing import Any, Final

import orjson

from shadow.config import AnthropicAdapter
from shadow.events import Message, ToolCall, Turn

EMPTY: Final = "(empty)"
"""Stands for a message without words: the API refuses an empty one, and the turn must still be asked."""

SAME: Final = ("temperature", "top_p", "top_k")
CHOICES: Final = {"auto": "auto", "none": "none", "required": "any"}
HOTTEST: Final = 1.0


def body(turn: Turn, adapter: AnthropicAdapter, *, tools: bool) -> dict[str, Any]:
    """The request. The adapter's own params win over the turn's; ``tools``: whether they are offered."""
    asked: dict[str, Any] = {name: turn.params[name] for name in SAME if name in turn.params}
    if isinstance(heat := asked.get("temperature"), (int, float)):
        asked["temperature"] = min(heat, HOTTEST)  # OpenAI's goes to 2
    longest = turn.params.get("max_completion_tokens") or turn.params.get("max_tokens")
    asked["max_tokens"] = longest if isinstance(longest, int) else adapter.max_tokens
    stop = turn.params.get("stop") or []
    if stops := [each for each in ([stop] if isinstance(stop, str) else stop) if each.strip()]:
        asked["stop_sequences"] = stops
    if turn.tools and (tools or any(each.tool_calls or each.role == "tool" for each in turn.messages)):
        # Where the history has calls, the API wants to know the tools even of whom none is offered.
        asked["tools"] = [_tool(each) for each in turn.tools]
        if choice := _choice(turn.params) if tools else {"type": "none"}:
            asked["tool_choice"] = choice
    if system := [each.text for each in turn.messages if each.role in ("system", "developer") and each.text]:
        asked["system"] = "\n\n".join(system)
    asked["messages"] = _messages(turn.messages)
    if "temperature" in {**asked, **adapter.params}:
        asked.pop("top_p", None)  # newer models take one of the two
    return {**asked, **adapter.params, "model": adapter.model, "stream": True}


def _messages(messages: list[Message]) -> list[dict[str, Any]]:
    """User and assistant in turn, beginning with the user; results of tools are the user's."""
    said: list[dict[str, Any]] = []
    for message in messages:
        if message.role in ("system", "developer"):
            continue
        role = "assistant" if message.role == "assistant" else "user"
        if not said and role == "assistant":
            said.append({"role": "user", "content": [_words(EMPTY)]})  # a greeting came first
        blocks = _blocks(message)
        if said and said[-1]["role"] == role:
            said[-1]["content"] += blocks
        else:
            said.append({"role": role, "content": blocks})
    for each in said:
        each["content"] = each["content"] or [_words(EMPTY)]
    return said or [{"role": "user", "content": [_words(EMPTY)]}]


def _blocks(message: Message) -> list[dict[str, Any]]:
    if message.role == "tool":
        return [{"type": "tool_result", "tool_use_id": message.tool_call_id or "", "content": message.text}]
    blocks = [_words(message.text)] if message.text.strip() else []
    if isinstance(message.content, list):
        blocks += [image for part in message.content if (image := _image(part))]
    return blocks + [_use(call) for call in message.tool_calls or []]


def _words(text: str) -> dict[str, Any]:
    return {"type": "text", "text": text}


def _image(part: dict[str, Any]) -> dict[str, Any] | None:
    given = part.get("image_url")
    url = given.get("url") if isinstance(given, dict) else None
    if part.get("type") != "image_url" or not isinstance(url, str):
        return None
    if not url.startswith("data:"):
        return {"type": "image", "source": {"type": "url", "url": url}}
    kind, _, data = url.removeprefix("data:").partition(";base64,")
    return {"type": "image", "source": {"type": "base64", "media_type": kind, "data": data}}


def _use(call: ToolCall) -> dict[str, Any]:
    """A call that production made. Arguments that are no JSON object are kept as text."""
    try:
        given = orjson.loads(call.function.arguments or "{}")
    except orjson.JSONDecodeError:
        given = call.function.arguments
    arguments = given if isinstance(given, dict) else {"arguments": given}
    return {"type": "tool_use", "id": call.id or "", "name": call.function.name, "input": arguments}


def _tool(tool: dict[str, Any]) -> dict[str, Any]:
    function = tool.get("function")
    known = function if isinstance(function, dict) else {}
    made = {"name": known.get("name", ""), "input_schema": known.get("parameters") or {"type": "object"}}
    return made | ({"description": known["description"]} if known.get("description") else {})


def _choice(params: dict[str, Any]) -> dict[str, Any] | None:
    choice, found = params.get("tool_choice"), dict[str, Any]()
    if isinstance(choice, str) and choice in CHOICES:
        found = {"type": CHOICES[choice]}
    elif isinstance(choice, dict) and isinstance(function := choice.get("function"), dict):
        found = {"type": "tool", "name": function.get("name", "")}
    if params.get("parallel_tool_calls") is False and found.get("type") != "none":
        found = {"type": "auto", **found, "disable_parallel_tool_use": True}
    return found or None
