"""One conformance suite over every registered plug-in, the one that ships; and plug-ins that break it are found."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shadow import plugins
from shadow.config import Comparator, Slices
from shadow.conformance import CHECKS, examine, isolated, run, samples
from shadow.conformance.answers import finding_faults, score_faults, slice_faults
from shadow.conformance.samples import JSON_TURN, TEXTS, TOOLS, TURN, TURNS, customer, message, reply
from shadow.measures import Pair
from shadow.slices.metadata import Metadata
from tests.fixtures import faulty_plugins as faulty

EVERY = [(family, name) for family in plugins.FAMILIES for name in sorted(plugins.installed(family))]
MEASURES = plugins.measures(sorted(plugins.installed("shadow.measures")))
DETECTORS = plugins.detectors()
SLICERS = {name: plugins.load("shadow.slices", [name])[name] for name in sorted(plugins.installed("shadow.slices"))}
SLICERS["metadata"] = Metadata({"channel": ["chat", "e mail"], "tier": []})


@pytest.mark.parametrize(("family", "name"), EVERY, ids=[name for _, name in EVERY])
def test_a_plugin_keeps_every_promise(family, name):
    results = dict(run(family, plugins.load(family, [name])[name]))
    assert list(results) == list(CHECKS[family])
    assert {check: faults for check, faults in results.items() if faults} == {}


def test_the_slicer_of_configured_fields_keeps_every_promise():
    assert {check: faults for check, faults in run("shadow.slices", SLICERS["metadata"]) if faults} == {}


@pytest.mark.parametrize("name", list(SLICERS))
def test_a_slicer_depends_on_nothing_but_the_turn(name):
    """Neither on the turns before, nor on how the process was started: a fresh one says the same of the last turn."""
    asked = customer("Where is my order?", "Das ist nicht, was ich bestellt habe. This is ridiculous!", tools=TOOLS[:1])
    before = dict(SLICERS[name].slices(asked))
    for other in TURNS:
        SLICERS[name].slices(other)
    assert SLICERS[name].slices(asked.model_copy(update={"turn_id": "t9", "conversation_id": "c9"})) == before
    kind = type(SLICERS[name])
    made = f"{kind.__name__}({ {'channel': ['chat', 'e mail'], 'tier': []} if name == 'metadata' else '' })"
    script = (
        f"import sys; from shadow.events import Turn; from {kind.__module__} import {kind.__name__}\n"
        f"asked = Turn.model_validate_json(sys.stdin.buffer.read()); print(sorted({made}.slices(asked).items()))"
    )
    fresh = subprocess.run(
        [sys.executable, "-c", script], input=asked.to_json(), capture_output=True, check=True, timeout=240,
        env={"PYTHONHASHSEED": "7", "TZ": "Asia/Tokyo", "LC_ALL": "C"},
    )  # fmt: skip
    assert fresh.stdout.decode() == f"{sorted(before.items())}\n"


@pytest.mark.parametrize(("family", "name"), [("shadow.measures", "semantic"), ("shadow.failures", "malformed")])
def test_a_plugin_touches_nothing_of_the_world(family, name):
    """The two that load most; ``shadow plugins test`` tries all."""
    assert examine(family, name).broken == {}


@pytest.mark.parametrize(("plugin", "check"), faulty.CASES, ids=[type(plugin).__name__ for plugin, _ in faulty.CASES])
def test_a_broken_promise_is_found_by_its_own_check(plugin, check):
    family = next(family for family, protocol in plugins.FAMILIES.items() if isinstance(plugin, protocol))
    broken = {name: faults for name, faults in run(family, plugin) if faults}
    assert check in broken, broken


def test_the_watch_sees_files_sockets_and_processes_and_lets_imports_be():
    watch = isolated.Watch()
    watch("open", ("/etc/hostname", "r", 0))
    watch("socket.connect", ("self", ("192.0.2.1", 80)))
    assert [fault.partition(":")[0] for fault in watch.found] == ["connects"]  # loading: its own files are its own
    watch.loading = False
    watch("open", ("/x/module.py", "r", 0))
    watch("open", ("/etc/hostname", "r", 0))
    watch("open", ("/etc/hostname", "r", 0))
    assert watch.found[1:] == ["opens a file: '/etc/hostname'"]


JSONS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=12,
)
UTF8 = st.characters(codec="utf-8")
SAID = st.builds(
    message,
    st.text(UTF8, max_size=200) | st.sampled_from(list(TEXTS.values())),
    st.none() | st.text(UTF8, max_size=40) | JSONS.map(json.dumps),
    st.sampled_from(["get_order", "x", ""]),
)


@settings(max_examples=150, deadline=None)
@given(SAID, SAID)
def test_whatever_is_said(left, right):
    """The suite's own replies come from a seed; these are new ones each time, and shrink."""
    for measure in MEASURES.values():
        assert list(score_faults(measure.score([Pair(TURN, left, right)]), 1)) == []
    for detector in DETECTORS.values():
        assert list(finding_faults(detector.detect(TURN, reply(left)))) == []
        assert list(finding_faults(detector.detect(JSON_TURN, reply(right)))) == []
    for slicer in SLICERS.values():
        assert list(slice_faults(slicer.slices(customer(left.text, right.text)), slicer.names)) == []


def test_half_a_character_that_no_record_can_hold_breaks_no_detector():
    """An arm in the same process may return it."""
    for detector in DETECTORS.values():
        assert list(finding_faults(detector.detect(TURN, reply(message("\ud800 \udfff 5 USD"))))) == []


def test_the_defaults_are_installed_and_each_builtin_says_what_it_is():
    assert set(Comparator().measures) <= set(MEASURES)
    assert set(Slices().use) <= set(plugins.installed("shadow.slices"))
    for plugin in (*MEASURES.values(), *DETECTORS.values(), *SLICERS.values()):
        assert isinstance(plugin.version, int)
        assert " us" in (type(plugin).__doc__ or "")


def test_fuzzed_input_is_the_same_each_time_and_never_twice_the_same():
    said = list(samples.fuzzed(50))
    assert said == list(samples.fuzzed(50))
    assert len({one.to_json() for one in said}) > 35
