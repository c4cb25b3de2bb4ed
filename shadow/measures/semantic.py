"""Semantic divergence: do the two replies mean different things?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from shadow.events import Score
from shadow.measures import NO_TEXT, Pair
from shadow.text.embedding import Embedder, default_embedder


class Semantic:
    """1 - cosine similarity of the replies' embeddings, cut to 0..1. About 20 us per distinct text.

    Blind to facts: a refund of $49 and one of $99 lie close together. Abstains where a reply has no text.
    """

    version: Final = 1

    def __init__(self, embedder: Embedder | None = None) -> None:
        self._embedder = embedder or default_embedder()

    def score(self, pairs: Sequence[Pair]) -> list[Score]:
        """See :class:`shadow.measures.Measure`. A text that several pairs share is embedded once."""
        texts = [(pair.production.text, pair.arm.text) for pair in pairs]
        rows = {text: row for row, text in enumerate(dict.fromkeys(text for both in texts for text in both))}
        vectors = self._embedder.embed(list(rows))
        left = vectors[[rows[production] for production, _ in texts]]
        right = vectors[[rows[arm] for _, arm in texts]]
        distances = (1.0 - (left * right).sum(axis=1)).clip(0.0, 1.0).tolist()
        return [
            Score.trusted(value=round(distance, 6), abstained=None) if production.strip() and arm.strip() else NO_TEXT
            for (production, arm), distance in zip(texts, distances, strict=True)
        ]
