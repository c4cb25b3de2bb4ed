"""What is wrong with a plug-in's answer: one line for each fault, none if the answer keeps to the contract."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from shadow.conformance.samples import CANARY
from shadow.events import FAILURE_KINDS, Message, Score


def score_faults(scores: Any, count: int) -> Iterator[str]:
    """What is wrong with a measure's answer to ``count`` pairs."""
    if not isinstance(scores, list) or len(scores) != count:
        yield f"gives {short(scores)} for {count} pairs, not a list of as many scores"
        return
    for score in scores:
        if not isinstance(score, Score):
            yield f"gives {short(score)}, not a Score"
        elif (score.value is None) == (score.abstained is None):
            yield f"gives {short(score)}: a score is either a value or abstained"
        elif score.value is not None and not 0.0 <= score.value <= 1.0:  # NaN is not within either
            yield f"scores {score.value!r}, which is not within 0..1"
        elif score.abstained == "":
            yield "abstains without a reason"


def finding_faults(found: Any) -> Iterator[str]:
    """What is wrong with a detector's answer."""
    unknown = f"no kind of failure; there are: {', '.join(FAILURE_KINDS)}"
    return _mapping_faults(found, ("kinds", "causes"), FAILURE_KINDS, unknown)


def slice_faults(found: Any, names: Sequence[str]) -> Iterator[str]:
    """What is wrong with a slicer's answer."""
    return _mapping_faults(found, ("slices", "reasons"), names, "not among its names")


def _mapping_faults(found: Any, what: tuple[str, str], known: Sequence[str], unknown: str) -> Iterator[str]:
    names, reasons = what
    if not isinstance(found, Mapping):
        yield f"gives {short(found)}, not a mapping of {names} to {reasons}"
        return
    for name, why in found.items():
        if name not in known:
            yield f"says {name!r:.60}, which is {unknown}"
        yield from _words_faults(f"the {reasons[:-1]} of {name}", why)


def _words_faults(what: str, words: Any) -> Iterator[str]:
    if not isinstance(words, str):
        yield f"{what} is {short(words)}, not a text"
    elif len(words.splitlines()) > 1:
        yield f"{what} is more than one line"
    elif CANARY in words:
        yield f"{what} repeats personal data"


def short(value: object) -> str:
    """Sixty characters of what was given, fit for a terminal."""
    return ascii(value)[:60]


def on_reply(said: Message, faults: Iterable[str]) -> Iterator[str]:
    """The faults, each with the reply (or the message) it is about."""
    return (f"{fault}: {said_in(said)}" for fault in faults)


def said_in(said: Message) -> str:
    """What to show of a message."""
    return short(said.text or [call.function.arguments for call in said.tool_calls or ()])
