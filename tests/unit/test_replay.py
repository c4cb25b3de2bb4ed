"""Recorded conversations become turns and replies as replay.py says; what is malformed is named."""

from __future__ import annotations

import contextlib
import gzip
import json
import os
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shadow.events import Message, Reply, Turn
from shadow.simulate import play, sample_path
from shadow.simulate.replay import MalformedError, Step, steps

DATA = (
    Path(os.environ.get("SHADOW_DATA_DIR") or Path(__file__).parents[3] / "shared" / "data") / "open" / "conversations"
)


def line(*turns: dict[str, Any], **fields: Any) -> str:
    """A conversation of those turns."""
    return json.dumps({"conversation_id": "c1", "lang": "en", "turns": list(turns), **fields})


def said(role: str, text: str = "", **fields: Any) -> dict[str, Any]:
    """One entry of ``turns``."""
    return {"role": role, "text": text, **fields}


def valid(step: Step) -> None:
    """The step is a turn and a reply that the wire format takes, with a history that OpenAI's format allows."""
    now = time.time()
    Turn(
        turn_id=step.turn_id,
        conversation_id=step.conversation_id,
        turn_index=step.turn_index,
        occurred_at=now,
        messages=[Message.model_validate(message) for message in step.messages],
        tools=step.tools,
        metadata=step.metadata,
    )
    if step.reply is not None:
        Reply(
            turn_id=step.turn_id,
            conversation_id=step.conversation_id,
            occurred_at=now,
            message=Message.model_validate(step.reply),
            latency_s=play.latency_s(step),
        )
    assert any(message["role"] == "user" for message in step.messages)
    waiting: list[str] = []
    for message in step.messages:
        if message["role"] == "tool":
            waiting.remove(message["tool_call_id"])
        else:
            assert not waiting
            waiting = [call["id"] for call in message.get("tool_calls", [])]


def test_each_customer_message_is_a_turn_with_the_history() -> None:
    first, second = steps(line(said("customer", "a"), said("agent", "b"), said("customer", "c"), said("agent", "d")))
    assert first.messages == [{"role": "user", "content": "a"}]
    assert first.reply == {"role": "assistant", "content": "b"}
    assert [message["content"] for message in second.messages] == ["a", "b", "c"]
    assert (first.turn_id, second.turn_id) == ("c1:0", "c1:1")


def test_messages_in_a_row_are_one() -> None:
    turns = (said("customer", "a"), said("customer", "b"), said("agent", "c"), said("agent", "d"))
    [step] = steps(line(*turns))
    assert step.messages == [{"role": "user", "content": "a\nb"}]
    assert step.reply == {"role": "assistant", "content": "c\nd"}


def test_a_gap_in_i_separates_turns() -> None:
    found = steps(line(said("customer", "a", i=0), said("customer", "b", i=2), said("customer", "c", i=3)))
    assert [step.messages[-1]["content"] for step in found] == ["a", "b\nc"]
    assert [step.reply for step in found] == [None, None]


def test_a_tool_call_is_the_reply_and_its_result_is_history() -> None:
    found = steps(
        line(
            said("customer", "where?"),
            said("agent", tool_calls=[{"name": "lookup", "arguments": {"id": "7", "n": 2}}]),
            said("tool", '{"status": "sent"}'),
            said("agent", "It was sent."),
            said("customer", "thanks"),
            said("agent", "bye"),
        )
    )
    call = {"id": "call_1_0", "type": "function", "function": {"name": "lookup", "arguments": '{"id": "7", "n": 2}'}}
    assert found[0].reply == {"role": "assistant", "content": None, "tool_calls": [call]}
    assert [message["role"] for message in found[1].messages] == ["user", "assistant", "tool", "assistant", "user"]
    assert found[1].messages[2] == {"role": "tool", "tool_call_id": "call_1_0", "content": '{"status": "sent"}'}
    [tool] = found[0].tools
    assert tool["function"]["parameters"]["properties"] == {"id": {"type": "string"}, "n": {"type": "integer"}}
    for step in found:
        valid(step)


def test_lost_results_and_orphans_leave_a_valid_history() -> None:
    calls = [{"name": "f", "arguments": "{}"}, {"name": "g"}]
    turns = (said("customer", "a"), said("agent", tool_calls=calls), said("tool", "one"), said("customer", "b"))
    lost = steps(line(*turns))[1]
    assert lost.messages[3]["content"] == "(no result was recorded)"
    valid(lost)
    [orphan] = steps(line(said("customer", "a"), said("tool", "note"), said("agent", "b")))
    assert orphan.messages[1] == {"role": "system", "content": "Tool result: note"}
    assert orphan.reply == {"role": "assistant", "content": "b"}


def test_an_agent_may_begin_and_a_customer_may_end() -> None:
    [step] = steps(line(said("agent", "hello"), said("customer", "a")))
    assert [message["role"] for message in step.messages] == ["assistant", "user"]
    assert step.reply is None
    assert steps(line(said("agent", "hello"))) == []


def test_run_id_and_metadata() -> None:
    [step] = steps(line(said("customer", "a"), source="s", labels={"intent": "refund", "x": 1}), run_id="r2")
    assert step.turn_id == "c1~r2:0"
    assert step.metadata == {"language": "en", "source": "s", "intent": "refund"}


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("{", "(line)"),
        ("[]", "(line)"),
        ('{"turns": []}', "conversation_id"),
        (line(said("customer", "a"), conversation_id="a/../b"), "conversation_id"),
        (line(said("customer", "a"), conversation_id="x" * 199), "conversation_id"),
        (line(), "turns"),
        (line(said("boss", "a")), "turns[0].role"),
        (line(said("customer", "a"), {"role": "agent"}), "turns[1].text"),
        (line(said("agent", "a", tool_calls=[{}])), "turns[0].tool_calls[0]"),
        (line(said("customer", "a", ts="yesterday")), "turns[0].ts"),
        (line(said("customer", "a", ts=float("nan"))), "turns[0].ts"),
    ],
)
def test_malformed_lines_name_the_field(text: str, where: str) -> None:
    with pytest.raises(MalformedError) as caught:
        steps(text)
    assert caught.value.where == where
    assert caught.value.fix


@given(st.binary(max_size=200))
def test_any_line_is_steps_or_malformed(text: bytes) -> None:
    with contextlib.suppress(MalformedError):
        steps(text)


def test_real_pace_keeps_recorded_times_and_order() -> None:
    at = "2024-05-13T09:30:{:02d}Z"
    one = steps(line(said("customer", "a", ts=at.format(0)), said("agent", "b", ts=at.format(30))))
    other = steps(
        line(said("customer", "c", ts=at.format(10)), said("agent", "d", ts=at.format(12)), conversation_id="c2")
    )
    events = play.schedule([one, other])
    assert [(at_s, kind, step.conversation_id) for at_s, kind, step in events] == [
        (0.0, "turn", "c1"),
        (10.0, "turn", "c2"),
        (12.0, "reply", "c2"),
        (30.0, "reply", "c1"),
    ]
    assert play.latency_s(one[0]) == 30.0


def test_without_times_they_are_drawn_and_stay_in_order() -> None:
    drawn = play.schedule([steps(text) for text in Path(sample_path()).read_text(encoding="utf-8").splitlines()])
    assert drawn == sorted(drawn, key=lambda event: event[0])
    seen: dict[str, list[int]] = {}
    for _, kind, step in drawn:
        if kind == "turn":
            seen.setdefault(step.conversation_id, []).append(step.turn_index)
    assert all(order == sorted(order) for order in seen.values())


class Recorder:
    """A Tap that keeps what it is given: only what a player uses."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, dict[str, Any]]] = []

    def turn(self, **given: Any) -> str:
        self.calls.append(("turn", given))
        return str(given["turn_id"])

    def reply(self, **given: Any) -> None:
        self.calls.append(("reply", given))

    def stats(self) -> Any:
        return type("Stats", (), {"queued": 0, "queued_bytes": 0, "sent": len(self.calls), "dropped": {}})

    def flush(self, timeout_s: float) -> bool:
        return timeout_s > 0


def test_a_player_counts_skips_and_repeats_itself(tmp_path: Path) -> None:
    file = tmp_path / "some.jsonl.gz"
    good = [
        line(said("customer", "a"), said("agent", "b"), said("customer", "c"), conversation_id=f"c{n}")
        for n in range(3)
    ]
    file.write_bytes(gzip.compress("\n".join([good[0], "{broken", "", *good[1:]]).encode()))
    heard: list[str] = []
    runs = []
    for _ in range(2):
        tap = Recorder()
        played = play.Player(tap, missing="fail", on_problem=heard.append).play([str(file)])  # type: ignore[arg-type]
        runs.append(tap.calls)
        assert (played.conversations, played.turns, played.replies, played.missing) == (3, 6, 3, 3)
        assert (played.malformed, played.good) == (1, False)
    assert runs[0] == runs[1]
    assert heard[0].startswith(f"{file}:2: (line): not JSON")
    assert Counter(kind for kind, _ in runs[0]) == {"turn": 6, "reply": 6}
    assert sum(given.get("failure") == play.NO_REPLY for _, given in runs[0]) == 3


def test_limit_counts_conversations() -> None:
    tap = Recorder()
    assert play.Player(tap, pace=10_000.0).play([sample_path()], limit=4).conversations == 4  # type: ignore[arg-type]


def test_a_broken_archive_is_an_error_that_names_it(tmp_path: Path) -> None:
    file = tmp_path / "cut.jsonl.gz"
    file.write_bytes(gzip.compress(os.urandom(9_000))[:500])
    with pytest.raises(OSError, match=r"cut.jsonl.gz: broken gzip"):
        play.Player(Recorder()).play([str(file)])  # type: ignore[arg-type]


def test_the_samples_are_what_they_promise() -> None:
    rows = [json.loads(text) for text in Path(sample_path()).read_text(encoding="utf-8").splitlines()]
    assert len(rows) >= 30
    assert len({row["conversation_id"] for row in rows}) == len(rows)
    assert {row["lang"] for row in rows} >= {"en", "de", "pt", "es"}
    assert len({row["labels"]["intent"] for row in rows}) >= 8
    assert Counter(row["labels"]["tone_shift"] for row in rows)["falls"] >= 8
    for row in rows:
        for step in steps(json.dumps(row)):
            valid(step)


@pytest.mark.parametrize("name", ["maia", "ibm_twitter", "sgd"])
def test_real_conversations_map_to_valid_records(name: str) -> None:
    file = DATA / f"{name}.jsonl.gz"
    if not file.exists():
        pytest.skip(f"{file} is absent; set SHADOW_DATA_DIR to the folder that holds open/conversations")
    with gzip.open(file) as lines:
        for text in lines:
            found = steps(text)
            assert found
            for step in found:
                valid(step)
