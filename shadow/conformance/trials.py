"""Plug-ins under strain: replies and turns that nobody would write, a megabyte of them, and nothing changed by them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, Final

from shadow.conformance import samples
from shadow.conformance.answers import finding_faults, on_reply, said_in, score_faults, slice_faults
from shadow.conformance.samples import JSON_TURN, TURN, message, reply
from shadow.events import Message, Reply, Turn
from shadow.failures import Detector
from shadow.measures import Measure, Pair
from shadow.slices import Slicer

LIMIT_S: Final = 1.0
"""Processor time of one call on a megabyte: that nothing hangs; what each costs is for ``costs`` to say."""

FUZZED: Final = 300
RUNS: Final = 3


def fuzzed_measure(measure: Measure) -> Iterator[str]:
    """Three hundred pairs of replies that nobody would write."""
    said = list(samples.fuzzed(2 * FUZZED))
    for left, right in zip(said[::2], said[1::2], strict=True):
        yield from _trial(right, partial(_of_pair, measure, left, right))


def fuzzed_detector(detector: Detector) -> Iterator[str]:
    """Three hundred replies that nobody would write, to two turns."""
    for said in samples.fuzzed(FUZZED):
        for asked in (TURN, JSON_TURN):
            yield from _trial(said, partial(_of_reply, detector, asked, said))


def fuzzed_slicer(slicer: Slicer) -> Iterator[str]:
    """Three hundred turns that nobody would write."""
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
        yield from on_reply(said, list(work()))
    except Exception as error:  # noqa: BLE001 (an outsider's code: whatever it raises is its fault)
        yield f"raises {error!r:.120}: {said_in(said)}"


def measure_calls(text: str, measure: Measure) -> Iterator[Callable[[], Any]]:
    """A measure's calls on a megabyte: as texts that differ at the end, and in a tool call."""
    said, grown, called = message(text), message(text + "x"), message("", text)
    for left, right in ((said, grown), (called, called)):
        yield partial(measure.score, [Pair(TURN, left, right)])


def detector_calls(text: str, detector: Detector) -> Iterator[Callable[[], Any]]:
    """A detector's calls on a megabyte: in the turn, in the reply, in a tool call."""
    for asked in (TURN, JSON_TURN, samples.turn(text)):
        for said in (message(text + "x"), message("", text)):
            yield partial(detector.detect, asked, reply(said))


def slicer_calls(text: str, slicer: Slicer) -> Iterator[Callable[[], Any]]:
    """A slicer's calls on a megabyte: as the last message, as the history, as both."""
    earlier = [Message(role="user", content=text[: len(text) // 4])] * 3
    for asked in (
        samples.turn(text),
        samples.turn(messages=[*earlier, Message(role="user", content="Hello?")]),
        samples.customer("Where is it?", text, text + "x"),
    ):
        yield partial(slicer.slices, asked)


def timely(calls: Callable[[str, Any], Iterator[Callable[[], Any]]]) -> Callable[[Any], Iterator[str]]:
    """The check that none of ``calls`` takes longer than :data:`LIMIT_S`, whatever the megabyte is made of."""

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


def untouched(work: Callable[[Any, Turn, Reply], Any]) -> Callable[[Any], Iterator[str]]:
    """The check that ``work`` changes neither turn nor reply."""

    def check(plugin: Any) -> Iterator[str]:
        said = reply(message("Sent on 3 May, $20.", '{"order": "AB-10234"}'))
        asked = TURN.model_copy(deep=True)
        before = asked.to_json(), said.to_json()
        work(plugin, asked, said)
        if (asked.to_json(), said.to_json()) != before:
            yield "changes the turn or the reply that it is given: other plug-ins see them too"

    return check


def scored(measure: Measure, asked: Turn, said: Reply) -> None:
    """One pair scored."""
    assert said.message is not None  # noqa: S101 (narrows the type: it was made with one)
    measure.score([Pair(asked, said.message, said.message)])
