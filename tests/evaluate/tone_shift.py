"""``tone_shift`` against people's labels: ``python -m tests.evaluate.tone_shift``.

A turn is said to fall where the slicer finds a fall at that very message. What is true, per message but the first:

- raters' satisfaction (``uss_*``, 3-7 raters, 1-5), a clear drop: the mean rating is 2 or less, or 1 or more under the
  mean of the messages before; a slight drop: 0.5 or more under it;
- emotions (``maia``): the share of anger, frustration and disappointment among the message's labels is 0.5 or more over
  the mean of the messages before.

Half of the conversations, by hash, were looked at while the rules were written (``seen``); the other half was not.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import os
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from shadow.slices.tone_shift import ANNOYED, fall, tones
from shadow.text.mood import mood

DATA: Final = Path(os.environ.get("SHADOW_DATA_DIR", Path(__file__).parents[2].parent / "shared" / "data"))
NEGATIVE: Final = frozenset({"anger", "frustration", "disappointment"})
LOW: Final = 2.0
CLEAR: Final = 1.0
SLIGHT: Final = 0.5

Row = dict[str, Any]
Said = Sequence[bool]


@dataclass(slots=True)
class Talk:
    """One conversation: the customer's messages, and what the labels say of each."""

    half: str
    messages: list[str]
    labels: list[list[float]]

    def values(self) -> list[float]:
        """The mean label of each message."""
        return [sum(given) / len(given) for given in self.labels]


def tables() -> Iterator[str]:
    """All tables; a line that says so where the data is absent."""
    for source in ("uss_sgd", "uss_mwoz", "maia"):
        path = DATA / "open" / "conversations" / f"{source}.jsonl.gz"
        if not path.is_file():
            yield f"{path.name} is absent: name the folder of the data in SHADOW_DATA_DIR"
            continue
        yield from _satisfaction(source, path) if source.startswith("uss") else _emotions(path)


def _satisfaction(source: str, path: Path) -> Iterator[str]:
    rated = talks(path, ratings)["en"]
    for what, drops in (("clear", clear), ("slight", slight)):
        title = f"{source} (en), a {what} drop of the raters' mean, per message"
        rows = [*_rows(rated, drops), *_raters(rated, drops)]
        yield _table(title, rows)
    yield _table(f"{source} (en), a clear drop anywhere, per conversation", _rows(rated, clear, whole=True))


def _emotions(path: Path) -> Iterator[str]:
    for language, labelled in sorted(talks(path, emotions).items()):
        yield _table(f"maia ({language}), more negative emotion, per message", _rows(labelled, slight))
    yield "maia: each message was labelled once, so there is no agreement to compare with.\n"


def ratings(labels: Row) -> list[float]:
    """Each rater's satisfaction with the message's place in the talk, 1 to 5."""
    return [float(value) for value in labels.get("satisfaction") or ()]


def emotions(labels: Row) -> list[float]:
    """-1 for each negative emotion, 0 for each other."""
    return [-float(name in NEGATIVE) for name in labels.get("emotion") or ()]


def talks(path: Path, read: Callable[[Row], list[float]]) -> dict[str, list[Talk]]:
    """The labelled messages of each conversation, by language."""
    found: dict[str, list[Talk]] = defaultdict(list)
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        for row in map(json.loads, lines):
            said = [(turn["text"], read(turn["labels"])) for turn in row["turns"] if turn["role"] == "customer"]
            kept = [(text, labels) for text, labels in said if labels]
            if len(kept) > 1:
                seen = hashlib.sha256(row["split_key"].encode()).digest()[-1] % 2 == 0
                texts, labels = zip(*kept, strict=True)
                found[row["lang"]].append(Talk("seen" if seen else "unseen", list(texts), list(labels)))
    return found


def clear(values: Sequence[float]) -> list[bool]:
    """Whether each message but the first is a clear drop."""
    return [value <= LOW or value <= before - CLEAR for value, before in _after(values)]


def slight(values: Sequence[float]) -> list[bool]:
    """Whether each message but the first is a slight drop."""
    return [value <= before - SLIGHT for value, before in _after(values)]


def _after(values: Sequence[float]) -> Iterator[tuple[float, float]]:
    """Each value but the first, with the mean of those before."""
    return ((values[at], sum(values[:at]) / at) for at in range(1, len(values)))


def slicer(messages: Sequence[str]) -> list[bool]:
    """Whether the slicer finds a fall at each message but the first."""
    values = tones(messages)
    found = (fall(values[: at + 1]) for at in range(1, len(values)))
    return [one is not None and one.at == at for at, one in enumerate(found, start=1)]


def _lexicon(messages: Sequence[str]) -> list[bool]:
    """The plain lexicon: an annoyed message, whatever came before."""
    return [mood(message) <= ANNOYED for message in messages[1:]]


def _rows(
    labelled: list[Talk], drops: Callable[[Sequence[float]], Said], *, whole: bool = False
) -> Iterator[tuple[str, str, str]]:
    """A line for the slicer and for each baseline, on both halves."""
    gather = (lambda flags: [any(flags)]) if whole else list
    for half in ("seen", "unseen"):
        chosen = [talk for talk in labelled if talk.half == half]
        true = [flag for talk in chosen for flag in gather(drops(talk.values()))]
        ours = [flag for talk in chosen for flag in gather(slicer(talk.messages))]
        plain = [flag for talk in chosen for flag in gather(_lexicon(talk.messages))]
        base, rate = sum(true) / len(true), sum(ours) / len(ours)
        yield (f"tone_shift, {half}", *_scored(zip(ours, true, strict=True)))
        yield (f"an annoyed message, {half}", *_scored(zip(plain, true, strict=True)))
        yield (f"random, as often, {half}", f"{base:.3f}", f"{rate:.3f} (expected)")
        yield (f"always, {half}", f"{base:.3f}", f"1.000; {sum(true)} of {len(true)} are true")


def _raters(labelled: list[Talk], drops: Callable[[Sequence[float]], Said]) -> Iterator[tuple[str, str, str]]:
    """Each rater, judged by the same rule, against the mean of the others: what agreement there is to reach."""
    cases: list[tuple[bool, bool]] = []
    for talk in labelled:
        count = len(talk.labels[0])
        if any(len(given) != count for given in talk.labels):
            continue
        for rater in range(count):
            own = [given[rater] for given in talk.labels]
            others = [(sum(given) - given[rater]) / (count - 1) for given in talk.labels]
            cases += zip(drops(own), drops(others), strict=True)
    yield ("one rater against the others", *_scored(cases))


def _scored(cases: Iterable[tuple[bool, bool]]) -> tuple[str, str]:
    """Precision and recall of (said, true), each with its counts."""
    pairs = list(cases)
    hits, said, true = (sum(map(test, pairs)) for test in (all, lambda pair: pair[0], lambda pair: pair[1]))
    return (f"{hits / max(1, said):.3f} ({hits} of {said})", f"{hits / max(1, true):.3f} ({hits} of {true})")


def _table(title: str, body: Iterable[tuple[str, str, str]]) -> str:
    rows = [("who says so", "precision", "recall"), *body]
    widths = [max(len(row[at]) for row in rows) for at in range(3)]
    padded = [[cell.ljust(width) for cell, width in zip(row, widths, strict=True)] for row in rows]
    head, *lines = (f"| {' | '.join(row)} |" for row in padded)
    rule = "|".join("-" * (width + 2) for width in widths)
    return "\n".join([f"**{title}**", "", head, f"|{rule}|", *lines, ""])


if __name__ == "__main__":
    for text in tables():
        print(text)
