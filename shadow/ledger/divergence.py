"""The noise floor of each candidate in the ledger: its newest revision against the control's, judged alike.

Rows of an older revision, or that another evaluator judged, are left out and counted: another candidate, or another
yardstick. Turns that were shed, expired or without production's reply say nothing of divergence.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, Final

import numpy as np
import orjson

from shadow.events import CONTROL
from shadow.gate.noise_floor import between
from shadow.gate.sides import Side
from shadow.ledger.columns import ENDED, Columns, Prefixes

COUNTED: Final = ("compared", "candidate_failed")
REVISION, EVALUATOR, OUTCOME, SLICES = (
    ENDED.index(name) for name in ("arm_revision", "evaluator_revision", "outcome", "slices")
)

Newest = Mapping[str, tuple[str, str | None]]
"""Each arm's revision, and who judged it, as of the turn that arrived last."""


def floors(
    arms: Mapping[str, Columns], newest: Newest, prefixes: Prefixes, *, alpha: float, sliced: bool
) -> dict[str, dict[str, Any]]:
    """Per candidate its revisions, how many rows were left out, and one entry per measure and slice."""
    found = {}
    for name, columns in arms.items():
        if name == CONTROL:
            continue
        revision, evaluator = newest[name]
        own, left_out = _side(columns, prefixes, revision, evaluator)
        control_revision = newest[CONTROL][0] if CONTROL in arms else None
        control = _side(arms[CONTROL], prefixes, control_revision, evaluator)[0] if CONTROL in arms else Side.of([])
        found[name] = {
            "revision": revision,
            "control_revision": control_revision,
            "evaluator_revision": evaluator,
            "left_out": left_out,
            "measures": [asdict(floor) for floor in between(own, control, alpha=alpha, sliced=sliced)],
        }
    return found


def _side(columns: Columns, prefixes: Prefixes, revision: str | None, evaluator: str | None) -> tuple[Side, int]:
    """The arm's rows of that revision and evaluator, and how many counted rows are of others."""
    counted = np.array([kind[OUTCOME] in COUNTED for kind in columns.kinds], np.bool_)
    alike = np.array([kind[REVISION] == revision and kind[EVALUATOR] == evaluator for kind in columns.kinds], np.bool_)
    failed = np.array([kind[OUTCOME] != "compared" for kind in columns.kinds], np.bool_)
    sliced = [orjson.loads(kind[SLICES] or "[]") for kind in columns.kinds]
    rows = (counted & alike)[columns.kind]
    kind = columns.kind[rows]
    side = Side(
        conversations=columns.conversations[rows],
        turns=columns.turns[rows],
        prefixes=prefixes.of(columns.keys[rows]),
        failed=failed[kind],
        scores={
            name: scores
            for name, all_scores in columns.scores.items()
            if not np.isnan(scores := all_scores[rows]).all()
        },
        slices={
            name: np.array([name in each for each in sliced], np.bool_)[kind]
            for name in sorted(
                {name for each, own in zip(sliced, counted & alike, strict=True) if own for name in each}
            )
        },
    )
    return side, int((counted & ~alike)[columns.kind].sum())
