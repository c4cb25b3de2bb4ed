"""The evaluation's own parts: what it counts, what it reads, and where it writes."""

from __future__ import annotations

import os
import random
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.evaluate import facts, fuzz
from tests.evaluate.__main__ import modules, written
from tests.evaluate.data import half
from tests.evaluate.functions import written_calls
from tests.evaluate.table import Tally, table

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "evaluation.md").read_text(encoding="utf-8")


def test_precision_and_recall_are_none_where_nothing_was_said_or_true():
    tally = Tally()
    assert (tally.precision, tally.recall, tally.alarm_rate) == (None, None, None)
    for said, true in ((True, True), (True, False), (True, False), (False, True), (False, False)):
        tally.add(said=said, true=true)
    assert (tally.precision, tally.recall, tally.alarm_rate) == (1 / 3, 1 / 2, 2 / 3)


def test_a_table_tells_no_figure_from_zero():
    assert "| -    | 0.000 |" in table("T", ("what", "share"), [(None, 0.0)])


@pytest.mark.parametrize(
    ("text", "calls"),
    [
        ("[a.b(x=1, y=['z'])]", [("a.b", {"x": 1, "y": ["z"]})]),
        ("a(x=(1, 2)), a()", [("a", {"x": [1, 2]}), ("a", {})]),
        ("```python\n[a(x=1)]\n```", []),
        ("[{'a': {'x': 1}}]", []),
        ("[a(1)]", []),
        ("[a(x=b(y=1))]", []),
        ("None of them fits.", []),
        ("(" * 5_000, []),
    ],
)
def test_what_a_prompted_model_writes_is_taken_as_strictly_as_its_consumer_does(text, calls):
    assert [(call["name"], call["arguments"]) for call in written_calls(text)] == calls


def test_a_task_is_wholly_in_one_half():
    assert half({"split_key": "a"}) == half({"split_key": "a", "model": "b"})
    assert {half({"split_key": str(number)}) for number in range(20)} == {"tuned", "fresh"}


def test_a_modules_tables_replace_what_stood_between_its_markers():
    page = written("# Page\n", "one", "first\n")
    assert written(written(page, "two", "x\n"), "one", "second\n").count("first") == 0
    assert written(page, "one", "first\n") == page


def test_every_section_of_the_documentation_is_printed_by_a_module():
    sections = re.findall(r"<!-- make evaluate: (\w+) -->", PAGE)
    assert len(sections) > 5
    assert set(sections) <= modules().keys()


def test_without_data_it_says_so_and_goes_on(tmp_path):
    environ = {**os.environ, "SHADOW_DATA_DIR": str(tmp_path)}
    command = [sys.executable, "-m", "tests.evaluate", "actions", "bfcl", "same_or_other"]
    done = subprocess.run(command, cwd=ROOT, env=environ, check=True, capture_output=True, text=True)
    assert done.stdout.count("skipped: ") == 3


def test_figures_are_not_replaced_by_nothing(tmp_path):
    environ = {**os.environ, "SHADOW_DATA_DIR": str(tmp_path)}
    command = [sys.executable, "-m", "tests.evaluate", "actions", "--write"]
    done = subprocess.run(command, cwd=ROOT, env=environ, check=False, capture_output=True, text=True)
    assert (done.returncode, "SHADOW_DATA_DIR" in done.stderr) == (2, True)


@pytest.mark.parametrize("language", list(facts.WORDINGS))
def test_one_changed_fact_is_seen_and_another_wording_is_none(language, monkeypatch):
    """At least 98 of 100, either way, in every language."""
    monkeypatch.setattr(facts, "GENERATED", 300)
    cases = list(facts.generated(language, random.Random(1)))
    tally = Tally()
    for (*_, changed), score in zip(cases, facts.scored("facts", cases), strict=True):
        tally.add(said=score > 0, true=changed)
    assert tally.hits + tally.misses == 150
    assert min(tally.recall, tally.precision) >= 0.98


def test_random_replies_neither_crash_nor_hang_a_plugin(monkeypatch):
    """What hangs takes seconds. The page's 50 ms are of one machine, and half of them are used: another is slower."""
    monkeypatch.setattr(fuzz, "LIMIT_S", 0.5)
    monkeypatch.setattr(fuzz, "REPLIES", 400)
    monkeypatch.setattr(fuzz, "LONG", 4)
    summary, _ = fuzz.tables()
    assert re.search(r"\| 400 +\| 4 +\| \d+ +\| 0 +\| 0 +\| 0 +\|", summary), summary


def test_a_plugin_that_breaks_its_promise_is_named():
    log = fuzz.Log()
    assert log.call("measure x", 3, lambda: 1 / 0) is None
    assert log.broken == ["measure x raised ZeroDivisionError('division by zero') on 3 characters"]
