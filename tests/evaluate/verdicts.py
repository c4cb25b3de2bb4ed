"""Verdicts on real pairs of models with known truth: ``python -m tests.evaluate verdicts``.

Each pair is a backtest of recorded replies by ``shadow backtest``: the mirror's call path, the comparator's evaluator,
the ledger's writes, the gate, an exit code. ``python -m tests.evaluate.streamed`` streams the same pairs live.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import yaml
from click.testing import CliRunner

from shadow.cli import main
from tests.evaluate import pairs
from tests.evaluate.pairs import CAND, Pair
from tests.evaluate.table import table

EXIT: Final = {0: "PROMOTE", 2: "HOLD", 3: "REJECT"}
HEAD: Final = (
    "production -> candidate",
    "truth",
    "items",
    "only production right",
    "only candidate right",
    "p",
    "verdict",
    "after",
    "because of",
    "right",
)


def tables() -> Iterator[str]:
    """One table: every pair, and how many verdicts are right."""
    lines = []
    with tempfile.TemporaryDirectory() as folder:
        for number, pair in enumerate(pairs.every()):
            lines.append(line(pair, backtested(pair, Path(folder) / str(number))))
            print(*lines[-1], sep=" | ", file=sys.stderr, flush=True)
    wrong = sum(each[-1] != "yes" for each in lines)
    after = "After: conversations (of one turn each) to a verdict that stayed; because of: what was certain by the end."
    note = f"{len(lines)} pairs, {wrong} wrong. {after}"
    yield table("Verdicts on recorded pairs, margin of five points", HEAD, lines, note)


def backtested(pair: Pair, folder: Path, *arguments: str) -> dict[str, Any]:
    """What ``shadow backtest`` prints for programs. Raises :class:`AssertionError` if it ends with an error."""
    file, history, replies = written(pair, folder)
    command = ["--config", str(file), "backtest", CAND, str(history), "--replies", str(replies), "--json", *arguments]
    done = CliRunner().invoke(main, [*command, "--ledger", str(folder / "ledger.db")])
    assert done.exit_code in EXIT, f"{pair.name}: {done.exit_code}\n{done.stderr[-2000:]}"
    found: dict[str, Any] = json.loads(done.stdout)
    assert found["verdict"] == EXIT[done.exit_code]
    return found


def written(pair: Pair, folder: Path) -> tuple[Path, Path, Path]:
    """Configuration, history and replies as files."""
    folder.mkdir(parents=True, exist_ok=True)
    file, history, replies = folder / "shadow.yaml", folder / "history.jsonl", folder / "replies.jsonl"
    file.write_text(yaml.safe_dump(pairs.document(pair)), encoding="utf-8")
    history.write_bytes(b"\n".join(pair.history()) + b"\n")
    replies.write_bytes(b"\n".join(pair.replies()) + b"\n")
    return file, history, replies


def line(pair: Pair, found: dict[str, Any]) -> list[object]:
    """A row of the table."""
    items, _, lost, won = pair.counts()
    judged = pair.asks == "right or wrong"
    after = (found.get("backtest") or {}).get("decided_after")
    why = ", ".join(found["culprits"]) or ", ".join(dict.fromkeys(each["why"] for each in found["reasons"]))
    return [
        pair.name,
        pair.truth,
        items,
        lost if judged else None,
        won if judged else None,
        f"{pairs.mcnemar(lost, won):.1g}" if judged else None,
        found["verdict"],
        after and after["conversations"],
        why,
        "yes" if found["verdict"] in pair.right else f"NO: {' or '.join(pair.right)}",
    ]
