"""Verdicts on recorded pairs of models with known truth (BFCL): ``python -m tests.evaluate.verdicts``.

Each item is a conversation of one turn. Both recorded replies go through the comparator's own ``compare``, comparisons
and outcomes into a ledger, and the gate decides from it: correctness as an outcome with a margin of five points, and
broken calls as failures. Truth: an exact McNemar test on the same items. A pair that is not inferior at that margin may
be promoted; "no difference" is no reason to hold it back.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import tempfile
from collections.abc import Iterator
from functools import cache
from math import comb
from pathlib import Path
from typing import Any, Final

from shadow import plugins
from shadow.comparator.compare import compare
from shadow.comparator.evaluator import Evaluator
from shadow.comparator.join import Held, Resolved
from shadow.config import Config, parse
from shadow.events import Message, Outcome, Reply, Turn
from shadow.gatekeeper import Gatekeeper
from shadow.ledger import Ledger

DATA: Final = Path(os.environ.get("SHADOW_DATA_DIR", Path(__file__).parents[2].parent / "shared" / "data"))
AT: Final = 1_790_000_000.0
AT_ONCE: Final = 20
STEP_S: Final = 60.0

PAIRS: Final = (
    ("gpt-4o-2024-05-13-FC", "gpt-4o-2024-08-06-FC", ("PROMOTE",)),
    ("gpt-4o-2024-05-13", "gpt-4o-2024-08-06", ("REJECT",)),
    ("claude-3-5-sonnet-20240620-FC", "claude-3-haiku-20240307-FC", ("REJECT",)),
    ("gpt-4-turbo-2024-04-09-FC", "gpt-4o-2024-08-06-FC", ("PROMOTE", "HOLD")),
    ("gpt-4o-2024-05-13-FC", "gpt-4o-mini-2024-07-18-FC", ("PROMOTE", "HOLD")),
)
"""Production, candidate, and the verdicts that would be right."""

FEW: Final = 60
"""So many items resolve nothing."""

CONFIG: Final = """\
version: 1
production: {owner: evaluation, model: recorded}
candidates:
  - {name: cand, owner: evaluation, adapter: {type: callable, target: "recorded:reply"}}
gate:
  cycle_s: 0
  look_every_s: 60
  conversation_idle_s: 1
  max_age_s: 86400
  min_conversations: 100
  guardrails:
    - {kind: score, name: correct, outcome: correct, margin: 0.05}
    - {kind: failure, name: broken_call, failures: [malformed, unknown_tool, empty], margin: 0.05}
"""

Row = dict[str, Any]


class AbsentError(Exception):
    """The data is not there; the message names the remedy."""


def tables() -> Iterator[str]:
    """One table: each pair, whole, and cut to a few items."""
    config = parse(CONFIG, "evaluation")
    head = "| production -> candidate | items | only production right | only candidate right | p | verdict | right |"
    lines = [head, "|---|---|---|---|---|---|---|"]
    for production, candidate, right in PAIRS:
        for limit, expected in ((None, right), (FEW, ("HOLD", "REJECT") if "REJECT" in right else ("HOLD",))):
            found = verdict(config, production, candidate, limit=limit)
            lost, won, items = found["lost"], found["won"], found["items"]
            good = "yes" if found["verdict"] in expected else f"NO: {' or '.join(expected)}"
            lines.append(
                f"| {production} -> {candidate} | {items} | {lost} | {won} | {mcnemar(lost, won):.2g} | "
                f"{found['verdict']}: {found['why']} | {good} |"
            )
    yield "\n".join(lines)


def verdict(config: Config, production: str, candidate: str, *, limit: int | None = None) -> dict[str, Any]:
    """The gate's verdict on the recorded pair, from a ledger of its own."""
    runs = latest()
    tasks = sorted(runs[production].keys() & runs[candidate].keys(), key=_shuffled)[:limit]
    evaluator, revision = _evaluator(config)
    with tempfile.TemporaryDirectory() as folder, Ledger(f"sqlite:///{folder}/ledger.db") as ledger:
        for number, start in enumerate(range(0, len(tasks), AT_ONCE)):
            now_s = AT + number * STEP_S
            chosen = tasks[start : start + AT_ONCE]
            resolved = [
                _resolved(task, runs[production][task], runs[candidate][task], now_s, config) for task in chosen
            ]
            done = compare(resolved, evaluator=evaluator, evaluator_revision=revision, now_s=now_s)
            outcomes = [
                _outcome(task, arm, runs[model][task], now_s)
                for task in chosen
                for arm, model in (("production", production), ("cand", candidate))
            ]
            ledger.write(done.comparisons, outcomes, recorded_at=now_s + 1)
        keeper = Gatekeeper(config, ledger, revision)
        end = AT + len(tasks) / AT_ONCE * STEP_S + 600
        keeper.catch_up(end)
        found = keeper.report("cand", end)
    right = [(runs[production][task]["reward"] == 1, runs[candidate][task]["reward"] == 1) for task in tasks]
    return {
        "verdict": found["verdict"],
        "why": ", ".join(found["culprits"]) or ", ".join(dict.fromkeys(each["why"] for each in found["reasons"])),
        "items": len(tasks),
        "lost": right.count((True, False)),
        "won": right.count((False, True)),
    }


def mcnemar(lost: int, won: int) -> float:
    """Two-sided exact p of the discordant pairs."""
    total, least = lost + won, min(lost, won)
    tail = sum(comb(total, each) for each in range(least + 1))
    return min(1.0, 2 * tail / 2**total)


@cache
def rows(name: str) -> list[Row]:
    """The rows of ``open/paired/<name>``. Raises :class:`AbsentError`."""
    path = DATA / "open" / "paired" / f"{name}.jsonl.gz"
    if not path.is_file():
        raise AbsentError(f"{path.name} is absent: name the folder of the data in SHADOW_DATA_DIR")
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


@cache
def latest() -> dict[str, dict[str, Row]]:
    """Each model's newest run, by item."""
    runs: dict[tuple[str, str], dict[str, Row]] = {}
    for row in rows("bfcl"):
        runs.setdefault((row["model"], row["run_date"]), {})[row["task_id"]] = row
    return {model: items for (model, _), items in sorted(runs.items())}


@cache
def prompts() -> dict[str, Row]:
    """Items with a recorded prompt."""
    return {row["task_id"]: row for row in rows("bfcl_prompts")}


def _evaluator(config: Config) -> tuple[Evaluator, str]:
    """The detectors alone: the gate here rests on failures and outcomes."""
    made = Evaluator(detectors=plugins.detectors())
    return made, made.revision({"gate": config.gate.model_dump(mode="json")})


def _shuffled(task: str) -> str:
    """An order that has nothing to do with the items."""
    return hashlib.sha256(task.encode()).hexdigest()


def _resolved(task: str, production: Row, candidate: Row, now_s: float, config: Config) -> Resolved:
    prompt = prompts().get(task, {"question": "Not recorded.", "functions": []})
    listed = prompt["functions"] if isinstance(prompt["functions"], list) else [prompt["functions"]]
    tools = [{"type": "function", "function": {"name": each["name"].replace(".", "_")}} for each in listed]
    names = {"turn_id": task, "conversation_id": task, "occurred_at": now_s}
    turn = Turn(**names, messages=[Message(role="user", content=str(prompt["question"]))], tools=tools)
    replies = [
        Reply(**names, arm=arm, message=_message(row), latency_s=row["meta"]["latency_s"])
        for arm, row in (("production", production), ("cand", candidate))
    ]
    held = [Held(each.to_json(), ("evaluation", 0), now_s, each) for each in (turn, *replies)]
    return Resolved(0, held[0], "cand", config.arm("cand").revision, held[1], held[2], expired=False)


def _message(row: Row) -> Message:
    calls = [
        {"function": {"name": call["name"].replace(".", "_"), "arguments": json.dumps(call["arguments"])}}
        for call in row["reply"].get("tool_calls") or []
    ]
    fields = {"role": "assistant", "content": row["reply"]["text"] or None, "tool_calls": calls or None}
    return Message.model_validate(fields)


def _outcome(task: str, arm: str, row: Row, now_s: float) -> Outcome:
    return Outcome(
        outcome_id=f"{task}:{arm}",
        turn_id=task,
        conversation_id=task,
        arm=arm,
        name="correct",
        value=float(row["reward"]),
        occurred_at=now_s,
    )


if __name__ == "__main__":
    for text in tables():
        print(text)
