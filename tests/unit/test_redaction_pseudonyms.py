"""One value has one pseudonym in a conversation, whoever writes it and however; only the key brings it back."""

from __future__ import annotations

import io
import json
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shadow import events
from shadow.failures.pii_leak import PiiLeak
from shadow.measures import Pair
from shadow.measures.facts import Facts
from shadow.tap import redaction, reveal
from shadow.tap.redaction import Redaction, originals, pseudonym
from shadow.text import pii
from shadow.text.pseudonyms import PSEUDONYM
from tests.fixtures import events as made
from tests.fixtures.redaction import (
    CARD,
    KEY,
    LIMIT,
    MAIL,
    ON,
    PHONE,
    environment,
    redacted,
    turn_of,
)
from tests.unit.test_pii import FOUND

__all__ = ["environment"]

TEXTS = st.lists(
    st.sampled_from([*FOUND, MAIL, PHONE, CARD, "{", '"', "<EMAIL_", "Ada Lovelace", "1.1.1.1", "5547848968"])
    | st.text(max_size=6)
    | st.from_regex(r"[0-9 +()./-]{1,20}", fullmatch=True),
    max_size=8,
).flatmap(lambda parts: st.sampled_from([" ", "", "\n", ", "]).map(lambda glue: glue.join(parts)))


@given(TEXTS)
def test_redacting_twice_changes_nothing_and_leaves_nothing_that_is_found(text: str) -> None:
    once = ON.apply(turn_of(text, known=["Ada Lovelace"]), limit=LIMIT)
    assert ON.apply(once, limit=LIMIT) == once
    assert pii.find(orjson.loads(once)["messages"][0]["content"], in_links=True).found == ()


IDS = st.from_regex(r"[a-z0-9][a-z0-9:-]{0,20}", fullmatch=True)


@given(IDS, IDS, st.sampled_from(list(FOUND.values())))
def test_a_value_has_one_pseudonym_in_a_conversation_and_another_elsewhere(
    one: str, other: str, found: tuple[Any, str]
) -> None:
    kind, value = found
    name = pseudonym(KEY, one, kind, value)
    assert PSEUDONYM.fullmatch(name)
    assert pseudonym(bytes(KEY), one, kind, value) == name
    assert (pseudonym(KEY, other, kind, value) == name) is (one == other)
    assert pseudonym(b"another key of production", one, kind, value) != name


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Ada.L@MAIL.example", "ada.l@mail.example"),
        ("+49 151 23456789", "Handy 0151/23456789"),
        ("4111 1111 1111 1111", "4111-1111-1111-1111"),
        ("DE89 3704 0044 0532 0130 00", "de89370400440532013000"),
    ],
)
def test_writing_it_differently_makes_no_other_pseudonym(one: str, other: str) -> None:
    assert PSEUDONYM.findall(redacted(one)) == PSEUDONYM.findall(redacted(other)) != []


def test_fields_of_a_tools_result_name_persons_and_addresses_for_the_whole_record() -> None:
    result = '{"first_name": "Mei", "lastName": "Kovacs", "address": {"address1": "317 Elm Street", "zip": "28236"}}'
    record = orjson.loads(ON.apply(
        orjson.dumps({
            "conversation_id": "c", "turn_id": "c:1",
            "messages": [
                {"role": "tool", "content": result},
                {"role": "assistant", "content": "Dear Mei, to 317 ELM Street as ever? Next May?"},
            ],
        }), limit=LIMIT))  # fmt: skip
    tool, said = (message["content"] for message in record["messages"])
    assert "Mei" not in tool
    assert "Elm" not in tool
    assert said == f"Dear {PSEUDONYM.findall(tool)[0]}, to {PSEUDONYM.findall(tool)[-1]} as ever? Next May?"
    assert json.loads(tool)["address"]["zip"] == "28236"


def test_names_of_earlier_records_are_found_in_the_reply_of_this_conversation_and_no_other() -> None:
    redact, result = Redaction("on", KEY), '{"first_name": "Mei"}'
    [name] = PSEUDONYM.findall(redacted(result, redact))
    reply = {"turn_id": "c:0", "message": {"role": "assistant", "content": "Dear Mei"}}
    for conversation, expected in (("c", f"Dear {name}"), ("other", "Dear Mei")):
        left = redact.apply(orjson.dumps({"conversation_id": conversation, **reply}), limit=LIMIT)
        assert orjson.loads(left)["message"]["content"] == expected


def test_the_names_of_the_oldest_conversations_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redaction, "MAX_CONVERSATIONS", 3)
    redact = Redaction("on", KEY)
    for number in range(5):
        redacted("hi", redact, conversation_id=f"c{number}", known=["Mei"])
    assert list(redact._names) == ["c2", "c3", "c4"]


def test_an_address_hides_no_words_and_what_is_no_name_hides_nothing() -> None:
    result = json.dumps({"shipping_address": "The Old Mill, High Street", "first_name": "N/A", "last_name": "string"})
    said = "The old road is high: N/A, a string"
    messages = [{"role": "tool", "content": result}, {"role": "user", "content": said}]
    record = orjson.loads(ON.apply(turn_of("", messages=messages), limit=LIMIT))
    assert "Mill" not in record["messages"][0]["content"]
    assert record["messages"][1]["content"] == said


def test_a_participants_name_keeps_the_form_that_model_servers_take() -> None:
    messages = [{"role": "user", "name": "Ada", "content": "I am Ada"}]
    record = orjson.loads(ON.apply(turn_of("", messages=messages, known=["Ada"]), limit=LIMIT))
    [name] = PSEUDONYM.findall(record["messages"][0]["content"])
    assert record["messages"][0]["name"] == name.strip("<>")


def test_only_the_key_brings_the_original_back() -> None:
    said = f"I am Ada Lovelace, {MAIL}, {PHONE}"
    transcript = json.dumps({"role": "user", "content": said}) + "\n" + json.dumps({"role": "assistant"})
    left = redacted(said, known=["Ada Lovelace"])
    table = originals(transcript, KEY, "c", ("Ada Lovelace",))
    for name, original in table.items():
        left = left.replace(name, original)
    assert left == said
    assert not set(originals(transcript, b"another key of production", "c")) & set(table)
    assert not set(originals(transcript, KEY, "d")) & set(table)


@pytest.mark.usefixtures("environment")
def test_the_command_prints_what_pseudonyms_stand_for(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out = io.StringIO()
    assert reveal.main(["c", "--known", "Ada Lovelace"], io.StringIO(f"Ada Lovelace: {MAIL}\n"), out) == 0
    names = {pseudonym(KEY, "c", "email", MAIL.lower()): MAIL}
    names[pseudonym(KEY, "c", "person", "ada lovelace")] = "Ada Lovelace"
    assert dict(line.split("\t") for line in out.getvalue().splitlines()) == names
    monkeypatch.delenv("SHADOW_TAP_KEY")
    assert reveal.main(["c"], io.StringIO(MAIL), out) == 2
    assert "$SHADOW_TAP_KEY holds no key" in capsys.readouterr().err


@pytest.fixture
def name() -> str:
    return pseudonym(KEY, "c", "email", MAIL.lower())


def test_measures_and_detectors_work_on_pseudonyms(name: str) -> None:
    """Echoed: no leak, an equal fact. Another one: no leak either, a differing fact."""
    other = pseudonym(KEY, "c", "email", "someone@else.example")
    asked = made.turn(messages=[{"role": "user", "content": f"I am {name}"}])

    def says(text: str) -> events.Reply:
        return made.reply(message={"role": "assistant", "content": text})

    assert [*PiiLeak().detect(asked, says(f"We wrote to {name}"))] == []
    assert [*PiiLeak().detect(asked, says(f"We wrote to {other}"))] == []
    assert [*PiiLeak().detect(asked, says(f"We wrote to {MAIL}"))] == ["pii_leak"]
    pairs = [(f"We wrote to {name}.", f"I wrote: {name}"), (f"We wrote to {name}.", f"We wrote to {other}.")]
    messages = [[events.Message(role="assistant", content=text) for text in pair] for pair in pairs]
    scores = Facts().score([Pair(asked, *pair) for pair in messages])
    assert [score.value for score in scores] == [0.0, 1.0]
