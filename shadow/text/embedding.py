"""Sentence embeddings that need no download: WordLlama's static token vectors, which ship inside its wheel."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any, Final, Protocol

import numpy as np
import wordllama
from numpy.typing import NDArray
from wordllama import WordLlama

MAX_CHARACTERS: Final = 8_000
"""Longer texts are cut before they are embedded, so that one reply cannot stall a batch."""

Vectors = NDArray[np.float32]


class Embedder(Protocol):
    """Maps texts to vectors."""

    def embed(self, texts: list[str]) -> Vectors:
        """One row per text, of length 1; a row of zeros where a text has no token."""


class TokenAverage:
    """The mean of a text's token vectors, normalised (WordLlama's own pooling, without its padding).

    About 25 us a text in batches: half of it is the tokenizer. Source: WordLlama ``inference.py``, ``avg_pool``.
    """

    def __init__(self) -> None:
        folder = Path(wordllama.__file__).parent
        model = WordLlama.load(cache_dir=folder, disable_download=True)
        self._table: Vectors = model.embedding
        self._tokenizer: Any = model.tokenizer
        self._tokenizer.no_padding()

    def embed(self, texts: list[str]) -> Vectors:
        """One row per text; see :class:`Embedder`. Shape ``(len(texts), 256)``."""
        rows = np.zeros((len(texts), self._table.shape[1]), dtype=np.float32)
        encoded = self._tokenizer.encode_batch_fast([text[:MAX_CHARACTERS] for text in texts], add_special_tokens=False)
        ids = [encoding.ids for encoding in encoded]
        filled = [index for index, tokens in enumerate(ids) if tokens]
        if not filled:
            return rows
        for index in filled:
            rows[index] = self._table.take(ids[index], axis=0).sum(axis=0)
        lengths = np.linalg.norm(rows, axis=1, keepdims=True)
        lengths[lengths == 0] = 1.0
        rows /= lengths
        return rows


@cache
def default_embedder() -> Embedder:
    """The process's one embedder; loading it takes about a second and 60 MB."""
    return TokenAverage()
