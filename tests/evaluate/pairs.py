"""Real pairs of models with known truth, as history and recorded replies: what a backtest reads, and what is streamed.

Truth is not the gate's: an exact McNemar test on the same items, or who gave the replies. ``worse``: by more than the
margin of five points, and not by chance. Which verdicts are right follows from it and from the number of items alone.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from math import comb
from typing import Any, Final, Literal

from shadow.events import CONTROL, PRODUCTION, Message, Outcome, Reply, Turn
from tests.evaluate import functions, same_or_other
from tests.evaluate.data import AT, Row, message, rows, spoken, turn

CAND: Final = "cand"
MARGIN: Final = 0.05
FEW: Final = 60
"""So many items resolve nothing but a break."""

Truth = Literal["better", "alike", "worse", "few", "same model", "other model", "gibberish", "a rerun"]

RIGHT: Final[Mapping[Truth, tuple[str, ...]]] = {
    "better": ("PROMOTE",),
    "alike": ("PROMOTE", "HOLD"),
    "worse": ("REJECT",),
    "few": ("HOLD",),
    "same model": ("PROMOTE", "HOLD"),
    "other model": ("REJECT", "HOLD"),
    "gibberish": ("REJECT",),
    "a rerun": ("HOLD",),
}
"""The verdicts that are right for a truth; ``alike`` is not inferior, and no reason to hold anybody back."""

GUARDRAILS: Final[Mapping[str, list[dict[str, Any]]]] = {
    "right or wrong": [
        {"kind": "score", "name": "correct", "outcome": "correct", "margin": MARGIN},
        {
            "kind": "failure",
            "name": "broken_call",
            "failures": ["malformed", "unknown_tool", "empty"],
            "margin": MARGIN,
        },
    ],
    "liked by a judge": [
        {"kind": "score", "name": "liked", "outcome": "liked", "margin": MARGIN},
        {"kind": "failure", "name": "any_failure", "margin": MARGIN},
    ],
    "far from production": [
        {"kind": "excess_divergence", "name": "semantic", "measure": "semantic"},
        {"kind": "excess_divergence", "name": "lexical", "measure": "lexical"},
        {"kind": "failure", "name": "any_failure", "margin": MARGIN},
    ],
}
"""What is asked of a pair. Margins are five points, and the default where distances are compared."""


@dataclass(frozen=True, slots=True)
class Said:
    """One side's answer to an item; ``value`` is what became of it."""

    message: Message
    value: float | None = None
    latency_s: float | None = None


@dataclass(frozen=True, slots=True)
class Pair:
    """One production, one candidate, on the same items; ``control`` where production was asked again."""

    source: str
    production: str
    candidate: str
    truth: Truth
    asks: str
    turns: Sequence[Turn]
    answers: Mapping[str, Sequence[Said]] = field(repr=False)
    outcome: str = "correct"

    @property
    def name(self) -> str:
        """What tells it from the others."""
        return f"{self.source}: {self.production} -> {self.candidate}"

    @property
    def right(self) -> tuple[str, ...]:
        """The verdicts that would be right."""
        return RIGHT[self.truth]

    def counts(self) -> tuple[int, int, int, int]:
        """Items; right in both, in production's reply only, in the candidate's only."""
        both = list(zip(self.answers[PRODUCTION], self.answers[CAND], strict=True))
        won = [(one.value == 1, other.value == 1) for one, other in both]
        return len(won), won.count((True, True)), won.count((True, False)), won.count((False, True))

    def history(self) -> Iterator[bytes]:
        """Turns, production's replies, and what became of both sides'."""
        for at, asked in enumerate(self.turns):
            yield asked.to_json()
            yield self._reply(PRODUCTION, at).to_json()
            for arm in (PRODUCTION, CAND):
                value = self.answers[arm][at].value
                if value is not None:
                    names = {"turn_id": asked.turn_id, "conversation_id": asked.conversation_id, "occurred_at": AT}
                    outcome_id = f"{asked.turn_id}:{arm}"
                    yield Outcome(**names, outcome_id=outcome_id, arm=arm, name=self.outcome, value=value).to_json()

    def replies(self) -> Iterator[bytes]:
        """What the candidate answered, and control."""
        for arm in sorted(self.answers.keys() - {PRODUCTION}):
            yield from (self._reply(arm, at).to_json() for at in range(len(self.turns)))

    def first(self, count: int, truth: Truth) -> Pair:
        """The first ``count`` items, in an order that has nothing to do with them."""
        chosen = sorted(range(len(self.turns)), key=lambda at: _shuffled(self.turns[at].turn_id))[:count]
        answers = {arm: [said[at] for at in chosen] for arm, said in self.answers.items()}
        turns = [self.turns[at] for at in chosen]
        source = f"{self.source}, {count} items"
        return Pair(source, self.production, self.candidate, truth, self.asks, turns, answers, self.outcome)

    def _reply(self, arm: str, at: int) -> Reply:
        asked, said = self.turns[at], self.answers[arm][at]
        names = {"turn_id": asked.turn_id, "conversation_id": asked.conversation_id, "occurred_at": AT}
        return Reply(**names, arm=arm, message=said.message, latency_s=said.latency_s)


def document(pair: Pair) -> dict[str, Any]:
    """The configuration that the pair is judged by."""
    adapter = {"type": "callable", "target": "shadow.adapters.recorded:reply", "settings": {"file": "", "arm": CAND}}
    arms: dict[str, Any] = {"candidates": [{"name": CAND, "owner": "evaluation", "adapter": adapter}]}
    if CONTROL in pair.answers:
        arms["control"] = {"owner": "evaluation", "adapter": {**adapter, "settings": {"file": "", "arm": CONTROL}}}
    return {
        "version": 1,
        "production": {"owner": "evaluation", "model": pair.production},
        **arms,
        "gate": {"min_conversations": 100, "guardrails": GUARDRAILS[pair.asks]},
    }


def mcnemar(lost: int, won: int) -> float:
    """Two-sided exact p of the discordant items."""
    total, least = lost + won, min(lost, won)
    tail = sum(comb(total, each) for each in range(least + 1))
    return min(1.0, 2 * tail / 2**total)


def every() -> Iterator[Pair]:
    """All pairs that have a truth. Raises :class:`~tests.evaluate.data.AbsentError`."""
    for source in (calls, episodes, likes, floors):
        yield from source()


LISTED: Final[tuple[tuple[str, str, Truth], ...]] = (
    ("gpt-4o-2024-05-13-FC", "gpt-4o-2024-08-06-FC", "better"),
    ("gpt-4o-2024-05-13", "gpt-4o-2024-08-06", "worse"),
    ("claude-3-5-sonnet-20240620-FC", "claude-3-haiku-20240307-FC", "worse"),
    ("gpt-4-turbo-2024-04-09-FC", "gpt-4o-2024-08-06-FC", "alike"),
    ("gpt-4o-2024-05-13-FC", "gpt-4o-mini-2024-07-18-FC", "alike"),
)
RERUN: Final = "firefunction-v2-FC"


def calls() -> Iterator[Pair]:
    """Function calling: the pairs with a truth, each also cut to a few items, and one model at two dates."""
    found = functions.latest()
    for production, candidate, truth in LISTED:
        pair = _calls(production, candidate, truth, found[production], found[candidate])
        yield pair
        if truth != "worse":
            yield pair.first(FEW, "few")
    dates = sorted(date for model, date in functions.runs() if model == RERUN)
    first, last = (functions.runs()[RERUN, date] for date in (dates[0], dates[-1]))
    yield _calls(f"{RERUN} {dates[0]}", f"{RERUN} {dates[-1]}", "a rerun", first, last)


def _calls(production: str, candidate: str, truth: Truth, one: Mapping[str, Row], other: Mapping[str, Row]) -> Pair:
    tasks = sorted(one.keys() & other.keys())
    answers = {
        arm: [
            Said(functions.taken(run[task]), float(run[task]["reward"]), (run[task].get("meta") or {}).get("latency_s"))
            for task in tasks
        ]
        for arm, run in ((PRODUCTION, one), (CAND, other))
    }
    turns = [functions.asked(task) for task in tasks]
    return Pair("bfcl", production, candidate, truth, "right or wrong", turns, answers)


EPISODES: Final[tuple[tuple[str, str, str, str, Truth], ...]] = (
    ("tau2", "telecom", "gpt-4.1", "ft:gpt-4.1-sierra-sft", "few"),
    ("tau2", "retail", "gpt-4.1", "ft:gpt-4.1-sierra-sft", "few"),
    ("tau2", "airline", "claude-sonnet-4-5", "qwen2.5:7b", "worse"),
)
TRIALS: Final = ("tau_bench", "airline", "gpt-4o")


def episodes() -> Iterator[Pair]:
    """Whole support episodes, decided by their ends; the pair of replies is each side's first to the customer."""
    for source, domain, production, candidate, truth in EPISODES:
        one, other = (_episodes(source, domain, model, 0) for model in (production, candidate))
        yield _ended(f"{source} {domain}", production, candidate, truth, one, other)
    source, domain, model = TRIALS
    one, other = (_episodes(source, domain, model, trial) for trial in (0, 2))
    yield _ended(f"{source} {domain}", f"{model}, trial 0", f"{model}, trial 2", "few", one, other)


def _episodes(source: str, domain: str, model: str, trial: int) -> dict[str, Row]:
    wanted = (domain, "chat", model, trial)
    return {
        row["task_id"]: row
        for row in rows(f"paired/{source}")
        if (row["domain"], row["mode"], row["model"], row["trial"]) == wanted
    }


def _ended(  # noqa: PLR0917 (a pair is six things)
    source: str, production: str, candidate: str, truth: Truth, one: Mapping[str, Row], other: Mapping[str, Row]
) -> Pair:
    tasks = sorted(one.keys() & other.keys())
    answers = {
        arm: [Said(_opening(run[task])[1], float(run[task]["reward"])) for task in tasks]
        for arm, run in ((PRODUCTION, one), (CAND, other))
    }
    turns = [turn(_id(task), [_opening(one[task])[0]]) for task in tasks]
    return Pair(source, production, candidate, truth, "right or wrong", turns, answers)


def _id(task: str) -> str:
    """An id that the wire takes: some tasks are named by all that they are about."""
    return f"{task.partition('[')[0]}{_shuffled(task)[:16]}"


def _opening(row: Row) -> tuple[Message, Message]:
    """The customer's first message, and the agent's answer to it."""
    said = row["messages"]
    first = next(at for at, each in enumerate(said) if each["role"] == "customer")
    answer = next((each for each in said[first:] if each["role"] == "agent"), {"role": "agent", "text": ""})
    return spoken(said[first]), spoken(answer)


LIKED: Final = ("claude-2", "gpt-3.5-turbo-1106", "vicuna-13b-v1.5")


def likes() -> Iterator[Pair]:
    """One constant gibberish reply that a judge prefers to three models."""
    by_model: dict[str, dict[str, Row]] = {}
    for row in rows("paired/alpaca"):
        by_model.setdefault(row["model"], {})[row["task_id"]] = row
    null = by_model[same_or_other.NULL]
    for model in LIKED:
        tasks = sorted(by_model[model].keys() & null.keys())
        answers = {
            arm: [Said(spoken(run[task]["reply"]), _liked(run[task])) for task in tasks]
            for arm, run in ((PRODUCTION, by_model[model]), (CAND, null))
        }
        turns = [turn(task, [message("customer", null[task]["messages"][-1]["text"])]) for task in tasks]
        names = ("alpaca", model, same_or_other.NULL, "gibberish", "liked by a judge")
        yield Pair(*names, turns, answers, outcome="liked")


def _liked(row: Row) -> float | None:
    return next(iter((row.get("ground_truth") or {}).values()), None)


OTHERS: Final = ("claude-2.1", "gpt-3.5-turbo-1106", "gpt-4o-2024-05-13", "vicuna-13b-v1.5", same_or_other.NULL)


def floors() -> Iterator[Pair]:
    """One model beside another sample of itself, and beside others; control is a third sample."""
    given = same_or_other.recorded()
    who: list[tuple[int | str, Truth]] = [(2, "same model"), (5, "same model")]
    who += [(model, "other model") for model in OTHERS]
    for candidate, truth in who:
        replies = {PRODUCTION: given.replies[0], CONTROL: given.replies[1], CAND: given.replies[candidate]}
        answers = {arm: [Said(each) for each in said] for arm, said in replies.items()}
        name = f"sample {candidate}" if isinstance(candidate, int) else candidate
        yield Pair("tulu", same_or_other.PRODUCTION, name, truth, "far from production", given.turns, answers)


def _shuffled(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()
