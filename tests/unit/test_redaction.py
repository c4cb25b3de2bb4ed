"""No personal data leaves production once redaction is on: whatever the record, its shape, or what goes wrong."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shadow import events, topology
from shadow.failures.pii_leak import PiiLeak
from shadow.measures import Pair
from shadow.measures.facts import Facts
from shadow.tap import Tap, redaction, reveal
from shadow.tap.redaction import MIN_KEY_BYTES, NotRedactedError, Redaction, originals, pseudonym, redaction_for
from shadow.text import pii
from shadow.text.pseudonyms import PSEUDONYM
from tests.fixtures import events as made
from tests.unit.test_pii import FOUND

KEY = b"a key of production's own"
LIMIT = 1_000_000
ON, STRICT = Redaction("on", KEY), Redaction("strict", KEY)
EVENTS = {topology.TURNS: events.Turn, topology.REPLIES: events.Reply, topology.OUTCOMES: events.Outcome}
MAIL, PHONE, CARD = "Ada.L@mail.example", "+49 151 23456789", "4111 1111 1111 1111"


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHADOW_TAP_KEY", KEY.decode())


def sends(calls: Callable[[Tap], object], mode: str | None = "on") -> tuple[list[bytes], dict[str, int]]:
    """The bytes that a Tap hands to the Kafka client after ``calls``, and what it dropped. No thread, no broker."""
    tap = Tap("127.0.0.1:1", redaction=mode)
    tap._started = True
    calls(tap)
    client = Client()
    worker = still_worker(tap)
    worker._producer = client
    worker._send_waiting()
    dropped = tap.stats().dropped
    tap.close(0)
    return [value for _, value in client.sent], dropped


def still_worker(tap: Tap) -> Any:
    from shadow.tap.worker import Worker  # noqa: PLC0415 (the inside of what is tested)

    return Worker({}, tap._buffer, tap._sender._prepare, lambda _: None)


class Client:
    """Takes records as a producer does."""

    def __init__(self, *, answers: bool = True) -> None:
        self._answers = answers
        self.sent: list[tuple[str, bytes]] = []

    def send(self, topic: str, value: bytes, key: bytes) -> Any:
        assert key
        self.sent.append((topic, value))
        return self

    def add_callback(self, call: Callable[..., None], *given: Any) -> None:
        if self._answers:
            call(*given, None)

    def add_errback(self, *_: Any) -> None:
        pass


def turn_of(text: Any, **fields: Any) -> bytes:
    return orjson.dumps(
        {
            "schema_version": "1.0", "type": "turn", "turn_id": "c:0", "conversation_id": "c", "turn_index": 0,
            "occurred_at": 1_764_000_000.0, "messages": [{"role": "user", "content": text}], **fields,
        }
    )  # fmt: skip


def redacted(text: Any, by: Redaction | None = None, **fields: Any) -> Any:
    by = by or Redaction("on", KEY)
    return orjson.loads(by.apply(turn_of(text, **fields), limit=LIMIT))["messages"][0]["content"]


EVERYWHERE: dict[str, Callable[[str], dict[str, Any]]] = {
    "system": lambda text: {"messages": [{"role": "system", "content": text}, {"role": "user", "content": "hi"}]},
    "assistant": lambda text: {"messages": [{"role": "assistant", "content": text}, {"role": "user", "content": "?"}]},
    "parts": lambda text: {"messages": [{"role": "user", "content": [{"type": "text", "text": text}]}]},
    "tool result": lambda text: {
        "messages": [{"role": "tool", "tool_call_id": "t", "content": json.dumps({"a": text})}]
    },
    "escaped tool result": lambda text: {
        "messages": [{"role": "tool", "tool_call_id": "t", "content": json.dumps({"a": text}).replace("@", "\\u0040")}]
    },
    "a key of a tool result": lambda text: {
        "messages": [{"role": "tool", "tool_call_id": "t", "content": json.dumps([{text: 1}])}]
    },
    "JSON in JSON": lambda text: {
        "messages": [{"role": "tool", "tool_call_id": "t", "content": json.dumps({"a": json.dumps({"b": text})})}]
    },
    "arguments": lambda text: {
        "messages": [
            {"role": "assistant", "tool_calls": [{"function": {"name": "f", "arguments": json.dumps({"to": [text]})}}]}
        ]
    },
    "broken arguments": lambda text: {
        "messages": [{"role": "assistant", "tool_calls": [{"function": {"name": "f", "arguments": "{" + text}}]}]
    },
    "metadata": lambda text: {"messages": [{"role": "user", "content": "hi"}], "metadata": {"contact": text}},
    "parameters": lambda text: {"messages": [{"role": "user", "content": "hi"}], "params": {"user": text}},
    "tools": lambda text: {
        "messages": [{"role": "user", "content": "hi"}],
        "tools": [{"type": "function", "function": {"name": "f", "description": text}}],
    },
}


@pytest.mark.usefixtures("environment")
@pytest.mark.parametrize("place", list(EVERYWHERE))
@pytest.mark.parametrize("value", [MAIL, PHONE, CARD])
def test_nothing_of_it_is_in_the_bytes_that_the_tap_sends(place: str, value: str) -> None:
    [record], dropped = sends(lambda tap: tap.turn(conversation_id="c", **EVERYWHERE[place](f"It is {value} now")))
    assert dropped == {}
    assert value.encode() not in record
    assert b"mail.example" not in record
    assert b"1111 1111" not in record  # four ones alone may be the clock's
    assert b"23456789" not in record
    assert PSEUDONYM.search(record.decode())
    events.decode(events.Turn, record, b"c")


@pytest.mark.usefixtures("environment")
def test_replies_failures_and_outcomes_too_with_the_same_pseudonym() -> None:
    def calls(tap: Tap) -> None:
        tap.turn(conversation_id="c", messages=[{"role": "user", "content": f"I am {MAIL}"}], turn_index=0)
        with tap.call(
            conversation_id="c", messages=[{"role": "user", "content": MAIL.upper()}], turn_index=9, known=["Ada L"]
        ) as call:
            call.reply(f"Dear Ada L, we wrote to {MAIL.lower()}")
        tap.reply(conversation_id="c", turn_id="c:1", failure=("provider_error", f"no such user {MAIL} " + "x" * 600))
        tap.outcome(conversation_id="c", turn_id="c:1", name="comment", value=f"call {MAIL}")
        tap.turn(conversation_id="other", messages=[{"role": "user", "content": f"I am {MAIL}"}], turn_index=0)

    records, dropped = sends(calls)
    assert (len(records), dropped) == (6, {})
    assert not any(b"mail.example" in record.lower() or b"Ada" in record for record in records)
    found = [set(PSEUDONYM.findall(record.decode())) for record in records]
    name = pseudonym(KEY, "c", "email", MAIL.lower())
    ours = [names for record, names in zip(records, found, strict=True) if b'"c"' in record]
    assert len(ours) == 5
    assert all(name in names for names in ours)
    assert sum(name in names for names in found) == 5
    for record in records:
        body = orjson.loads(record)
        kind = {"turn": events.Turn, "reply": events.Reply, "outcome": events.Outcome}[body["type"]]
        events.decode(kind, record, body["conversation_id"].encode())


@pytest.mark.usefixtures("environment")
def test_off_sends_what_it_is_given_and_loads_nothing() -> None:
    [record], dropped = sends(
        lambda tap: tap.turn(conversation_id="c", messages=[{"role": "user", "content": MAIL}], known=["Ada"]), None
    )
    assert MAIL.encode() in record
    assert b"known" not in record
    assert dropped == {}


@pytest.mark.parametrize("text", list(FOUND))
def test_every_kind_is_replaced(text: str) -> None:
    kind, value = FOUND[text]
    left = redacted(text)
    assert pseudonym(KEY, "c", kind, value) in left
    assert pii.personal_data(left) == []


TEXTS = st.lists(
    st.sampled_from([*FOUND, MAIL, PHONE, CARD, "{", '"', "<EMAIL_", "Ada Lovelace", "1.1.1.1", "5547848968"])
    | st.text(max_size=6)
    | st.from_regex(r"[0-9 +()./-]{1,20}", fullmatch=True),
    max_size=8,
).flatmap(lambda parts: st.sampled_from([" ", "", "\n", ", "]).map(lambda glue: glue.join(parts)))


@settings(deadline=None)
@given(TEXTS)
def test_redacting_twice_changes_nothing_and_leaves_nothing_that_is_found(text: str) -> None:
    once = ON.apply(turn_of(text, known=["Ada Lovelace"]), limit=LIMIT)
    assert ON.apply(once, limit=LIMIT) == once
    assert pii.find(orjson.loads(once)["messages"][0]["content"], in_links=True).found == ()


IDS = st.from_regex(r"[a-z0-9][a-z0-9:-]{0,20}", fullmatch=True)


@settings(deadline=None)
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


@pytest.mark.usefixtures("environment")
def test_a_record_that_is_sent_again_is_the_same() -> None:
    """Two different turns under one id would be a conflict; a name that was learnt in between must not make them so."""

    def calls(tap: Tap) -> None:
        tap.turn(conversation_id="c", messages=[{"role": "user", "content": "I am Mei"}], turn_index=0)
        tap.turn(conversation_id="c", messages=[{"role": "tool", "content": '{"first_name": "Mei"}'}], turn_index=1)

    tap = Tap("127.0.0.1:1", redaction="on")
    tap._started = True
    calls(tap)
    sent = []
    for _ in range(2):
        worker = still_worker(tap)
        worker._producer = Client(answers=False)
        worker._send_waiting()
        sent.append(worker._producer.sent)
        assert tap._buffer.recall() == 2
    assert sent[0] == sent[1] != []
    buffer = tap._buffer
    assert buffer.bytes == sum(len(value) + len(key) + 256 for _, _, key, value in buffer._lanes[topology.TURNS])
    tap.close(0)
    assert (buffer.bytes, buffer.records, buffer.in_flight, buffer.in_flight_bytes) == (0, 0, 0, 0)


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


def test_tools_with_every_form_of_schema_pass_as_they_are() -> None:
    properties = {"a": {"type": ["string", "null"], "enum": ["file", None, 3]}, "first_name": {"type": "file"}}
    parameters = {"type": "object", "properties": properties}
    tool = {"type": "function", "function": {"name": "f", "parameters": parameters}}
    for redaction_of in (ON, STRICT):
        assert orjson.loads(redaction_of.apply(turn_of("hi", tools=[tool]), limit=LIMIT))["tools"] == [tool]


@pytest.mark.usefixtures("environment")
def test_an_error_that_was_cut_in_the_middle_of_an_address_leaves_no_half_of_it() -> None:
    def calls(tap: Tap) -> None:
        for size in range(260, 520, 7):
            tap.reply(conversation_id="c", turn_id="c:1", failure=("timeout", "x" * size + " " + MAIL * 3))
            with pytest.raises(OSError, match="x"), tap.call(conversation_id="c", messages=[{"role": "user"}]):
                raise OSError("x" * size + " " + MAIL)

    records, dropped = sends(calls)
    assert dropped == {}
    assert not any(b"Ada" in record for record in records)


@pytest.mark.parametrize("depth", [10, 200, 400, 900, 50_000])
def test_text_that_is_nested_without_sense_is_redacted_too(depth: int) -> None:
    text = "[" * depth + f'{{"a": "{MAIL}"}}' + "]" * depth
    assert redacted(text) == text.replace(MAIL, pseudonym(KEY, "c", "email", MAIL.lower()))


def test_half_a_letter_in_a_tools_result_is_no_reason_to_drop_it() -> None:
    found = redacted('{"a": "\\ud800", "b": "' + MAIL + '"}')
    assert "mail.example" not in found
    assert "\\ud800" in found


def test_a_number_in_json_is_replaced_by_text_and_other_numbers_stay() -> None:
    given = '{"phone": 4915123456789, "cardNumber": 4111111111111111, "amount": 49.10, "n": 5, "ok": true, "x": null}'
    found = json.loads(redacted(given))
    assert (found["amount"], found["n"], found["ok"], found["x"]) == (49.10, 5, True, None)
    assert [found[name][:6] for name in ("phone", "cardNumber")] == ["<PHONE", "<CARD_"]
    assert redacted('{"amount":49.10,"n":5}') == '{"amount":49.10,"n":5}'  # untouched, to the byte


@pytest.mark.parametrize("strict", [ON, STRICT])
@pytest.mark.parametrize(
    "fields", [{"conversation_id": "ada@mail.example"}, {"turn_id": "whatsapp:+4915123456789:3"}], ids=str
)
def test_an_id_that_is_personal_data_is_not_sent(fields: dict[str, str], strict: Redaction) -> None:
    with pytest.raises(NotRedactedError, match="opaque id") as caught:
        strict.apply(turn_of("hi", **fields), limit=LIMIT)
    assert caught.value.reason == "not_redacted"


@pytest.mark.parametrize(
    "text", ["my number is 5547848968", [{"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}]]
)
def test_strict_drops_what_it_is_not_sure_of_and_on_sends_it(text: Any) -> None:
    assert redacted(text) == text
    with pytest.raises(NotRedactedError) as caught:
        STRICT.apply(turn_of(text), limit=LIMIT)
    assert caught.value.reason == "unsure"
    assert "5547848968" not in str(caught.value)
    assert redacted(f"order 5547848968 of {MAIL}", STRICT).startswith("order 5547848968 of <EMAIL_")


@pytest.mark.usefixtures("environment")
def test_strict_drops_are_counted() -> None:
    def calls(tap: Tap) -> None:
        tap.turn(conversation_id="c", messages=[{"role": "user", "content": "my number is 5547848968"}])
        tap.reply(conversation_id="c", turn_id="c:0", message="Thank you")

    records, dropped = sends(calls, "strict")
    assert len(records) == 1
    assert dropped == {"unsure": 1}


@pytest.mark.usefixtures("environment")
@pytest.mark.parametrize("mode", ["on", "strict"])
@pytest.mark.parametrize(
    "broken", ["shadow.text.pii._read", "shadow.tap.redaction.pseudonym", "shadow.tap.redaction._known"]
)
def test_a_crash_sends_nothing_and_is_counted(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, broken: str, mode: str
) -> None:
    def crash(*_: Any, **__: Any) -> Any:
        raise RuntimeError(f"secret {MAIL}")

    monkeypatch.setattr(broken, crash)
    records, dropped = sends(
        lambda tap: tap.turn(conversation_id="c", messages=[{"role": "user", "content": f"I am {MAIL}"}]), mode
    )
    assert (records, dropped) == ([], {"not_redacted": 1})
    assert "RuntimeError" in caplog.text
    assert MAIL not in caplog.text


@pytest.mark.parametrize(
    ("mode", "key", "named"),
    [
        ("on", "", "SHADOW_TAP_KEY holds no key"),
        ("strict", "short", "no key of 16 bytes"),
        ("yes", KEY.decode(), "must be off, on or strict, not 'yes'"),
        (True, KEY.decode(), "must be off, on or strict"),
    ],
)
def test_a_setting_that_cannot_be_used_raises_nothing_and_sends_nothing(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, mode: Any, key: str, named: str
) -> None:
    monkeypatch.setenv("SHADOW_TAP_KEY", key)
    records, dropped = sends(
        lambda tap: tap.turn(conversation_id="c", messages=[{"role": "user", "content": "hello"}]), mode
    )
    assert (records, dropped) == ([], {"not_redacted": 1})
    assert named in caplog.text
    assert len(KEY) >= MIN_KEY_BYTES


def test_the_environment_says_it_where_the_program_does_not() -> None:
    environ = {"SHADOW_TAP_REDACTION": "strict", "OUR_KEY": KEY.decode()}
    assert redaction_for(None, "OUR_KEY", {}) is None
    assert redaction_for("off", "OUR_KEY", environ) is None
    found = redaction_for(None, "OUR_KEY", environ)
    assert found is not None
    assert found.apply(turn_of(MAIL), limit=LIMIT) == STRICT.apply(turn_of(MAIL), limit=LIMIT)


def test_too_much_text_and_growth_beyond_the_limit_are_not_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(NotRedactedError) as grown:
        ON.apply(turn_of("a@b.co " * 100), limit=900)
    assert grown.value.reason == "too_large"
    monkeypatch.setattr(redaction, "MAX_CHARACTERS", 1_000)
    with pytest.raises(NotRedactedError, match="over 1000 characters"):
        ON.apply(turn_of("a" * 2_000), limit=LIMIT)


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
