"""Function calling with known right and wrong (BFCL): the action measure, ``malformed``, and outcomes in the ledger.

Truth: the benchmark's own checker. Among the items that production got right, a candidate that is wrong should be seen
to have diverged. One that is right by another way (other wording, an optional argument) diverges too: precision
measures how often.
"""

from __future__ import annotations

import sqlite3
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import permutations
from pathlib import Path
from typing import Final

from shadow import plugins
from shadow.comparator.compare import compare
from shadow.comparator.evaluator import Evaluator
from shadow.comparator.join import Held, Resolved
from shadow.events import Message, Outcome, Reply
from shadow.failures.malformed import Malformed
from shadow.ledger import Ledger
from shadow.measures import Pair
from shadow.measures.action import Action
from tests.evaluate.data import AT, Row, half
from tests.evaluate.functions import PROMPTED, asked, latest, taken, turns
from tests.evaluate.table import Tally, table

PAIRS: Final = (
    ("gpt-4o-2024-05-13-FC", "gpt-4o-2024-08-06-FC"),
    ("gpt-4o-2024-05-13", "gpt-4o-2024-08-06"),
    ("claude-3-5-sonnet-20240620-FC", "claude-3-haiku-20240307-FC"),
    ("gpt-4-turbo-2024-04-09-FC", "gpt-4o-2024-08-06-FC"),
    ("gpt-4o-2024-05-13-FC", "gpt-4o-mini-2024-07-18-FC"),
)
LIMITS: Final = (0.0, 0.1, 0.25, 0.5)
FORMAT: Final = ("ast_decoder", "type_error:simple", "simple_function_checker:missing_required")
"""The checker's errors that are breaks of format, not of meaning."""


def tables() -> Iterator[str]:
    """All tables."""
    said = {model: {task: taken(row) for task, row in run.items()} for model, run in latest().items()}
    yield _actions(said)
    yield _formats(said)
    yield _causes(said)
    yield _ledger(said)


def _score(production: str, candidate: str, said: dict[str, dict[str, Message]]) -> Iterator[tuple[Row, bool, float]]:
    """Of each item that production got right: its row, whether the candidate is wrong, the action measure's score.

    Where neither calls a tool the measure abstains: nothing differs, 0.
    """
    runs, measure = latest(), Action()
    right = [task for task, row in runs[production].items() if row["reward"] == 1]
    pairs = [Pair(asked(task), said[production][task], said[candidate][task]) for task in right]
    for task, score in zip(right, measure.score(pairs), strict=True):
        yield runs[production][task], runs[candidate][task]["reward"] == 0, score.value or 0.0


def _actions(said: dict[str, dict[str, Message]]) -> str:
    body: list[list[object]] = []
    for production, candidate in PAIRS:
        found = [(wrong, score) for _, wrong, score in _score(production, candidate, said)]
        body += [_line(f"{production} -> {candidate}", found, 0.0)]
    pooled = [
        (half(row), wrong, score)
        for production, candidate in permutations(sorted(said), 2)
        for row, wrong, score in _score(production, candidate, said)
    ]
    for name in ("tuned", "fresh"):
        found = [(wrong, score) for where, wrong, score in pooled if where == name]
        pairs = len(said) * (len(said) - 1)
        body += [_line(f"all {pairs} pairs of models, {name} half, score > {limit}", found, limit) for limit in LIMITS]
    head = ("production -> candidate", "items", "candidate wrong", "recall", "precision", "flagged though right")
    return table("Action: does the candidate call other than production did, where production was right?", head, body)


def _line(name: str, found: Iterable[tuple[bool, float]], limit: float) -> list[object]:
    tally = Tally()
    for wrong, score in found:
        tally.add(said=score > limit, true=wrong)
    wrong = tally.hits + tally.misses
    return [name, wrong + tally.false_alarms + tally.rest, wrong, tally.recall, tally.precision, tally.alarm_rate]


def _formats(said: dict[str, dict[str, Message]]) -> str:
    """``malformed`` against every wrong answer, and against those that the checker could not even read."""
    body: list[list[object]] = []
    for name in ("tuned", "fresh"):
        unread, wrong = Tally(), Tally()
        for model, run in latest().items():
            for task, row in run.items():
                if task not in turns() or half(row) != name:
                    continue
                found = bool(_malformed(task, said[model][task]))
                error = (row.get("ground_truth") or {}).get("error_type", "")
                wrong.add(said=found, true=row["reward"] == 0)
                if row["reward"] == 1 or error.startswith(FORMAT):
                    unread.add(said=found, true=row["reward"] == 0)
        for what, tally in (("breaks of format", unread), ("anything wrong", wrong)):
            true = tally.hits + tally.misses
            body.append([f"{what}, {name} half", true, tally.rest + tally.false_alarms, tally.recall, tally.precision])
    return table(
        "Malformed: replies of 14 models to items with tools", ("truth", "wrong", "right", "recall", "precision"), body
    )


def _malformed(task: str, message: Message) -> str:
    reply = Reply(turn_id=task, conversation_id=task, occurred_at=AT, message=message)
    return Malformed().detect(asked(task), reply).get("malformed", "")


def _causes(said: dict[str, dict[str, Message]]) -> str:
    body: list[list[object]] = []
    for model in PROMPTED[:2]:
        items = [task for task in turns() if task in said[model]]
        causes = Counter(_malformed(task, said[model][task]).partition(":")[0] or "none" for task in items)
        right = sum(latest()[model][task]["reward"] for task in items) / len(items)
        named = ", ".join(f"{cause} {count}" for cause, count in causes.most_common())
        body.append([model, len(items), right, causes["code_fence"] / len(items), named])
    head = ("model, asked to write calls as text", "items with tools", "right", "code_fence", "causes")
    return table("A silent format break is found and named", head, body)


def _ledger(said: dict[str, dict[str, Message]]) -> str:
    """Comparisons and outcomes of a production with its candidates, through the comparator into SQLite and back."""
    evaluator = Evaluator(measures=plugins.measures(["action"]), detectors=plugins.detectors())
    runs, body = latest(), []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "ledger.db"
        with Ledger(f"sqlite:///{path}") as ledger:
            for production, candidate in PAIRS[:2]:
                pairs = [_resolved(task, production, candidate, said) for task in runs[candidate]]
                done = compare(pairs, evaluator=evaluator, evaluator_revision="evaluation", now_s=AT)
                outcomes = [_outcome(candidate, row) for row in runs[candidate].values()]
                ledger.write(done.comparisons, outcomes, recorded_at=AT)
                again = ledger.write(done.comparisons, outcomes, recorded_at=AT)
                assert again.stored == again.outcomes_stored == 0, "a second writing stored something"
        with sqlite3.connect(path) as database:
            for _, candidate in PAIRS[:2]:
                arm = _arm(candidate)
                stored, mean = database.execute(
                    "SELECT count(*), avg(value_number) FROM outcomes WHERE arm = ? AND name = 'correct'", (arm,)
                ).fetchone()
                broken = database.execute(
                    "SELECT count(*) FROM comparisons WHERE arm = ? AND failures LIKE '%malformed%'", (arm,)
                ).fetchone()[0]
                accuracy = sum(row["reward"] for row in runs[candidate].values()) / len(runs[candidate])
                body.append([candidate, stored, accuracy, mean, abs(mean - accuracy) < 1e-12, broken])
        database.close()
    head = ("arm", "outcomes", "accuracy in the data", "mean in the ledger", "equal", "comparisons with malformed")
    return table("Correctness as an outcome, written to SQLite and read back", head, body)


def _resolved(task: str, production: str, candidate: str, said: dict[str, dict[str, Message]]) -> Resolved:
    turn = asked(task)
    replies = [
        Reply(turn_id=task, conversation_id=task, arm=arm, occurred_at=AT, message=said[model][task])
        for arm, model in (("production", production), (_arm(candidate), candidate))
    ]
    held = [Held(each.to_json(), ("evaluation", 0), AT, each) for each in (turn, *replies)]
    return Resolved(0, held[0], _arm(candidate), "recorded", held[1], held[2], expired=False)


def _outcome(candidate: str, row: Row) -> Outcome:
    task, arm = row["task_id"], _arm(candidate)
    return Outcome(
        outcome_id=f"{task}:{arm}:correct",
        turn_id=task,
        conversation_id=task,
        arm=arm,
        name="correct",
        value=float(row["reward"]),
        occurred_at=AT,
    )


def _arm(model: str) -> str:
    return model.lower().replace("_", "-")[:40]


if __name__ == "__main__":
    for text in tables():
        print(text)
