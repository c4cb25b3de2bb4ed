"""Short cuts through a text give what the long way gives."""

from __future__ import annotations

import re
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shadow.events import Message
from shadow.failures.ungrounded_fact import UngroundedFact
from shadow.text.context import squeezed
from shadow.text.embedding import default_embedder
from shadow.text.fact_values import numbers
from shadow.text.words import words
from tests.fixtures.events import reply, turn

EMBEDDER = default_embedder()
PIECES = [
    "a",
    " ",
    "  ",
    "\n",
    "\u2581",
    "<s>",
    "</s>",
    "<unk>",
    "order",
    "é",
    "🙂",
    "\u0301",
    "\u3000",
    "19.90",
    "Größe",
    "\x00",
]


def own(text):
    return EMBEDDER._tokenizer.encode(text, add_special_tokens=False).ids


@pytest.mark.parametrize(
    "text", ["", " ", "a", " a", "a ", "a  b", "one<s> two", "a\n- b", "x" * 100, "\u2581a b", "a\u2581 b"]
)
def test_the_tokens_of_a_text_are_the_tokenizers(text):
    assert EMBEDDER.tokens(text) == own(text)


@settings(max_examples=400)
@given(st.lists(st.sampled_from(PIECES) | st.text(st.characters(codec="utf-8"), max_size=5), max_size=12))
def test_whatever_the_text(pieces):
    assert EMBEDDER.tokens("".join(pieces)) == own("".join(pieces))


@settings(max_examples=400)
@given(st.text(st.characters(max_codepoint=127)) | st.text(st.characters(codec="utf-8")))
def test_words_and_squeezed_texts(text):
    assert words(text) == re.findall(r"\w+", text.lower())
    assert squeezed(text) == re.sub(r"[^\w@./]+|_+", "", text.casefold())


@given(st.decimals(min_value=0, max_value=10**9, places=2) | st.decimals(min_value=0, max_value=99, places=5))
def test_a_number_is_read_without_its_closing_zeros(number):
    assert {Decimal(one) for one in numbers(f"it is {number:f}.")} == {number}
    [read] = numbers(f"{number:f}")
    assert "." not in read or read[-1] not in "0."


def test_a_turn_is_read_message_by_message_as_if_it_were_one_text():
    """An identifier may stand across two messages; an amount may be reckoned from two of them."""
    parts = [
        Message(role="user", content="My order is AB-10"),
        Message(role="tool", content="234 for 20 EUR and 4,50 EUR"),
    ]
    asked = turn(messages=parts)
    for said, kinds in (("Order AB-10234 costs $24.50.", []), ("It costs $31.", ["ungrounded_fact"])):
        assert list(UngroundedFact().detect(asked, reply(message=Message(role="assistant", content=said)))) == kinds
