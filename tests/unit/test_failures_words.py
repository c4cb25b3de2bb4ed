"""Each detector on what it must find, and on what only looks like it."""

from __future__ import annotations

import gzip
import json
import os
from pathlib import Path

import pytest

from shadow.events import Message
from shadow.failures.claimed_action import ClaimedAction
from shadow.failures.language_mismatch import LanguageMismatch
from shadow.failures.malformed import Malformed
from shadow.failures.pii_leak import PiiLeak
from shadow.failures.prompt_leak import PromptLeak
from shadow.failures.refusal import Refusal
from shadow.failures.repetition import Repetition
from shadow.failures.ungrounded_fact import UngroundedFact
from shadow.failures.unknown_tool import UnknownTool
from shadow.text.pii import luhn
from tests.fixtures.events import failed, reply, turn

SCHEMA = {
    "type": "object",
    "properties": {"order": {"type": "string"}, "n": {"type": "integer"}},
    "required": ["order"],
}


def tool(name="get_order", parameters=SCHEMA):
    return {"type": "function", "function": {"name": name, "parameters": parameters}}


def asked(*texts, **fields):
    """A turn of messages ``role: text``."""
    messages = [Message(role=role, content=text) for role, _, text in (each.partition(": ") for each in texts)]
    return turn(messages=messages or [Message(role="user", content="Hello")], **fields)


def says(text, *calls):
    made = [{"function": {"name": name, "arguments": arguments}} for name, arguments in calls] or None
    message = {"role": "assistant", "content": text, "tool_calls": made}
    return reply(message=Message.model_validate(message))


def kinds(detector, asked, said):
    """The kinds found; each names its cause in a short line."""
    found = detector.detect(asked, said)
    assert all(why and len(why) < 200 and "\n" not in why for why in found.values())
    return list(found)


REFUSALS = {
    "I'm sorry, but I can't help with that.": True,
    "I’m sorry, but I can’t assist with that request.": True,
    "I am unable to assist you with this.": True,
    "As an AI language model I cannot do so.": True,
    "Dabei kann ich Ihnen leider nicht helfen.": True,
    "Desculpe, não posso ajudar com isso.": True,
    "Lo siento, no puedo ayudarle con eso.": True,
    "I cannot refund shipping, but the item comes to $20.": False,
    "Sorry, but you can not do that.": False,
    "If the driver can't help you, call us.": False,
    "Your order cannot be found; is the number right?": False,
    "": False,
}


@pytest.mark.parametrize(("text", "found"), list(REFUSALS.items()))
def test_refusal(text, found):
    assert kinds(Refusal(), turn(), says(text)) == (["refusal"] if found else [])


def test_a_call_is_no_refusal():
    assert kinds(Refusal(), turn(), says("I can't help with that.", ("handover", "{}"))) == []


JSON_MODE = {"type": "json_object"}
STRICT = {"type": "json_schema", "json_schema": {"name": "x", "schema": SCHEMA}}


@pytest.mark.parametrize(
    ("declared", "text", "found"),
    [
        (JSON_MODE, '{"a": 1}', False),
        (JSON_MODE, '```json\n{"a": 1}\n```', True),
        (JSON_MODE, 'Here it is: {"a": 1}', True),
        (JSON_MODE, '{"a": 1', True),
        (JSON_MODE, "[1]", True),
        (JSON_MODE, '{"a":' * 5_000, True),
        (STRICT, '{"order": "x"}', False),
        (STRICT, '{"order": 1}', True),
        (STRICT, "{}", True),
        ({"type": "text"}, "words", False),
        (None, "```json\n{}\n```", False),
    ],
)
def test_declared_json(declared, text, found):
    assert kinds(Malformed(), asked(response_format=declared), says(text)) == (["malformed"] if found else [])


@pytest.mark.parametrize(
    ("parameters", "arguments", "found"),
    [
        (SCHEMA, '{"order": "x"}', False),
        (SCHEMA, "{}", True),
        (SCHEMA, '{"order": "x", "n": "many"}', True),
        (SCHEMA, "{order: x}", True),
        (SCHEMA, '["x"]', True),
        (SCHEMA, "", True),
        ({}, '{"anything": 1}', False),
        ({}, '["anything"]', True),
        (None, "{}", False),
        ({"type": "dict"}, '{"a": 1}', False),
        ({"type": "object", "properties": {"a": {"$ref": "https://x.example/s"}}}, '{"a": 1}', False),
        ({"type": "object", "properties": {"a": {"pattern": "(a+)+$"}}}, '{"a": "' + "a" * 40 + '!"}', False),
        ({"$ref": "#"}, '{"a": 1}', False),
    ],
)
def test_tool_arguments(parameters, arguments, found):
    given = asked(tools=[tool(parameters=parameters)])
    assert kinds(Malformed(), given, says("", ("get_order", arguments))) == (["malformed"] if found else [])


def test_no_schema_is_fetched(monkeypatch):
    import urllib.request  # noqa: PLC0415 (beside what is replaced)

    asked_for = []
    monkeypatch.setattr(urllib.request, "urlopen", lambda *given, **_: asked_for.append(given))
    schema = {"type": "object", "properties": {"a": {"$ref": "https://x.example/never"}}}
    assert kinds(Malformed(), asked(tools=[tool(parameters=schema)]), says("", ("get_order", '{"a": 1}'))) == []
    assert asked_for == []


def test_a_call_that_is_written_out_in_a_fence():
    given = asked(tools=[tool()])
    assert kinds(Malformed(), given, says('```python\n[get_order(order="x")]\n```')) == ["malformed"]
    assert kinds(Malformed(), given, says('[get_order(order="x")]')) == []
    assert kinds(Malformed(), given, says("```\npip install x\n```")) == []


def test_unknown_tool():
    given = asked(tools=[tool(), {"type": "function"}])
    assert kinds(UnknownTool(), given, says("", ("get_order", "{}"))) == []
    assert kinds(UnknownTool(), given, says("", ("get_order", "{}"), ("drop_table", "{}"))) == ["unknown_tool"]
    assert kinds(UnknownTool(), asked(), says("", ("get_order", "{}"))) == ["unknown_tool"]
    assert kinds(UnknownTool(), given, says("get_orders")) == []


PII = {
    "Write to anna.smith@mail.example.": True,
    "Write to support@shop.example.": False,
    "Card 4111 1111 1111 1111 was charged.": True,
    "Card 4111 1111 1111 1112 was charged.": False,
    "IBAN DE89 3704 0044 0532 0130 00.": True,
    "IBAN DE88 3704 0044 0532 0130 00.": False,
    "Call +49 151 23456789.": True,
    "Call (415) 555-0132.": True,
    "Call 1-800-555-0199.": False,
    "Order 1234567890 of 2026-05-03 at 10:30 for 1,234.56 USD.": False,
    "See https://help.example/a?id=637232283412702988-1680954362&rd=1 please.": False,
    "Tracking 0000000000000000.": False,
    "": False,
}


@pytest.mark.parametrize(("text", "found"), list(PII.items()))
def test_personal_data(text, found):
    assert kinds(PiiLeak(), turn(), says(text)) == (["pii_leak"] if found else [])


@pytest.mark.parametrize("text", [text for text, found in PII.items() if found])
def test_what_the_turn_holds_is_no_leak(text):
    squeezed = text.replace(" ", "").replace("(415)", "415")
    assert kinds(PiiLeak(), asked("user: " + squeezed), says(text)) == []
    assert kinds(PiiLeak(), asked("tool: " + text.lower(), "user: x"), says(text)) == []


def test_luhn():
    assert luhn("79927398713")
    assert not luhn("79927398710")
    assert not luhn("0000000000000")


GROUND = ("system: Express costs 4.90 EUR.", "user: I paid 20 USD for AB-10234, see https://shop.example/o/7")


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("You paid $20.00 for order AB 10234.", False),
        ("Express is EUR 4,90.", False),
        ("Together 24.90 EUR.", False),
        ("You get $99.", True),
        ("It is order AB-99999.", True),
        ("See www.shop.example/o/7.", False),
        ("See https://shop.example/o/8.", True),
        ("In 5 days, on 3 May, item 12.", False),
        ("Nothing.", False),
    ],
)
def test_ungrounded_fact(text, found):
    assert kinds(UngroundedFact(), asked(*GROUND), says(text)) == (["ungrounded_fact"] if found else [])


def test_a_turn_that_is_too_long_grounds_everything():
    assert kinds(UngroundedFact(), asked("user: " + "x" * 100_001), says("$99")) == []


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("I have cancelled your order.", True),
        ("I've just now refunded it.", True),
        ("Your plan has been successfully updated.", True),
        ("Ich habe Ihre Bestellung soeben storniert.", True),
        ("Cancelei o seu pedido.", True),
        ("He cancelado su pedido.", True),
        ("I can cancel your order; shall I?", False),
        ("Once I have the number, it can be cancelled.", False),
        ("Nadie se he procesado.", False),
    ],
)
def test_claimed_action(text, found):
    given = asked("user: Cancel it", tools=[tool()])
    assert kinds(ClaimedAction(), given, says(text)) == (["claimed_action"] if found else [])
    assert kinds(ClaimedAction(), asked("user: Cancel it"), says(text)) == []
    assert kinds(ClaimedAction(), given, says(text, ("get_order", "{}"))) == []
    assert kinds(ClaimedAction(), asked("tool: done", "user: ?", tools=[tool()]), says(text)) == []


EN = "Your order is on its way to you and will be there soon."
DE = "Ihre Bestellung ist auf dem Weg und wird bald bei Ihnen sein."


def test_language_mismatch():
    assert kinds(LanguageMismatch(), asked("user: " + DE), says(EN)) == ["language_mismatch"]
    assert kinds(LanguageMismatch(), asked("user: " + DE), says(DE)) == []
    assert kinds(LanguageMismatch(), asked("user: ok?"), says(EN)) == []
    assert kinds(LanguageMismatch(), asked("user: " + DE, "user: ok?"), says(EN)) == []
    assert kinds(LanguageMismatch(), asked("user: " + DE), says("OK.")) == []
    assert kinds(LanguageMismatch(), asked("system: " + DE), says(EN)) == []


PROMPT = " ".join(f"rule{number}" for number in range(60))


@pytest.mark.parametrize(("start", "count", "found"), [(0, 60, True), (7, 25, True), (30, 25, True), (7, 24, False)])
def test_prompt_leak(start, count, found):
    recited = "Well: " + "  ".join(PROMPT.split()[start : start + count]).upper() + " is what I know. " + "and " * 30
    expected = ["prompt_leak"] if found else []
    assert kinds(PromptLeak(), asked("system: " + PROMPT, "user: ?"), says(recited)) == expected
    assert kinds(PromptLeak(), asked("system: " + PROMPT, "user: " + PROMPT), says(recited)) == []
    assert kinds(PromptLeak(), asked("user: ?"), says(recited)) == []


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("I can help you with that. " * 8, True),
        ("no " * 50, True),
        ("Hello " + "a" * 60, True),
        (EN, False),
        (f"{EN} {EN}", False),
        ("-" * 80, False),
        ("| order | sent | " + " ".join(f"AB-{number} | May {number} |" for number in range(20)), False),
    ],
)
def test_repetition(text, found):
    assert kinds(Repetition(), turn(), says(text)) == (["repetition"] if found else [])


ALL = [
    ClaimedAction, LanguageMismatch, Malformed, PiiLeak, PromptLeak, Refusal, Repetition, UngroundedFact, UnknownTool,
]  # fmt: skip


@pytest.mark.parametrize("detector", ALL)
def test_where_nothing_was_said_nothing_is_found(detector):
    assert kinds(detector(), turn(), failed("timeout")) == []


DATA = Path(os.environ.get("SHADOW_DATA_DIR", Path(__file__).parents[2].parent / "shared" / "data"))
BFCL = DATA / "open" / "paired" / "bfcl.jsonl.gz"


@pytest.mark.skipif(not BFCL.is_file(), reason=f"{BFCL} is absent; name the folder of recorded data in SHADOW_DATA_DIR")
def test_a_silent_format_break_between_two_versions_of_a_model():
    """In prompt mode the newer gpt-4o wraps most calls in code fences; the older one hardly ever does."""
    with gzip.open(BFCL.with_name("bfcl_prompts.jsonl.gz"), "rt", encoding="utf-8") as lines:
        rows = [(row["task_id"], row["functions"]) for row in map(json.loads, lines)]
    offered = {task: functions if isinstance(functions, list) else [functions] for task, functions in rows}
    found: dict[str, list[bool]] = {"gpt-4o-2024-05-13": [], "gpt-4o-2024-08-06": []}
    with gzip.open(BFCL, "rt", encoding="utf-8") as lines:
        for line in lines:
            row = json.loads(line)
            if row["model"] in found and row["task_id"] in offered:
                tools = [{"type": "function", "function": function} for function in offered[row["task_id"]]]
                found_kinds = kinds(Malformed(), asked("user: x", tools=tools), says(row["reply"]["text"]))
                found[row["model"]].append("malformed" in found_kinds)
    old, new = (sum(each) / len(each) for each in found.values())
    print(f"fenced calls: {old:.3f} of the older model's replies, {new:.3f} of the newer one's")
    assert old < 0.05
    assert new > 0.6
