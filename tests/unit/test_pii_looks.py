"""The looks that are written for speed find what the plain ones find: in whatever text, and in labelled sentences."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from itertools import product

import pytest
import stdnum.iban
from hypothesis import given, settings
from hypothesis import strategies as st

from shadow.text import identifiers, looks, pii
from shadow.text.identifiers import SEP, compact
from tests.evaluate.data import rows
from tests.evaluate.pii import SOURCE
from tests.unit.test_pii import FOUND, LABELLED

BETWEEN = f"[A-Za-z{SEP[1:-1]}]{{0,3}}"
HAS_DIGITS = re.compile(rf"\d(?:{BETWEEN}\d){{3}}")
MANY_DIGITS = re.compile(
    rf"\d(?:{BETWEEN}\d){{6}}|[A-Z]{{5}}\d{{4}}[A-Z]|"
    rf"[A-Z]{{2}} ?\d{{2}} ?\d{{2}} ?\d{{2}} ?[A-D]\b|\d{{1,3}}(?:\.\d{{1,3}}){{3}}"
)
DATE = re.compile(
    r"(?<![\d])(?:\d{4}[-/.]\d{1,2}[-/.]\d{1,2}|\d{1,2}[-/.]\d{1,2}[-/.](?:19|20)\d{2})"
    r"(?:[T _-]\d{1,2}[:-]\d{2}(?:[:-]\d{2}(?:[.,-]\d{1,6})?)?)?(?![\d])"
)
KINDS = "|".join(f"(?P<{kind}>{words})" for kind, words in looks.SAYING.items())
SAYING = re.compile(rf"(?<![^\W_])(?:{KINDS})(?![^\W_])")
IBANS = [value for kind, value in FOUND.values() if kind == "iban"]

SIGNS = [*"0123456789 .-/()_:+@\0\nABCDPK٠１İx\u00a0–“", "AB", "12", "1981", "2026-05-03"]
WORDS = ["call", "born on", "d.o.b", "id", "née", "rg", "card", "reach me at", "order", "konto", "le"]
NEAR = st.sampled_from([*SIGNS, *WORDS, *IBANS])
PIECE = re.compile(r"\\w\{0,\d+\}|(?:\(\?:(?P<any>[^)]*)\)|\[(?P<one>[^]]*)\]|\\?(?P<sign>.))(?P<maybe>\??)")
"""What the words' patterns are written of."""
TEXTS = st.one_of(st.lists(NEAR, max_size=40).map("".join), st.text(max_size=60), st.from_regex(MANY_DIGITS))


def plain_iban(text: str) -> tuple[str, int] | None:
    """The longest beginning that is an IBAN."""
    ends = [at for at in range(len(text), 0, -1) if text[at - 1].isalnum()]
    return next(((compact(text[:end]), end) for end in ends if stdnum.iban.is_valid(compact(text[:end]))), None)


@settings(max_examples=200)
@given(TEXTS)
def test_digits_and_dates_stand_where_the_plain_patterns_see_them(text: str) -> None:
    for plain, quick in ((HAS_DIGITS, looks.HAS_DIGITS), (DATE, looks.DATE)):
        assert [match.span() for match in plain.finditer(text)] == [match.span() for match in quick.finditer(text)]
    assert bool(MANY_DIGITS.search(text)) == bool(looks.MANY_DIGITS.search(text))


@settings(max_examples=300)
@given(TEXTS)
def test_words_stand_where_the_plain_pattern_sees_them(text: str) -> None:
    lower = text.lower()
    plain = [(match.span(), match.lastgroup) for match in SAYING.finditer(lower)]
    quick = [((match.start(), match.end() - 1), match.lastgroup) for match in looks.WORDS.finditer(f" {lower}")]
    assert quick == plain


def spellings(word: str) -> Iterator[str]:
    """All that the pattern of a word stands for, without endings of any letters."""
    choices = []
    for piece in PIECE.finditer(word):
        inner = [text for each in (piece["any"] or "").split("|") if each for text in spellings(each)]
        letters = inner or [*(piece["one"] or piece["sign"] or "")]
        choices.append([*letters, *([] if letters and not piece["maybe"] else [""])])
    yield from map("".join, product(*choices))


@pytest.mark.parametrize("kind", list(looks.SAYING))
def test_the_first_letters_of_a_word_let_every_word_through(kind: str) -> None:
    """A word that is added to the list without its beginning would never be read."""
    said = [text for word in re.split(r"\|(?![^(]*\))", looks.SAYING[kind]) for text in spellings(word)]
    assert len(said) > len(looks.SAYING[kind].split("|"))
    for text in said:
        assert SAYING.fullmatch(text), text
        assert looks.WORDS.fullmatch(f" {text}"), text


@settings(max_examples=150)
@given(st.sampled_from(IBANS), st.integers(1, 5), st.sampled_from(["", " ", "-"]), TEXTS, st.data())
def test_an_iban_ends_where_its_country_says(
    number: str, size: int, sign: str, after: str, data: st.DataObject
) -> None:
    """Also with one letter or digit wrong, and whatever follows it."""
    at = data.draw(st.integers(2, len(number) - 1))
    wrong = number[:at] + data.draw(st.sampled_from([number[at], "7", "A"])) + number[at + 1 :]
    text = sign.join(wrong[start : start + size] for start in range(0, len(wrong), size)) + after
    for match in looks.IBAN.finditer(text):
        assert identifiers.iban(match[1]) == plain_iban(match[1])


@pytest.mark.skipif(not LABELLED.is_file(), reason=f"{LABELLED} is absent; name the folder of data in SHADOW_DATA_DIR")
def test_labelled_sentences_as_they_are_and_damaged_read_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """Digits and separators put in or taken out at random."""
    draw, texts = random.Random(11), [*FOUND]
    for row in rows(SOURCE):
        damaged = list(row["text"])
        for _ in range(4):
            at = draw.randrange(len(damaged) + 1)
            damaged[at : at + draw.randrange(3)] = draw.choices("0123456789 .-/_ABC@:", k=draw.randrange(4))
        texts += [row["text"], "".join(damaged)]
    pii._read.cache_clear()
    quick = [pii.find(text, in_links=True) for text in texts]
    for name, pattern in {"HAS_DIGITS": HAS_DIGITS, "MANY_DIGITS": MANY_DIGITS, "DATE": DATE}.items():
        monkeypatch.setattr(looks, name, pattern)
    monkeypatch.setattr(looks, "WORDS", re.compile(rf"[\W_](?:{KINDS})(?![^\W_])"))
    monkeypatch.setattr(identifiers, "iban", plain_iban)
    pii._read.cache_clear()
    assert quick == [pii.find(text, in_links=True) for text in texts]
    pii._read.cache_clear()
    assert sum(bool(found) for found, _ in quick) > len(FOUND)
