"""Sentence embeddings that need no download: WordLlama's static token vectors, which ship inside its wheel."""

from __future__ import annotations

from functools import cache, lru_cache
from itertools import chain
from pathlib import Path
from typing import Any, Final, Protocol

import numpy as np
import wordllama
from numpy.typing import NDArray
from wordllama import WordLlama

MAX_CHARACTERS: Final = 8_000
"""Longer texts are cut before they are embedded, so that one reply cannot stall a batch."""
MAX_WORD: Final = 40
WORDS_KEPT: Final = 32_768
_SPACE: Final = "\u2581"
"""How the tokenizer writes a space; it puts one before each text."""

Vectors = NDArray[np.float32]


class Embedder(Protocol):
    """Maps texts to vectors."""

    def embed(self, texts: list[str]) -> Vectors:
        """One row per text, of length 1; a row of zeros where a text has no token."""


class TokenAverage:
    """The mean of a text's token vectors, normalised (WordLlama's own pooling, without its padding).

    About 15 us a text of forty words, and 4 us for each word that no text had before. Source: WordLlama
    ``inference.py``, ``avg_pool``.
    """

    def __init__(self) -> None:
        folder = Path(wordllama.__file__).parent
        model = WordLlama.load(cache_dir=folder, disable_download=True)
        self._table: Vectors = model.embedding
        self._tokenizer: Any = model.tokenizer
        self._tokenizer.no_padding()
        self._of_word = lru_cache(maxsize=WORDS_KEPT)(self._encoded)
        self._alone = not any(_SPACE in token.lstrip(_SPACE) for token in self._tokenizer.get_vocab())
        self._special = tuple(token.content for token in self._tokenizer.get_added_tokens_decoder().values())

    def embed(self, texts: list[str]) -> Vectors:
        """One row per text; see :class:`Embedder`. Shape ``(len(texts), 256)``."""
        rows = np.zeros((len(texts), self._table.shape[1]), dtype=np.float32)
        found = [self.tokens(text[:MAX_CHARACTERS]) for text in texts]
        room = np.empty((max(map(len, found), default=0), rows.shape[1]), dtype=np.float32)
        for row, ids in zip(rows, found, strict=True):
            if ids:
                vectors = self._table.take(ids, axis=0, out=room[: len(ids)], mode="clip")  # "clip": written in place
                vectors.sum(axis=0, out=row)
        lengths = np.linalg.norm(rows, axis=1, keepdims=True)
        lengths[lengths == 0] = 1.0
        rows /= lengths
        return rows

    def tokens(self, text: str) -> list[int]:
        """The text's tokens: the tokenizer's own, put together from those of its words, which are remembered.

        No token of the vocabulary reaches over a space into the next word, so the words of a text are encoded as if
        each stood alone. Where that does not hold (spaces in a row or at an end, the tokenizer's own signs), the whole
        text is encoded.
        """
        words = text.split(" ")
        if not self._alone or "" in words or _SPACE in text or any(map(text.__contains__, self._special)):
            return self._encoded(text)
        found = [self._of_word(word) if len(word) <= MAX_WORD else self._encoded(word) for word in words]
        return list(chain.from_iterable(found))

    def _encoded(self, text: str) -> list[int]:
        ids: list[int] = self._tokenizer.encode(text, add_special_tokens=False).ids
        return ids


@cache
def default_embedder() -> Embedder:
    """The process's one embedder; loading it takes about a second and 60 MB."""
    return TokenAverage()
