"""Runs scenarios on all cores, a block of streams at a time; finished blocks are kept, so a killed run goes on.

A block's file is named by a hash of its scenario's settings and of the code that it ran: the syntax trees of the
engine and of ``shadow/gate``, without docstrings, so that a comment costs no run and a changed rule never meets old
figures.
"""

from __future__ import annotations

import ast
import hashlib
import multiprocessing
import os
import zlib
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, as_completed
from functools import cache
from pathlib import Path
from zipfile import BadZipFile

import numpy as np

from tests.statistics.catalogue import catalogue
from tests.statistics.scenario import Result, Scenario

ROOT = Path(__file__).parents[2]
KEPT = ROOT / ".shadow" / "simulate"
BLOCK = 100
ENGINE = ("cells", "population", "rare", "rivals", "scenario", "schedule", "turns", "vector")
SEED = 2_024

FULL = 10_000
SHORT = 400


@cache
def code_version() -> str:
    """Of everything that a block's figures depend on besides its settings."""
    found = hashlib.sha256(np.__version__.encode())
    files = [Path(__file__).with_name(f"{name}.py") for name in ENGINE]
    for path in [*files, *sorted((ROOT / "shadow" / "gate").glob("*.py"))]:
        tree = ast.parse(path.read_text())
        for node in ast.walk(tree):
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(node) is not None:
                node.body = node.body[1:]
        found.update(ast.dump(tree).encode())
    return found.hexdigest()


def path_of(scenario: Scenario, block: int, folder: Path) -> Path:
    """Where a block is kept."""
    key = hashlib.sha256(f"{scenario.name}|{scenario.settings}|{scenario.rows}|{code_version()}".encode()).hexdigest()
    return folder / f"{scenario.name.replace(' ', '_').replace(',', '')}-{key[:16]}" / f"{block:04d}.npz"


def blocks_of(scenario: Scenario, replications: int) -> int:
    """Blocks that make up so many replications, less where one stream costs many times the usual."""
    return max(1, round(replications * scenario.share / BLOCK))


def compute(name: str, block: int, folder: Path) -> None:
    """One block, written whole or not at all."""
    scenario = catalogue()[name]
    rng = np.random.default_rng([SEED, zlib.crc32(name.encode()), block])
    parts = [scenario.run(rng, min(scenario.rows, BLOCK - done)) for done in range(0, BLOCK, scenario.rows)]
    path = path_of(scenario, block, folder)
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_suffix(f".{os.getpid()}")
    with unfinished.open("wb") as file:
        np.savez(file, **{key: np.concatenate([part[key] for part in parts]) for key in parts[0]})
    unfinished.replace(path)


def kept(name: str, block: int, folder: Path) -> Result | None:
    """A finished block; None: there is none, or it cannot be read."""
    try:
        with path_of(catalogue()[name], block, folder).open("rb") as file, np.load(file) as arrays:
            return dict(arrays)
    except (OSError, ValueError, BadZipFile):
        return None


def missing(replications: int, folder: Path) -> list[tuple[str, int]]:
    """Blocks still to be computed: a part of each scenario first, so that a run that is ended early has all of them."""
    found = [
        (block / blocks_of(scenario, replications), name, block)
        for name, scenario in catalogue().items()
        for block in range(blocks_of(scenario, replications))
        if kept(name, block, folder) is None
    ]
    return [(name, block) for _, name, block in sorted(found)]


def run(
    replications: int, folder: Path = KEPT, *, workers: int | None = None, tell: Callable[[str, int, int], None]
) -> dict[str, Result]:
    """All scenarios; ``tell`` hears of each block: name, blocks done, blocks to do."""
    todo = missing(replications, folder)
    if todo:
        context = multiprocessing.get_context("spawn")  # a forked numpy may hang in its own threads
        with ProcessPoolExecutor(workers or os.cpu_count(), mp_context=context) as pool:
            futures = {pool.submit(compute, name, block, folder): name for name, block in todo}
            try:
                for done, future in enumerate(as_completed(futures), start=1):
                    future.result()
                    tell(futures[future], done, len(todo))
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                raise
    return collect(replications, folder)


def collect(replications: int, folder: Path = KEPT) -> dict[str, Result]:
    """The figures of finished blocks; a scenario without any is left out."""
    found = {}
    for name, scenario in catalogue().items():
        blocks = [kept(name, block, folder) for block in range(blocks_of(scenario, replications))]
        have = [block for block in blocks if block is not None]
        if have:
            found[name] = {key: np.concatenate([block[key] for block in have]) for key in have[0]}
    return found
