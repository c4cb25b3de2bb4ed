"""How much personal data redaction and leak detection find in labelled sentences, beside presidio's patterns.

``python -m tests.evaluate.pii``. Reads ``open/pii`` below ``$SHADOW_DATA_DIR``. presidio-analyzer runs as it comes for
English, without its language model: recognisers by pattern, word list and check digit.

The rules of ``shadow.text`` were written in sight of this data: new sentences are the better judge.
"""

from __future__ import annotations

import json
import logging
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from importlib.util import find_spec
from typing import Any, Final, NamedTuple

from shadow.events import Message, Reply, Turn
from shadow.failures.pii_leak import PiiLeak
from shadow.tap.redaction import Redaction
from shadow.text.pii import find
from tests.evaluate.data import AbsentError, rows
from tests.fixtures.events import reply, turn

SOURCE: Final = "pii/presidio_synth"
KINDS: Final = {
    "EMAIL_ADDRESS": "email", "PHONE_NUMBER": "phone", "CREDIT_CARD": "card", "IBAN_CODE": "iban", "IP_ADDRESS": "ip",
    "US_SSN": "national_id", "US_DRIVER_LICENSE": "national_id",
}  # fmt: skip
"""The data's name of an entity, which is presidio's too, and ours."""

OURS: Final = {**KINDS, "DATE_TIME": "birth_date"}
"""Of dates only those of birth, and not counted as recall: the labels do not say which those are."""

DECLARED: Final = ("PERSON", "STREET_ADDRESS")
LEFT: Final = {
    "PERSON": "no rule finds names; only those that production declares",
    "STREET_ADDRESS": "likewise",
    "GPE": "a place alone names nobody",
    "ORGANIZATION": "a company is no person",
    "DATE_TIME": "dates of birth alone, if the text calls them so: the measure of facts needs the others",
    "DOMAIN_NAME": "a host alone names nobody",
    "AGE": "not looked for",
    "TITLE": "not looked for",
    "NRP": "not looked for",
    "ZIP_CODE": "not looked for: five digits may be anything",
}


class Span(NamedTuple):
    """A piece of text that somebody says is an entity."""

    kind: str
    start: int
    end: int


Finder = Callable[[str], list[Span]]


def ours(text: str) -> list[Span]:
    """What redaction replaces."""
    return [Span(kind, start, end) for kind, start, end, _ in find(text, in_links=True).found]


def presidio(threshold: float) -> Finder:
    """What presidio's recognisers for English find with this score or a higher one, its language model left out."""
    import tldextract  # noqa: PLC0415 (presidio's)
    from presidio_analyzer import RecognizerRegistry  # noqa: PLC0415 (loads spaCy: a second, for who asks)

    # the list of top-level domains that the library brings: by itself it asks the network for a newer one
    tldextract.tldextract.TLD_EXTRACTOR = tldextract.TLDExtract(suffix_list_urls=(), cache_dir=None)
    logging.getLogger("presidio-analyzer").setLevel(logging.ERROR)
    registry = RecognizerRegistry()
    registry.load_predefined_recognizers(languages=["en"])
    used = [found for found in registry.recognizers if found.name not in ("SpacyRecognizer", "StanzaRecognizer")]

    def finder(text: str) -> list[Span]:
        results = [one for found in used for one in found.analyze(text, found.supported_entities, None) or []]
        return [Span(one.entity_type, one.start, one.end) for one in results if one.score >= threshold]

    return finder


class Score(NamedTuple):
    """Per kind: entities, those wholly covered by findings of their kind, findings, and those that touch none."""

    entities: Counter[str]
    covered: Counter[str]
    findings: Counter[str]
    wrong: Counter[str]
    seconds: float


def score(finder: Finder, data: Sequence[dict[str, Any]], kind_of: Callable[[str], str]) -> Score:
    """Hold a finder against the labels. ``kind_of`` translates the label's name into the finder's."""
    result = Score(Counter(), Counter(), Counter(), Counter(), 0.0)
    begin = time.perf_counter()
    for row in data:
        found = finder(row["text"])
        for span in row["spans"]:
            result.entities[span["type"]] += 1
            same = [one for one in found if one.kind == kind_of(span["type"])]
            result.covered[span["type"]] += any(o.start <= span["start"] and o.end >= span["end"] for o in same)
        for one in found:
            result.findings[one.kind] += 1
            labels = [span for span in row["spans"] if span["start"] < one.end and one.start < span["end"]]
            result.wrong[one.kind] += not any(kind_of(span["type"]) == one.kind for span in labels)
    return result._replace(seconds=time.perf_counter() - begin)


def _share(part: int, whole: int) -> str:
    return f"{part}/{whole} = {part / whole:.3f}" if whole else "none"


def _precision(result: Score, kind: str) -> str:
    return _share(result.findings[kind] - result.wrong[kind], result.findings[kind])


def leaks(data: Sequence[dict[str, Any]]) -> tuple[Counter[str], Counter[str]]:
    """How often ``pii_leak`` sees one entity in a reply in which all others are masked, and how often it is wrong.

    Wrong is: a leak where nothing of a kind that we know is left, or where the turn holds the same text.
    """
    hits: Counter[str] = Counter()
    wrong: Counter[str] = Counter()
    for row in data:
        spans = [span for span in row["spans"] if span["type"] in KINDS]
        for span in spans:
            hits[span["type"]] += _leak(_masked(row["text"], [other for other in spans if other is not span]))
        wrong["nothing left"] += _leak(_masked(row["text"], [span for span in row["spans"] if span["type"] in OURS]))
        wrong["in the turn"] += _leak(row["text"], row["text"])
    return hits, wrong


def _leak(said: str, known: str = "Hello") -> bool:
    asked: Turn = turn(messages=[Message(role="user", content=known)])
    answer: Reply = reply(message=Message(role="assistant", content=said))
    return bool(PiiLeak().detect(asked, answer))


def _masked(text: str, spans: Sequence[dict[str, Any]]) -> str:
    for span in sorted(spans, key=lambda one: -one["start"]):
        text = f"{text[: span['start']]}…{text[span['end'] :]}"
    return text


def declared(data: Sequence[dict[str, Any]]) -> Iterator[str]:
    """Names and addresses that production declares: how many are left after redaction."""
    redaction = Redaction("on", b"a key that is long enough")
    gone: Counter[str] = Counter()
    all_of: Counter[str] = Counter()
    for row in data:
        spans = [span for span in row["spans"] if span["type"] in DECLARED]
        for span in spans:
            given = {"conversation_id": "c", "turn_id": "c:0", "known": [span["value"]]}
            left = redaction.apply(
                json.dumps({**given, "messages": [{"role": "user", "content": row["text"]}]}).encode(), limit=1_000_000
            )
            all_of[span["type"]] += 1
            gone[span["type"]] += span["value"] not in json.loads(left)["messages"][0]["content"]
    yield from (f"| {kind} | {_share(gone[kind], all_of[kind])} |" for kind in DECLARED)


def tables() -> Iterator[str]:
    """Lines of Markdown: what is found beside presidio, what leaks are seen, what nobody finds."""
    if find_spec("presidio_analyzer") is None:
        raise AbsentError("presidio-analyzer is not installed: `make evaluate` installs it")
    data = rows(SOURCE)
    mine = score(ours, data, lambda kind: OURS.get(kind, ""))
    finder = presidio(0.0)
    theirs, stricter = score(finder, data, str), score(presidio(0.4), data, str)
    hits, wrong = leaks(data)
    yield f"{len(data)} sentences of {SOURCE}. An entity is found if findings of its kind cover it wholly."
    yield ""
    yield (
        "| entity | redaction: recall | precision of its kind | pii_leak: recall | "
        + " | ".join(f"{name}: {what}" for name in ("presidio", "presidio >= 0.4") for what in ("recall", "precision"))
        + " |"
    )
    yield "|---|---|---|---|---|---|---|---|"
    for kind, name in KINDS.items():
        count = mine.entities[kind]
        cells = [
            _share(mine.covered[kind], count), _precision(mine, name), _share(hits[kind], count),
            _share(theirs.covered[kind], count), _precision(theirs, kind),
            _share(stricter.covered[kind], count), _precision(stricter, kind),
        ]  # fmt: skip
        yield f"| {kind} | {' | '.join(cells)} |"
    below = [kind for kind in KINDS if mine.covered[kind] < theirs.covered[kind]]
    yield ""
    yield f"Below presidio's recall: {', '.join(below) or 'no kind'}."
    masked, held = wrong["nothing left"], wrong["in the turn"]
    yield f"pii_leak, wrongly: {masked} with all entities masked, {held} where the turn holds the text."
    each = [f"{result.seconds / len(data) * 1e6:.0f} us" for result in (mine, theirs)]
    yield f"Time a sentence: {each[0]}, presidio {each[1]}."
    others = [f"{kind} {count}" for kind, count in sorted(theirs.findings.items()) if kind not in KINDS]
    yield f"presidio's findings of other kinds: {', '.join(others) or 'none'}."
    yield ""
    yield "| entity that no rule of ours looks for | labelled | redaction finds | presidio's patterns find | why |"
    yield "|---|---|---|---|---|"
    for kind, why in LEFT.items():
        yield f"| {kind} | {mine.entities[kind]} | {mine.covered[kind]} | {theirs.covered[kind]} | {why} |"
    yield ""
    yield "| declared by production (`known=`) | gone after redaction |"
    yield "|---|---|"
    yield from declared(data)


if __name__ == "__main__":
    for line in tables():
        print(line)
