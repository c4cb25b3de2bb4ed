"""P6: there is no tool executor in the shadow: shown by its imports and by what its processes do, not by a flag."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from shadow.events import Reply, decode
from shadow.topology import ARM_REPLIES
from tests.fixtures import load
from tests.fixtures.system import ROOT, System, arm
from tests.fixtures.waiting import PATIENT, PATIENT_WINDOW

TURNS = 40
WATCHED = ROOT / "tests" / "fixtures" / "watched"


@pytest.fixture
def system(tmp_path: Path, broker: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[System]:
    monkeypatch.setenv("PYTHONPATH", str(WATCHED))
    monkeypatch.setenv("WATCHED_LOG", str(tmp_path / "watched.jsonl"))
    eager = arm("eager", limits=PATIENT)
    settings = {"folder": str(tmp_path / "by-tool")}
    eager["adapter"] = {"type": "callable", "target": "tests.fixtures.models:eager_for_tools", "settings": settings}
    control = arm("control", "tests.fixtures.models:instant", limits=PATIENT)
    made = System(tmp_path, broker, [control, eager], comparator=PATIENT_WINDOW)
    yield made
    made.close()


def noted(system: System) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (system.folder / "watched.jsonl").read_text().splitlines()]


@pytest.mark.slow
def test_p06_what_a_candidate_calls_is_recorded_and_never_done(system, tmp_path):
    """A candidate calls a shell, a file and an address: no process starts, nothing but the broker is connected to."""
    system.start_all()
    system.await_assigned("comparator", "mirror.control", "mirror.eager")
    load.write_raw(system.config.broker.bootstrap, turns=TURNS, rate=1_000, run="p06", twice=False, garbage=False)
    system.settled(turns=TURNS)
    replies = [decode(Reply, record.value, record.key) for record in system.records(ARM_REPLIES)]
    called = [reply.message.tool_calls for reply in replies if reply.arm == "eager" and reply.message is not None]
    assert len(called) == TURNS
    assert all(len(calls or ()) == 3 for calls in called)  # recorded, as the model wrote them
    notes = [note for note in noted(system) if not of_croniter(note)]
    assert {Path(note["part"][0]).parts[-2] for note in notes} == {"consumers"}
    assert {note["event"] for note in notes} == {"socket.connect"}
    ports = {int(address.rpartition(":")[2]) for address in system.config.broker.bootstrap}
    assert {_port(note["what"]) for note in notes} <= ports
    assert not (tmp_path / "by-tool").exists()


def of_croniter(note: dict[str, Any]) -> bool:
    """Faust's croniter asks once, when it is imported, whether the interpreter is a 32-bit one."""
    asked = note["event"] == "subprocess.Popen" and ast.literal_eval(note["what"])
    return bool(asked) and asked[:2] == ["file", "-b"] and Path(asked[2]).name.startswith("python")


def _port(address: str) -> int:
    return int(ast.literal_eval(address)[1])


def test_p06_the_watch_notices(tmp_path):
    """The hook of the test above sees a connection and a started process of a process that it is put into."""

    log = tmp_path / "watched.jsonl"
    code = "import socket, subprocess; socket.socket().connect_ex(('127.0.0.1', 9)); subprocess.run(['true'])"
    environment = {**os.environ, "PYTHONPATH": str(WATCHED), "WATCHED_LOG": str(log)}
    subprocess.run([sys.executable, "-c", code], env=environment, check=True)
    events = [json.loads(line)["event"] for line in log.read_text().splitlines()]
    assert {"socket.connect", "subprocess.Popen"} <= set(events)


# By structure: who could start anything?

STARTS: dict[str, str] = {
    "shadow/processes.py": "starts Shadow's own parts by name",
    "shadow/broker/embedded.py": "starts the embedded broker's binary",
    "shadow/conformance/isolated.py": "runs a plug-in's checks in a process of their own, for a person who asks",
    "shadow/cli/gate.py": "`shadow gate run` becomes the gate's process",
}
LOADS: dict[str, str] = {
    "shadow/adapters/callable.py": "the Python function that the configuration names",
    "shadow/cli/root.py": "the command's module, of a closed table",
}
PROCESS_MODULES = {"subprocess", "multiprocessing", "pty", "ctypes", "code", "codeop", "runpy"}
PROCESS_CALLS = {"system", "popen", "execv", "execve", "execvp", "spawnv", "posix_spawn", "fork", "create_subprocess"}
EVALUATES = {"eval", "exec", "compile", "__import__"}


def violations(path: str, source: str) -> list[str]:
    """Where a module could start a process, evaluate text as code, or import what a text names."""
    found = []
    for node in ast.walk(ast.parse(source)):
        what = None
        if isinstance(node, ast.Import):
            what = next((name.name for name in node.names if name.name.partition(".")[0] in PROCESS_MODULES), None)
        elif isinstance(node, ast.ImportFrom):
            names = {(node.module or "").partition(".")[0], *(name.name for name in node.names)}
            what = node.module if names & (PROCESS_MODULES | {"ProcessPoolExecutor"}) else None
        elif isinstance(node, ast.Call):
            what = _forbidden(node.func, path)
        if what is not None and path not in STARTS:
            found.append(f"{path}:{node.lineno}: {what}")
    return found


def _forbidden(function: ast.expr, path: str) -> str | None:
    if isinstance(function, ast.Name) and function.id in EVALUATES:
        return function.id
    if isinstance(function, ast.Attribute):
        owner, name = ast.unparse(function.value), function.attr
        if owner in ("os", "asyncio") and any(name.startswith(call) for call in PROCESS_CALLS):
            return f"{owner}.{name}"
        if owner == "importlib" and name == "import_module" and path not in LOADS:
            return "importlib.import_module"
    return None


def sources() -> dict[str, str]:
    files = [*(ROOT / "shadow").rglob("*.py"), *(ROOT / "consumers").rglob("*.py")]
    return {file.relative_to(ROOT).as_posix(): file.read_text(encoding="utf-8") for file in files}


def test_p06_only_the_parts_that_start_shadow_itself_can_start_anything():
    found = [line for path, source in sources().items() for line in violations(path, source)]
    assert not found, "\n".join(found)


def test_p06_no_consumer_starts_anything_and_each_exception_exists():
    known = sources()
    assert set(STARTS) | set(LOADS) <= set(known)
    assert not any(path.startswith("consumers/") for path in STARTS | LOADS)


@pytest.mark.parametrize(
    "line",
    [
        "import subprocess",
        "from concurrent.futures import ProcessPoolExecutor",
        "os.system(call.function.arguments)",
        "await asyncio.create_subprocess_exec('sh')",
        "os.posix_spawnp('sh', [], {})",
        "eval(call.function.arguments)",
        "importlib.import_module(call.function.name)",
    ],
)
def test_p06_the_rule_notices(line):
    assert violations("consumers/mirror.py", f"async def f():\n    {line}")
