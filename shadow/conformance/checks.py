"""The checks: functions from a plug-in to what it breaks, one line each; empty if it keeps its promise.

A check of this table that raises is a broken promise too: see :func:`run`.
"""

from __future__ import annotations

import inspect
import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice
from typing import Any, Final, get_args

from shadow.conformance import samples, trials
from shadow.conformance.answers import finding_faults, on_reply, said_in, score_faults, short, slice_faults
from shadow.conformance.samples import JSON_TURN, MESSAGES, TURN, TURNS, reply
from shadow.events import Score, SliceName
from shadow.failures import Detector
from shadow.measures import Measure, Pair
from shadow.slices import MAX_SLICES, Slicer

SHOWN: Final = 3
"""So many faults of one check are named; one is enough to mend it."""

TOLERANCE: Final = 1e-5
"""Scores of one pair may differ by this much between batches: sums of embeddings in another order."""

UNTOUCHED: Final = "leaves turn and reply alone"

_PAIRS: Final = [Pair(TURN, left, right) for left in MESSAGES for right in MESSAGES[::3]]
_SLICE: Final = re.compile(get_args(SliceName)[1].metadata[0].pattern)


def _declared(plugin: object) -> Iterator[str]:
    if not isinstance(getattr(plugin, "version", None), int):
        yield "has no version: a whole number, another one whenever it judges otherwise"
    if not inspect.getdoc(type(plugin)):
        yield "has no docstring: what it returns, when it abstains, its cost"


def _scores(measure: Measure) -> Iterator[str]:
    yield from score_faults(measure.score(_PAIRS), len(_PAIRS))
    yield from score_faults(measure.score([]), 0)


def _same_scores(measure: Measure) -> Iterator[str]:
    """Twice, backwards, and one by one."""
    scores = measure.score(_PAIRS)
    if measure.score(_PAIRS) != scores:
        yield "scores the same pairs differently when asked again"
    for what, others in (
        ("in another order", measure.score(_PAIRS[::-1])[::-1]),
        ("one by one", [measure.score([pair])[0] for pair in _PAIRS[:20]]),
    ):
        differing = [pair for pair, a, b in zip(_PAIRS, scores, others, strict=False) if not _alike(a, b)]
        if differing:
            yield f"scores a pair differently {what} than in a batch: {said_in(differing[0].arm)}"


def _alike(one: Score, other: Score) -> bool:
    if one.value is None or other.value is None:
        return one.abstained == other.abstained and one.value == other.value
    return math.isclose(one.value, other.value, abs_tol=TOLERANCE)


def _identical(measure: Measure) -> Iterator[str]:
    for said, score in zip(MESSAGES, measure.score([Pair(TURN, said, said) for said in MESSAGES]), strict=True):
        if score.value is not None and score.value > TOLERANCE:
            yield f"scores {score.value:g} where both replies are the same: {said_in(said)}"


def _detected(detector: Detector) -> Iterator[str]:
    for asked in TURNS:
        for said in MESSAGES:
            yield from on_reply(said, finding_faults(detector.detect(asked, reply(said))))
    for kind in ("timeout", "provider_error", "rate_limited"):
        if others := set(detector.detect(TURN, reply(failure={"kind": kind}))) - {kind}:
            yield f"says {min(others)} of a call that ended with {kind}"
    if detector.detect(TURN, reply(shed="budget")):
        yield "finds something wrong with a turn that was shed: the arm was not asked"


def _detected_again(detector: Detector) -> Iterator[str]:
    for asked in (TURN, JSON_TURN):
        for said in MESSAGES:
            if dict(detector.detect(asked, reply(said))) != dict(detector.detect(asked, reply(said))):
                yield f"finds something else when asked again: {said_in(said)}"


def _named(slicer: Slicer) -> Iterator[str]:
    names = slicer.names
    if not isinstance(names, tuple) or not names:
        yield f"names is {short(names)}, not a tuple of everything that it may ever say"
        return
    if len(names) > MAX_SLICES:
        yield f"has {len(names)} names; {MAX_SLICES} at most, all slicers together"
    if len(set(names)) != len(names):
        yield "has one name twice"
    yield from (f"{name!r:.60} is no slice's name: {_SLICE.pattern}" for name in names if not _SLICE.match(str(name)))


def _sliced(slicer: Slicer) -> Iterator[str]:
    for asked in TURNS:
        yield from on_reply(asked.messages[-1], slice_faults(slicer.slices(asked), slicer.names))
    shown = " ".join(slicer.slices(samples.TALKATIVE).values()).lower()
    yield from (f"a reason repeats the customer's word {word!r}" for word in samples.QUOTED if word in shown)


def _sliced_again(slicer: Slicer) -> Iterator[str]:
    first = [dict(slicer.slices(asked)) for asked in TURNS]
    if first != [dict(slicer.slices(asked)) for asked in TURNS]:
        yield "says something else of the same turn when asked again"
    if first != [dict(slicer.slices(asked)) for asked in TURNS[::-1]][::-1]:
        yield "says something else of a turn after other turns"


Checks = Mapping[str, Callable[[Any], Iterable[str]]]

CHECKS: Final[Mapping[str, Checks]] = {
    "shadow.measures": {
        "declares what it is": _declared,
        UNTOUCHED: trials.untouched(trials.scored),
        "scores 0..1 or abstains with a reason": _scores,
        "scores a pair always the same": _same_scores,
        "scores 0 where nothing differs, or abstains": _identical,
        "bears any reply": trials.fuzzed_measure,
        "takes bounded time": trials.timely(trials.measure_calls),
    },
    "shadow.failures": {
        "declares what it is": _declared,
        UNTOUCHED: trials.untouched(lambda plugin, asked, said: plugin.detect(asked, said)),
        "keeps to the closed kinds": _detected,
        "finds always the same": _detected_again,
        "bears any reply": trials.fuzzed_detector,
        "takes bounded time": trials.timely(trials.detector_calls),
    },
    "shadow.slices": {
        "declares what it is": _declared,
        UNTOUCHED: trials.untouched(lambda plugin, asked, _: plugin.slices(asked)),
        "declares its names": _named,
        "keeps to its names": _sliced,
        "says always the same": _sliced_again,
        "bears any turn": trials.fuzzed_slicer,
        "takes bounded time": trials.timely(trials.slicer_calls),
    },
}
"""Family to check to what it breaks; names say what is promised."""


def run(
    family: str, plugin: object, *, begun: Callable[[str], None] = lambda _: None
) -> Iterator[tuple[str, list[str]]]:
    """Each check of the family with what ``plugin`` breaks, three lines at most; one that raises is a fault too.

    ``begun`` hears of each check before it runs. Ends early with a plug-in that changes what it is given: the rest
    would try it on what it has changed.
    """
    for name, check in CHECKS[family].items():
        begun(name)
        faults = []
        try:
            for fault in islice(check(plugin), SHOWN):
                faults.append(fault)  # noqa: PERF402 (what was found before it raised is kept)
        except Exception as error:  # noqa: BLE001 (an outsider's code: whatever it raises is its fault)
            faults.append(f"raises {error!r:.200}")
        yield name, faults
        if faults and name == UNTOUCHED:
            return
