"""Every ordered pair of the 14 function-calling models, by correctness alone: is a worse one ever promoted?

The gate's own session, fed what a backtest would write, in a backtest's order and time: nothing is asked and no reply
is judged, so 182 pairs take seconds. What is true is the difference on all 888 items.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import permutations
from typing import Final

from shadow.backtest.cases import drawn
from shadow.backtest.clock import Clock, setting
from shadow.config import Config
from shadow.events import PRODUCTION, VERDICTS
from shadow.gate.experiment import Experiment
from shadow.gate.rows import LedgerRow, OutcomeRow
from shadow.gate.session import Session
from tests.evaluate import functions, pairs
from tests.evaluate.pairs import CAND, MARGIN
from tests.evaluate.table import table

REVISION: Final = "recorded"
NOTHING: Final = (None,) * 10


def tables() -> Iterator[str]:
    """One table: how much worse the candidate is, and what the gate says."""
    runs = functions.latest()
    right = {model: {task: float(row["reward"]) for task, row in run.items()} for model, run in runs.items()}
    found: Counter[tuple[str, str]] = Counter()
    for one, other in permutations(sorted(right), 2):
        tasks = list(drawn(right[one].keys() & right[other].keys()))
        worse = sum(right[one][task] - right[other][task] for task in tasks) / len(tasks)
        kind = "worse by more than the margin" if worse > MARGIN else "worse by less" if worse > 0 else "not worse"
        found[kind, verdict(tasks, right[one], right[other])] += 1
    kinds = ("worse by more than the margin", "worse by less", "not worse")
    body = [[kind, *(found[kind, each] for each in VERDICTS)] for kind in kinds]
    pairs_in_all = sum(found.values())
    yield table(f"All {pairs_in_all} ordered pairs of models, margin of five points", ("candidate", *VERDICTS), body)


def verdict(tasks: Sequence[str], production: Mapping[str, float], candidate: Mapping[str, float]) -> str:
    """The gate's, after all items."""
    experiment = _experiment()
    clock, session = Clock.of(experiment), Session(experiment)
    for number, task in enumerate(tasks):
        at = clock.recorded_at(number)
        session.feed([
            LedgerRow(
                task, CAND, experiment.revision, task, 0, "compared", None, at, at, *NOTHING, REVISION, None
            ),
            OutcomeRow(f"{task}:{PRODUCTION}", task, task, PRODUCTION, "correct", production[task], at),
            OutcomeRow(f"{task}:{CAND}", task, task, CAND, "correct", candidate[task], at),
        ])  # fmt: skip
    session.advance(clock.looked_at(len(tasks)))
    return session.ruling().verdict


def _experiment() -> Experiment:
    score, _ = pairs.GUARDRAILS["right or wrong"]
    arm = {"name": CAND, "owner": "evaluation", "adapter": {"type": "callable", "target": "recorded:reply"}}
    document = {
        "version": 1,
        "production": {"owner": "evaluation", "model": "recorded"},
        "candidates": [arm],
        "gate": {"min_conversations": 100, "guardrails": [score]},
    }
    return Experiment.of(setting(Config.model_validate(document), CAND), CAND, REVISION)
