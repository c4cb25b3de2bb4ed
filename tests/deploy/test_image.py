"""deploy/Dockerfile: its lint, what it copies, and its own steps, carried out without docker."""

from __future__ import annotations

import fnmatch
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest

from shadow import __version__
from tests.fixtures.brokers import free_ports, show_log
from tests.fixtures.manifests import DEPLOY, ROOT, run, tool
from tests.fixtures.stopwatch import stopwatch

DOCKERFILE = DEPLOY / "Dockerfile"
PREFIX = "/opt/shadow"
UID = 10001
GRACE_S = 30.0
PATIENCE_S = 120.0

pytestmark = pytest.mark.timeout(900)  # what is installed is half a gigabyte, and the machine may be busy


class Step(NamedTuple):
    stage: int
    word: str
    rest: str


def steps() -> list[Step]:
    """The instructions, continued lines joined."""
    text = re.sub(r"\\\n\s*", "", DOCKERFILE.read_text(encoding="utf-8"))
    found, stage = [], -1
    for line in text.splitlines():
        if line and not line.startswith("#"):
            word, _, rest = line.partition(" ")
            stage += word == "FROM"
            found.append(Step(stage, word, rest))
    return found


def of(word: str, stage: int) -> list[str]:
    return [step.rest for step in steps() if (step.word, step.stage) == (word, stage)]


def test_hadolint_finds_nothing() -> None:
    done = run(tool("hadolint"), DOCKERFILE)
    assert (done.returncode, done.stdout) == (0, "")


def test_hadolint_would_find_something(tmp_path: Path) -> None:
    bad = tmp_path / "Dockerfile"
    bad.write_text(DOCKERFILE.read_text(encoding="utf-8").replace("3.11.13-slim-bookworm", "latest"))
    assert run(tool("hadolint"), bad).returncode == 1


def test_the_image_is_small_pinned_and_no_roots() -> None:
    bases = {step.rest.split()[0] for step in steps() if step.word == "FROM"}
    assert len(bases) == 1
    assert all(re.fullmatch(r"python:3\.1[123]\.\d+-slim-bookworm", base) for base in bases)
    assert (of("USER", 1), of("ENTRYPOINT", 1)) == ([f"{UID}:{UID}"], ['["shadow"]'])
    assert of("RUN", 1) == []
    assert f"shadow-evaluator:{__version__} " in DOCKERFILE.read_text(encoding="utf-8")


def ignored(path: str) -> bool:
    """Whether .dockerignore keeps a path out of the build; the last line that fits decides."""
    out = False
    for line in (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            pattern, back = line.removeprefix("!"), line.startswith("!")
            parts = [path, *map(str, Path(path).parents)]
            fits = any(fnmatch.fnmatch(part, pattern.removeprefix("**/")) for part in parts) or (
                pattern.startswith("**/") and pattern[3:] in Path(path).parts
            )
            out = not back if fits else out
    return out


def test_the_build_sees_what_it_copies_and_nothing_else() -> None:
    copied = [source for rest in of("COPY", 0) for source in rest.split()[:-1]]
    assert [source for source in copied if ignored(source) or not (ROOT / source).exists()] == []
    seen = {path.name for path in ROOT.iterdir() if not ignored(path.name)}
    assert seen == set(copied)
    kept_out = (".git/config", "deploy/.env", ".shadow/ledger.db", ".venv/bin/python", "shadow/__pycache__/x.pyc")
    assert [path for path in kept_out if not ignored(path)] == []


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The image's ``/opt/shadow``, by the Dockerfile's own RUN lines over the files that it copies."""
    folder = tmp_path_factory.mktemp("image")
    source, prefix = folder / "src", folder / "opt" / "shadow"
    source.mkdir()
    for step in steps():
        if step.stage == 0 and step.word == "COPY":
            for name in step.rest.split()[:-1]:
                if (ROOT / name).is_dir():
                    shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
                else:
                    shutil.copy(ROOT / name, source / name)
        if step.stage == 0 and step.word == "RUN":
            line = step.rest.replace(PREFIX, str(prefix)).replace("--no-deps", "--quiet --no-deps")
            path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
            done = subprocess.run(
                ["sh", "-euc", line],
                cwd=source,
                env={**os.environ, "PATH": path, "PIP_NO_COMPILE": "1"},
                capture_output=True,
                text=True,
                check=False,
            )
            assert done.returncode == 0, done.stdout + done.stderr
    return prefix


def as_in_the_image(prefix: Path, *command: str) -> list[str]:
    """The command as the image's user, who owns nothing. Root's right to read lets it use this machine's Python.

    Who is not root runs it as himself: that it needs nothing to write is then not shown.
    """
    program = str(prefix / "bin" / command[0])
    if os.geteuid() != 0:
        return [program, *command[1:]]
    caps = ("--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search")
    return ["setpriv", f"--reuid={UID}", f"--regid={UID}", "--clear-groups", *caps, program, *command[1:]]


def environment(prefix: Path) -> dict[str, str]:
    """The image's, and no home."""
    said = dict(re.findall(r"(\w+)=(\S+)", " ".join(of("ENV", 1))))
    path = said["PATH"].replace(PREFIX, str(prefix)).replace("$PATH", os.environ["PATH"])
    config = str(DEPLOY / "compose" / "shadow.yaml")
    return {**said, "PATH": path, "SHADOW_CONFIG": config, "HOME": "/nonexistent"}


@pytest.mark.slow
def test_its_commands_run_as_nobody_on_a_file_system_that_they_cannot_write(installed: Path) -> None:
    for command, expected in (
        (("shadow", "--version"), __version__),
        (("shadow", "check"), "good"),
        (("shadow", "topics", "--diagram"), "support.turns"),
    ):
        done = subprocess.run(
            as_in_the_image(installed, *command), cwd="/", env=environment(installed), capture_output=True, text=True,
            check=False, timeout=2 * PATIENCE_S,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        assert expected in done.stdout


@pytest.mark.slow
def test_what_is_in_it_is_what_the_lock_file_says(installed: Path) -> None:
    listed = run(str(installed / "bin" / "python"), "-m", "pip", "list", "--format=freeze").stdout
    here, locked = packages(listed), packages((ROOT / "requirements.lock").read_text(encoding="utf-8"))
    assert {name.partition("==")[0] for name in here - locked} == {"pip", "setuptools", "shadow-evaluator"}


def packages(text: str) -> set[str]:
    """``name==version`` of each line that begins so; names as the index knows them."""
    found = re.findall(r"^([\w.-]+)(==[\w.+-]+)", text, re.MULTILINE)
    return {re.sub(r"[-_.]+", "-", name).lower() + version for name, version in found}


@pytest.mark.slow
@pytest.mark.parametrize("consumer", ["comparator", "gate"])
def test_a_process_answers_its_probes_while_nothing_else_is_there_and_ends_when_told(
    installed: Path, consumer: str, tmp_path: Path
) -> None:
    """Healthy: a broker that is away is no reason to start it anew. Not ready. SIGTERM ends it within the grace."""
    metrics, gate, nobody = free_ports(3)
    text = (DEPLOY / "compose" / "shadow.yaml").read_text(encoding="utf-8")
    config = tmp_path / "shadow.yaml"
    config.write_text(
        text.replace("kafka:9092", f"127.0.0.1:{nobody}").replace("@postgres/", f"@127.0.0.1:{nobody}/")
        .replace("metrics: {host: 0.0.0.0}", f"metrics: {{host: 127.0.0.1, gate_port: {gate}}}")
    )  # fmt: skip
    command = as_in_the_image(installed, "python", "-m", "consumers", consumer, "--metrics-port", str(metrics))
    env = {**environment(installed), "SHADOW_CONFIG": str(config)}
    with running(command, env, tmp_path / "log") as process:
        assert asked(f"http://127.0.0.1:{metrics}/healthz", process) == (200, "ok\n")
        while "127.0.0.1" not in (said := asked(f"http://127.0.0.1:{metrics}/readyz", process))[1]:
            assert said[0] == 503  # and after a while it says which part is away
            time.sleep(0.1)
        told_to_end(process)


@pytest.mark.slow
def test_the_console_serves_as_nobody_and_says_what_is_away(installed: Path, tmp_path: Path) -> None:
    """Alive without ledger and broker; its pages say that the ledger is away; SIGTERM ends it."""
    port, nobody = free_ports(2)
    text = (DEPLOY / "compose" / "shadow.yaml").read_text(encoding="utf-8")
    config = tmp_path / "shadow.yaml"
    config.write_text(
        text.replace("kafka:9092", f"127.0.0.1:{nobody}").replace("@postgres/", f"@127.0.0.1:{nobody}/")
        .replace("console: {host: 0.0.0.0}", f"console: {{port: {port}}}")
    )  # fmt: skip
    env = {**environment(installed), "SHADOW_CONFIG": str(config)}
    with running(as_in_the_image(installed, "shadow", "console"), env, tmp_path / "log") as process:
        assert asked(f"http://127.0.0.1:{port}/healthz", process) == (200, "ok\n")
        status, page = asked(f"http://127.0.0.1:{port}/", process)
        assert (status, "shadow doctor" in page) == (503, True)
        told_to_end(process)
    assert "Traceback" not in (tmp_path / "log").read_text(encoding="utf-8")


@contextmanager
def running(command: list[str], env: dict[str, str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A process that writes to a file: nobody reads a pipe while it is asked, and a full one would stop it."""
    with (
        log.open("wb") as output,
        subprocess.Popen(command, cwd="/", env=env, stdout=output, stderr=output) as process,
    ):
        try:
            yield process
        finally:
            process.kill()
            show_log(log)


def told_to_end(process: subprocess.Popen[bytes]) -> None:
    """SIGTERM ends it well, within what docker and Kubernetes wait."""
    with stopwatch() as watch:
        process.send_signal(signal.SIGTERM)
        process.wait(PATIENCE_S)
    assert (process.returncode, watch.seconds < GRACE_S) == (0, True)


def asked(url: str, process: subprocess.Popen[bytes]) -> tuple[int, str]:
    """Status and body of a URL, once it answers."""
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=30) as response:  # noqa: S310 (a URL of this file's)
                return int(response.status), response.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()
        except OSError:
            time.sleep(0.1)
    raise AssertionError(f"nothing answers at {url}; its process: {process.poll()}")
