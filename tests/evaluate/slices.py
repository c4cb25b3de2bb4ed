"""How many turns of recorded talk each default slice holds: ``python -m tests.evaluate.slices``.

A slice that holds one turn in ten thousand gets no verdict of its own: that is why ``edge_input`` is one name for its
kinds. The recordings hold neither system prompts nor tools, so ``long_context`` and ``tool_use`` are rarer than live.
"""

from __future__ import annotations

import gzip
import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from shadow import plugins
from shadow.config import Slices
from shadow.events import Message, Turn
from tests.evaluate.tone_shift import DATA

AT: Final = 1_790_000_000.0
ROLES: Final = {"customer": "user", "agent": "assistant"}


def tables() -> Iterator[str]:
    """One table; a line that says so where the data is absent."""
    paths = sorted((DATA / "open" / "conversations").glob("*.jsonl.gz"))
    if not paths:
        yield "open/conversations is absent: name the folder of the data in SHADOW_DATA_DIR"
        return
    slicers = plugins.slicers(Slices().use, {})
    names = [name for slicer in slicers.values() for name in slicer.names]
    found = {path.name.partition(".")[0]: _counted(path, list(slicers.values())) for path in paths}
    head = ["slice", *(f"{source} ({turns})" for source, (turns, _) in found.items())]
    body = [[name, *(str(counts[name]) for _, counts in found.values())] for name in names]
    lines = ["| " + " | ".join(row) + " |" for row in (head, ["---"] * len(head), *body)]
    yield "\n".join(["**Turns in each default slice, by recording (turns)**", "", *lines, ""])


def _counted(path: Path, slicers: list[Any]) -> tuple[int, Counter[str]]:
    """The number of turns, and of those in each slice."""
    counts: Counter[str] = Counter()
    turns = 0
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        for row in map(json.loads, lines):
            history: list[Message] = []
            index = 0
            for said in row["turns"]:
                history.append(Message(role=ROLES.get(said["role"], "tool"), content=said.get("text") or ""))
                if said["role"] == "customer":
                    turn = Turn(
                        turn_id="t", conversation_id="c", turn_index=index, occurred_at=AT, messages=list(history)
                    )
                    counts.update(name for slicer in slicers for name in slicer.slices(turn))
                    index, turns = index + 1, turns + 1
    return turns, counts


if __name__ == "__main__":
    for text in tables():
        print(text)
