"""The example package of docs/plugins.md, installed as an outsider's: listed, checked, and used by a comparison."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "docs" / "example-plugin"
OWN = {("shadow.measures", "questions"), ("shadow.failures", "placeholder"), ("shadow.slices", "shouting")}

CONFIG = """
version: 1
production: {owner: support, model: m}
comparator: {measures: [length, questions]}
slices: {use: [depth, shouting]}
"""

COMPARED = """
import json, zlib
from shadow import plugins
from shadow.comparator.compare import compare
from shadow.comparator.join import Held, Resolved
from shadow.config import parse
from shadow.conformance.samples import message, reply, turn
evaluator, revision = plugins.evaluator(parse(open("shadow.yaml").read(), "shadow.yaml"))
asked = turn("WHERE IS MY ORDER NOW?!")
held = [Held(one.to_json(), ("t", 0), 1.8e9, one) for one in (
    asked, reply(message("Sent.")), reply(message("Dear {{name}}, which order?"), arm="better"))]
[made] = compare([Resolved(0, held[0], "better", "r1", held[1], held[2], False)],
                 evaluator=evaluator, evaluator_revision=revision, now_s=1.8e9).comparisons
print(json.dumps({"scores": {name: score.value for name, score in made.measures.items()}, "slices": made.slices,
                  "failures": made.candidate.failures, "causes": made.candidate.causes}))
"""


class Place:
    """A folder with a configuration, and packages that are installed there and nowhere else."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "shadow.yaml").write_text(CONFIG)

    def install(self, source: Path, target: str = "outside") -> None:
        """As a user would, but into a folder: no registry, nothing left in this environment."""
        copy = self.folder / f"source-{target}"
        shutil.copytree(source, copy, ignore=shutil.ignore_patterns("build", "*.egg-info"))
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
        self.run(*command, "--target", str(self.folder / target), str(copy))

    def run(self, *command: str, targets: tuple[str, ...] = (), status: int = 0) -> subprocess.CompletedProcess[str]:
        path = os.pathsep.join([*(str(self.folder / target) for target in targets), str(ROOT)])
        environ = {**os.environ, "PYTHONPATH": path, "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
        done = subprocess.run(
            command, cwd=self.folder, env=environ, capture_output=True, text=True, check=False, timeout=400
        )
        assert done.returncode == status, f"{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
        return done

    def shadow(self, *arguments: str, targets: tuple[str, ...] = ("outside",), status: int = 0) -> str:
        done = self.run(sys.executable, "-m", "shadow.cli", *arguments, targets=targets, status=status)
        assert "Traceback" not in done.stderr
        return done.stdout + done.stderr


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    made = Place(tmp_path_factory.mktemp("outside"))
    made.install(EXAMPLE)
    return made


def test_it_is_listed_with_its_package_and_whether_it_is_in_use(place: Place) -> None:
    rows: list[dict[str, Any]] = json.loads(place.shadow("plugins", "list", "--json"))["plugins"]
    ours = {(row["family"], row["name"]): row for row in rows if row["package"] == "acme-support-plugins"}
    assert set(ours) == OWN
    assert {(row["package_version"], row["version"], row["in_use"]) for row in ours.values()} == {("0.3.0", "1", True)}
    assert all(row["summary"] and row["error"] is None for row in ours.values())
    used = {row["name"] for row in rows if row["in_use"]}
    assert {"length", "depth", "transport"} <= used
    assert "semantic" not in used
    shown = place.shadow("plugins", "list")
    assert "questions" in shown
    assert "acme-support-plugins 0.3.0" in shown


def test_it_passes_the_same_suite_as_the_builtin_ones(place: Place) -> None:
    lines = place.shadow("plugins", "test", "questions", "placeholder", "shouting", "depth").splitlines()
    assert [line.partition(":")[2].partition(",")[0] for line in lines] == [" good"] * 4


def test_it_is_measured(place: Place) -> None:
    found = json.loads(place.shadow("plugins", "bench", "--rounds", "1", "--json"))["microseconds"]
    assert {(row["family"], row["name"]) for row in found} >= OWN
    assert all(row["us"] > 0 for row in found)


def test_a_comparison_uses_it(place: Place) -> None:
    made = json.loads(place.run(sys.executable, "-c", COMPARED, targets=("outside",)).stdout)
    assert made["scores"] == {"length": pytest.approx(0.5), "questions": 1.0}
    assert made["slices"] == ["depth=1", "shouting"]
    assert made["causes"]["malformed"] == "a placeholder is left open"


def test_its_own_tests_pass(place: Place) -> None:
    tests = str(place.folder / "source-outside" / "tests")
    done = place.run(sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", tests, targets=("outside",))
    assert " passed" in done.stdout


def test_without_the_package_its_name_stops_start_up_and_the_known_ones_are_named(place: Place) -> None:
    said = place.shadow("check", targets=(), status=1)
    assert "comparator.measures: 'questions' is not installed; there are: action, escalation, facts, language" in said


def test_a_name_that_two_packages_claim_stops_start_up_and_both_are_named(place: Place) -> None:
    other = place.folder / "other"
    (other / "copycat").mkdir(parents=True)
    (other / "copycat" / "__init__.py").write_text(
        "from acme_support.questions import Questions\n\nclass Mine(Questions):\n    'Mine.'\n"
    )
    (other / "pyproject.toml").write_text(
        '[build-system]\nrequires = ["setuptools"]\nbuild-backend = "setuptools.build_meta"\n'
        '[project]\nname = "copycat"\nversion = "1"\n[tool.setuptools]\npackages = ["copycat"]\n'
        '[project.entry-points."shadow.measures"]\nquestions = "copycat:Mine"\n'
    )
    place.install(other, "double")
    for command in (("check",), ("plugins", "list"), ("plugins", "test")):
        said = place.shadow(*command, targets=("outside", "double"), status=1)
        assert "shadow.measures: 'questions' is claimed by" in said
        assert "acme_support.questions:Questions" in said
        assert "copycat:Mine" in said


@pytest.mark.timeout(900)
def test_one_that_cannot_be_loaded_or_hangs_is_named_and_the_others_are_still_tried(place: Place) -> None:
    broken = place.folder / "broken"
    (broken / "broken_ones").mkdir(parents=True)
    (broken / "broken_ones" / "__init__.py").write_text(
        "import time, urllib.request\nfrom shadow.events import Score\n\n"
        "class Sleeps:\n    'Sleeps on long replies.'\n    version = 1\n    def score(self, pairs):\n"
        "        time.sleep(600 * any(len(p.arm.text) > 99999 for p in pairs))\n"
        "        return [Score(value=0.0) for _ in pairs]\n\n"
        "class Reads(Sleeps):\n    'Reads a file.'\n    def score(self, pairs):\n"
        "        open('shadow.yaml').close()\n        return [Score(value=0.0) for _ in pairs]\n"
    )
    (broken / "pyproject.toml").write_text(
        '[build-system]\nrequires = ["setuptools"]\nbuild-backend = "setuptools.build_meta"\n'
        '[project]\nname = "broken-ones"\nversion = "1"\n[tool.setuptools]\npackages = ["broken_ones"]\n'
        '[project.entry-points."shadow.measures"]\nsleeps = "broken_ones:Sleeps"\nreads = "broken_ones:Reads"\n'
        'absent = "broken_ones:Absent"\n'
    )
    place.install(broken, "bad")
    said = place.shadow("plugins", "test", "reads", "absent", "length", targets=("outside", "bad"), status=1)
    assert "measures length (shadow-evaluator): good" in said
    for patience in ("15", "60", "120"):  # a busy machine takes its time to get to where it hangs
        arguments = ("plugins", "test", "--timeout", patience, "sleeps", "depth")
        hung = place.shadow(*arguments, targets=("outside", "bad"), status=1)
        assert f"has not ended after {patience} s" in hung
        assert "slices depth (shadow-evaluator): " in hung
        if f"takes bounded time: has not ended after {patience} s" in hung:
            break
    assert f"takes bounded time: has not ended after {patience} s" in hung
    assert "opens no file, socket or process: opens a file: 'shadow.yaml'" in said
    assert "cannot be loaded" in said
    assert "BROKEN" in said
    assert "cannot be loaded" in place.shadow("plugins", "list", targets=("outside", "bad"), status=1)
