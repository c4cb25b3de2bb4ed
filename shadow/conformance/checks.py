"""The checks: functions from a plug-in to what it breaks, one line each; empty if it keeps its promise.

A check of this table that raises is a broken promise too: see :func:`run`.
"""

from __future__ import annotations

import inspect
import math
import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from itertools import islice
from typing import Any, Final, get_args

from shadow.conformance import samples
from shadow.conformance.samples import CANARY, JSON_TURN, MESSAGES, TURN, TURNS, message, reply
from shadow.events import FAILURE_KINDS, Message, Reply, Score, SliceName, Turn
from shadow.failures import Detector
from shadow.measures import Measure, Pair
from shadow.slices import MAX_SLICES, Slicer

LIMIT_S: Final = 1.0
"""Processor time of one call on a megabyte: that nothing hangs; what each costs is for ``costs`` to say."""

SHOWN: Final = 3
"""So many faults of one check are named; one is enough to mend it."""

TOLERANCE: Final = 1e-5
"""Scores of one pair may differ by this much between batches: sums of embeddings in another order."""

UNTOUCHED: Final = "leaves turn and reply alone"
FUZZED: Final = 300
RUNS: Final = 3

_PAIRS: Final = [Pair(TURN, left, right) for left in MESSAGES for right in MESSAGES[::3]]
_SLICE: Final = re.compile(get_args(SliceName)[1].metadata[0].pattern)


def score_faults(scores: Any, count: int) -> Iterator[str]:
    """What is wrong with a measure's answer to ``count`` pairs."""
    if not isinstance(scores, list) or len(scores) != count:
        yield f"gives {_short(scores)} for {count} pairs, not a list of as many scores"
        return
    for score in scores:
        if not isinstance(score, Score):
            yield f"gives {_short(score)}, not a Score"
        elif (score.value is None) == (score.abstained is None):
            yield f"gives {_short(score)}: a score is either a value or abstained"
        elif score.value is not None and not 0.0 <= score.value <= 1.0:  # NaN is not within either
            yield f"scores {score.value!r}, which is not within 0..1"
        elif score.abstained == "":
            yield "abstains without a reason"


def finding_faults(found: Any) -> Iterator[str]:
    """What is wrong with a detector's answer."""
    if not isinstance(found, Mapping):
        yield f"gives {_short(found)}, not a mapping of kinds to causes"
        return
    for kind, cause in found.items():
        if kind not in FAILURE_KINDS:
            yield f"says {kind!r:.60}, which is no kind of failure; there are: {', '.join(FAILURE_KINDS)}"
        yield from _words_faults(f"the cause of {kind}", cause)


def slice_faults(found: Any, names: Sequence[str]) -> Iterator[str]:
    """What is wrong with a slicer's answer."""
    if not isinstance(found, Mapping):
        yield f"gives {_short(found)}, not a mapping of slices to reasons"
        return
    for name, why in found.items():
        if name not in names:
            yield f"says {name!r:.60}, which is not among its names"
        yield from _words_faults(f"the reason of {name}", why)


def _words_faults(what: str, words: Any) -> Iterator[str]:
    if not isinstance(words, str):
        yield f"{what} is {_short(words)}, not a text"
    elif len(words.splitlines()) > 1:
        yield f"{what} is more than one line"
    elif CANARY in words:
        yield f"{what} repeats personal data"


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
            yield f"scores a pair differently {what} than in a batch: {_said(differing[0].arm)}"


def _alike(one: Score, other: Score) -> bool:
    if one.value is None or other.value is None:
        return one.abstained == other.abstained and one.value == other.value
    return math.isclose(one.value, other.value, abs_tol=TOLERANCE)


def _identical(measure: Measure) -> Iterator[str]:
    for said, score in zip(MESSAGES, measure.score([Pair(TURN, said, said) for said in MESSAGES]), strict=True):
        if score.value is not None and score.value > TOLERANCE:
            yield f"scores {score.value:g} where both replies are the same: {_said(said)}"


def _detected(detector: Detector) -> Iterator[str]:
    for asked in TURNS:
        for said in MESSAGES:
            yield from _on(said, finding_faults(detector.detect(asked, reply(said))))
    for kind in ("timeout", "provider_error", "rate_limited"):
        if others := set(detector.detect(TURN, reply(failure={"kind": kind}))) - {kind}:
            yield f"says {min(others)} of a call that ended with {kind}"
    if detector.detect(TURN, reply(shed="budget")):
        yield "finds something wrong with a turn that was shed: the arm was not asked"


def _detected_again(detector: Detector) -> Iterator[str]:
    for asked in (TURN, JSON_TURN):
        for said in MESSAGES:
            if dict(detector.detect(asked, reply(said))) != dict(detector.detect(asked, reply(said))):
                yield f"finds something else when asked again: {_said(said)}"


def _named(slicer: Slicer) -> Iterator[str]:
    names = slicer.names
    if not isinstance(names, tuple) or not names:
        yield f"names is {_short(names)}, not a tuple of everything that it may ever say"
        return
    if len(names) > MAX_SLICES:
        yield f"has {len(names)} names; {MAX_SLICES} at most, all slicers together"
    if len(set(names)) != len(names):
        yield "has one name twice"
    yield from (f"{name!r:.60} is no slice's name: {_SLICE.pattern}" for name in names if not _SLICE.match(str(name)))


def _sliced(slicer: Slicer) -> Iterator[str]:
    for asked in TURNS:
        yield from _on(asked.messages[-1], slice_faults(slicer.slices(asked), slicer.names))
    shown = " ".join(slicer.slices(samples.TALKATIVE).values()).lower()
    yield from (f"a reason repeats the customer's word {word!r}" for word in samples.QUOTED if word in shown)


def _sliced_again(slicer: Slicer) -> Iterator[str]:
    first = [dict(slicer.slices(asked)) for asked in TURNS]
    if first != [dict(slicer.slices(asked)) for asked in TURNS]:
        yield "says something else of the same turn when asked again"
    if first != [dict(slicer.slices(asked)) for asked in TURNS[::-1]][::-1]:
        yield "says something else of a turn after other turns"


def _fuzzed_measure(measure: Measure) -> Iterator[str]:
    said = list(samples.fuzzed(2 * FUZZED))
    for left, right in zip(said[::2], said[1::2], strict=True):
        yield from _trial(right, partial(_of_pair, measure, left, right))


def _fuzzed_detector(detector: Detector) -> Iterator[str]:
    for said in samples.fuzzed(FUZZED):
        for asked in (TURN, JSON_TURN):
            yield from _trial(said, partial(_of_reply, detector, asked, said))


def _fuzzed_slicer(slicer: Slicer) -> Iterator[str]:
    for asked in samples.fuzzed_turns(FUZZED):
        yield from _trial(asked.messages[-1], partial(_of_turn, slicer, asked))


def _of_pair(measure: Measure, left: Message, right: Message) -> Iterator[str]:
    return score_faults(measure.score([Pair(TURN, left, right)]), 1)


def _of_reply(detector: Detector, asked: Turn, said: Message) -> Iterator[str]:
    return finding_faults(detector.detect(asked, reply(said)))


def _of_turn(slicer: Slicer, asked: Turn) -> Iterator[str]:
    return slice_faults(slicer.slices(asked), slicer.names)


def _trial(said: Message, work: Callable[[], Iterator[str]]) -> Iterator[str]:
    try:
        yield from _on(said, list(work()))
    except Exception as error:  # noqa: BLE001 (an outsider's code: whatever it raises is its fault)
        yield f"raises {error!r:.120}: {_said(said)}"


def _measure_calls(text: str, measure: Measure) -> Iterator[Callable[[], Any]]:
    said, grown, called = message(text), message(text + "x"), message("", text)
    for left, right in ((said, grown), (called, called)):
        yield partial(measure.score, [Pair(TURN, left, right)])


def _detector_calls(text: str, detector: Detector) -> Iterator[Callable[[], Any]]:
    for asked in (TURN, JSON_TURN, samples.turn(text)):
        for said in (message(text + "x"), message("", text)):
            yield partial(detector.detect, asked, reply(said))


def _slicer_calls(text: str, slicer: Slicer) -> Iterator[Callable[[], Any]]:
    earlier = [Message(role="user", content=text[: len(text) // 4])] * 3
    for asked in (
        samples.turn(text),
        samples.turn(messages=[*earlier, Message(role="user", content="Hello?")]),
        samples.customer("Where is it?", text, text + "x"),
    ):
        yield partial(slicer.slices, asked)


def _timely(calls: Callable[[str, Any], Iterator[Callable[[], Any]]]) -> Callable[[Any], Iterator[str]]:
    def check(plugin: Any) -> Iterator[str]:
        for name, text in samples.HUGE.items():
            took = max(map(_best, calls(text, plugin)))
            if took >= LIMIT_S:
                yield f"takes {took:.1f} s of processor time on a megabyte of {name}; {LIMIT_S:g} s at most"

    return check


def _best(work: Callable[[], Any]) -> float:
    """Processor seconds, the best of three runs: the machine may be busy, the plug-in may not."""
    times = []
    for _ in range(RUNS):
        began = time.process_time()
        work()
        times.append(time.process_time() - began)
        if times[-1] < LIMIT_S:
            break
    return min(times)


def _untouched(work: Callable[[Any, Turn, Reply], Any]) -> Callable[[Any], Iterator[str]]:
    def check(plugin: Any) -> Iterator[str]:
        said = reply(message("Sent on 3 May, $20.", '{"order": "AB-10234"}'))
        asked = TURN.model_copy(deep=True)
        before = asked.to_json(), said.to_json()
        work(plugin, asked, said)
        if (asked.to_json(), said.to_json()) != before:
            yield "changes the turn or the reply that it is given: other plug-ins see them too"

    return check


def _scored(measure: Measure, asked: Turn, said: Reply) -> None:
    assert said.message is not None  # noqa: S101 (narrows the type: it was made with one)
    measure.score([Pair(asked, said.message, said.message)])


Checks = Mapping[str, Callable[[Any], Iterable[str]]]

CHECKS: Final[Mapping[str, Checks]] = {
    "shadow.measures": {
        "declares what it is": _declared,
        UNTOUCHED: _untouched(_scored),
        "scores 0..1 or abstains with a reason": _scores,
        "scores a pair always the same": _same_scores,
        "scores 0 where nothing differs, or abstains": _identical,
        "bears any reply": _fuzzed_measure,
        "takes bounded time": _timely(_measure_calls),
    },
    "shadow.failures": {
        "declares what it is": _declared,
        UNTOUCHED: _untouched(lambda plugin, asked, said: plugin.detect(asked, said)),
        "keeps to the closed kinds": _detected,
        "finds always the same": _detected_again,
        "bears any reply": _fuzzed_detector,
        "takes bounded time": _timely(_detector_calls),
    },
    "shadow.slices": {
        "declares what it is": _declared,
        UNTOUCHED: _untouched(lambda plugin, asked, _: plugin.slices(asked)),
        "declares its names": _named,
        "keeps to its names": _sliced,
        "says always the same": _sliced_again,
        "bears any turn": _fuzzed_slicer,
        "takes bounded time": _timely(_slicer_calls),
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


def _on(said: Message, faults: Iterable[str]) -> Iterator[str]:
    return (f"{fault}: {_said(said)}" for fault in faults)


def _said(said: Message) -> str:
    return _short(said.text or [call.function.arguments for call in said.tool_calls or ()])


def _short(value: object) -> str:
    return ascii(value)[:60]
