"""A turn in Anthropic's words and the reply back: nothing said is lost, nothing that the API refuses is sent."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shadow.adapters import AdapterError, Answer, ProviderError, RateLimited
from shadow.adapters.anthropic_request import EMPTY, body
from shadow.adapters.anthropic_stream import AnthropicStream
from shadow.config import AnthropicAdapter
from shadow.events import Message, Turn

ADAPTER = AnthropicAdapter(type="anthropic", model="m")
ORDER = {
    "type": "function",
    "function": {"name": "order", "description": "Looks up.", "parameters": {"type": "object"}},
}


def asked(*messages: dict[str, Any], adapter: AnthropicAdapter = ADAPTER, offer: bool = True, **fields: Any) -> Any:
    turn = Turn(
        turn_id="t",
        conversation_id="c",
        occurred_at=1.7e9,
        messages=[Message.model_validate(each) for each in messages],
        **fields,
    )
    return body(turn, adapter, tools=offer)


def words(text: str) -> list[dict[str, Any]]:
    return [{"type": "text", "text": text}]


def event(kind: str, **fields: Any) -> bytes:
    return f"event: {kind}\n".encode() + b"data: " + orjson.dumps({"type": kind, **fields}) + b"\n\n"


def block(index: int, **start: Any) -> bytes:
    return event("content_block_start", index=index, content_block=start)


def piece(index: int, **delta: Any) -> bytes:
    return event("content_block_delta", index=index, delta=delta)


USAGE = {"input_tokens": 10, "cache_read_input_tokens": 5, "cache_creation_input_tokens": 2, "output_tokens": 1}
STREAM = b"".join((
    event("message_start", message={"id": "msg_1", "model": "m-1", "usage": USAGE}),
    block(0, type="thinking", thinking=""),
    piece(0, type="thinking_delta", thinking="not for the customer"),
    event("content_block_stop", index=0),
    event("ping"),
    block(1, type="text", text=""),
    piece(1, type="text_delta", text="Grüße, "),
    piece(1, type="text_delta", text="客户 👋"),
    event("content_block_stop", index=1),
    block(2, type="tool_use", id="c0", name="a", input={}),
    piece(2, type="input_json_delta", partial_json='{"x"'),
    piece(2, type="input_json_delta", partial_json=": 1}"),
    event("content_block_stop", index=2),
    block(3, type="tool_use", id="c1", name="b", input={}),
    event("content_block_stop", index=3),
    event("message_delta", delta={"stop_reason": "tool_use"}, usage={"output_tokens": 9}),
    event("message_stop"),
))  # fmt: skip
WHOLE = {
    "id": "msg_1",
    "model": "m-1",
    "content": [
        {"type": "text", "text": "Grüße, 客户 👋"},
        {"type": "tool_use", "id": "c0", "name": "a", "input": {"x": 1}},
        {"type": "tool_use", "id": "c1", "name": "b", "input": {}},
    ],
    "stop_reason": "tool_use",
    "usage": {**USAGE, "output_tokens": 9},
}


def check(answer: Answer) -> None:
    assert answer.message.content == "Grüße, 客户 👋"
    calls = [(c.id, c.function.name, orjson.loads(c.function.arguments)) for c in answer.message.tool_calls or []]
    assert calls == [("c0", "a", {"x": 1}), ("c1", "b", {})]
    assert (answer.finish_reason, answer.gen_ai.input_tokens, answer.gen_ai.output_tokens) == ("tool_calls", 17, 9)
    assert (answer.gen_ai.response_id, answer.gen_ai.response_model) == ("msg_1", "m-1")


def read(data: bytes, limit: int = 10_000) -> Answer:
    stream = AnthropicStream(limit)
    stream.feed(data)
    stream.end()
    return stream.answer("anthropic", "m")


def test_a_stream_split_at_any_byte_reads_the_same() -> None:
    for cut in range(len(STREAM) + 1):
        stream = AnthropicStream(10_000)
        stream.feed(STREAM[:cut])
        stream.feed(STREAM[cut:])
        stream.end()
        check(stream.answer("anthropic", "m"))


def test_a_server_that_does_not_stream_is_understood() -> None:
    stream = AnthropicStream(10_000)
    stream.whole(orjson.dumps(WHOLE))
    check(stream.answer("anthropic", "m"))


@pytest.mark.parametrize(
    ("error", "kind"),
    [({"type": "overloaded_error", "message": "busy"}, ProviderError), ({"type": "rate_limit_error"}, RateLimited)],
)
def test_an_error_in_the_stream_is_told_by_its_kind(error: dict[str, str], kind: type[AdapterError]) -> None:
    with pytest.raises(kind, match=error["type"]) as raised:
        read(STREAM[:200].rpartition(b"\n\n")[0] + b"\n\n" + event("error", error=error))
    assert raised.value.retryable


def test_a_stream_that_ends_early_is_no_reply() -> None:
    with pytest.raises(ProviderError, match="ended before the reply did"):
        read(STREAM.partition(b"event: message_delta")[0])


@given(st.lists(st.binary() | st.sampled_from([b"data:", b"\n", b"{}", STREAM, *STREAM.split(b"\n")])))
def test_nonsense_is_an_answer_or_an_adapter_error(pieces: list[bytes]) -> None:
    stream = AnthropicStream(1_000)
    try:
        for each in pieces:
            stream.feed(each)
        stream.end()
    except AdapterError:
        return
    assert isinstance(stream.answer("anthropic", "m"), Answer)


def test_a_conversation_with_tools_keeps_who_said_what() -> None:
    call = {"id": "c1", "type": "function", "function": {"name": "order", "arguments": '{"id": 7}'}}
    request = asked(
        {"role": "system", "content": "Be kind."},
        {"role": "developer", "content": "Be brief."},
        {"role": "user", "content": "Where is it?"},
        {"role": "assistant", "content": "I look.", "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c1", "content": "on its way"},
        {"role": "user", "content": "And?"},
        tools=[ORDER],
        params={"temperature": 1.4, "max_tokens": 50, "stop": "END", "user": "somebody", "tool_choice": "required"},
    )
    assert request == {
        "model": "m",
        "stream": True,
        "temperature": 1.0,
        "max_tokens": 50,
        "stop_sequences": ["END"],
        "tools": [{"name": "order", "description": "Looks up.", "input_schema": {"type": "object"}}],
        "tool_choice": {"type": "any"},
        "system": "Be kind.\n\nBe brief.",
        "messages": [
            {"role": "user", "content": words("Where is it?")},
            {
                "role": "assistant",
                "content": [
                    *words("I look."),
                    {"type": "tool_use", "id": "c1", "name": "order", "input": {"id": 7}},
                ],
            },
            {
                "role": "user",
                "content": [{"type": "tool_result", "tool_use_id": "c1", "content": "on its way"}, *words("And?")],
            },
        ],
    }


def test_what_the_api_refuses_is_not_sent() -> None:
    """Nothing empty, the user first, roles in turn, tokens bounded."""
    request = asked({"role": "assistant", "content": "Hello!"}, {"role": "user", "content": " \n"})
    assert request["messages"] == [
        {"role": "user", "content": words(EMPTY)},
        {"role": "assistant", "content": words("Hello!")},
        {"role": "user", "content": words(EMPTY)},
    ]
    assert request["max_tokens"] == ADAPTER.max_tokens


def test_of_two_ways_to_sample_the_api_takes_one_and_a_stop_must_have_words() -> None:
    params = {"temperature": 0.5, "top_p": 0.9, "stop": ["\n\n", "END"]}
    request = asked({"role": "user", "content": "hi"}, params=params)
    assert (request["temperature"], request["stop_sequences"], "top_p" in request) == (0.5, ["END"], False)
    assert asked({"role": "user", "content": "hi"}, params={"top_p": 0.9})["top_p"] == 0.9


def test_tools_of_the_history_are_named_to_an_arm_that_is_offered_none() -> None:
    call = {"id": "c1", "type": "function", "function": {"name": "order", "arguments": "{}"}}
    history = ({"role": "user", "content": "hi"}, {"role": "assistant", "tool_calls": [call]})
    result = {"role": "tool", "tool_call_id": "c1", "content": "on its way"}
    request = asked(*history, result, offer=False, tools=[ORDER])
    assert ([each["name"] for each in request["tools"]], request["tool_choice"]) == (["order"], {"type": "none"})
    assert "tools" not in asked({"role": "user", "content": "hi"}, offer=False, tools=[ORDER])


def test_pictures_go_along() -> None:
    parts = [
        {"type": "text", "text": "This one"},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}},
        {"type": "image_url", "image_url": {"url": "https://shop.example/a.png"}},
    ]
    [said] = asked({"role": "user", "content": parts})["messages"]
    assert said["content"] == [
        *words("This one"),
        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"}},
        {"type": "image", "source": {"type": "url", "url": "https://shop.example/a.png"}},
    ]


@pytest.mark.parametrize(
    ("params", "choice"),
    [
        ({"tool_choice": "none"}, {"type": "none"}),
        ({"tool_choice": {"type": "function", "function": {"name": "order"}}}, {"type": "tool", "name": "order"}),
        ({"parallel_tool_calls": False}, {"type": "auto", "disable_parallel_tool_use": True}),
    ],
)
def test_which_tool_may_be_chosen(params: dict[str, Any], choice: dict[str, Any]) -> None:
    assert asked({"role": "user", "content": "hi"}, tools=[ORDER], params=params)["tool_choice"] == choice


def test_the_adapters_own_params_win() -> None:
    adapter = AnthropicAdapter(type="anthropic", model="m", params={"temperature": 0, "max_tokens": 9})
    request = asked({"role": "user", "content": "hi"}, adapter=adapter, params={"temperature": 0.7})
    assert (request["temperature"], request["max_tokens"]) == (0, 9)
