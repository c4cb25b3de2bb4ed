"""Words are tokenised once, and the result is the tokenizer's own."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shadow.text.embedding import default_embedder

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


@settings(max_examples=400, deadline=None)
@given(st.lists(st.sampled_from(PIECES) | st.text(st.characters(codec="utf-8"), max_size=5), max_size=12))
def test_whatever_the_text(pieces):
    assert EMBEDDER.tokens("".join(pieces)) == own("".join(pieces))
