"""Actions in a shared context: the action measure against labelled next actions and against finished episodes.

Two definitions of truth, both weak:

- ``tm_reward`` labels each next action right or wrong. Two replies to one context of which the first is right: a second
  that is wrong should diverge. Labels contradict each other on equal actions, and two talking replies are not actions.
- ``tau_shared_contexts`` knows only whether the whole episode ended well. A pair is called apart if one ended well and
  the other did not; most such pairs differ much later than here.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from itertools import combinations, permutations
from typing import Final

from shadow.events import Message, Turn
from shadow.measures import Pair
from shadow.measures.action import Action
from tests.evaluate.data import Row, half, message, rows, spoken, turn
from tests.evaluate.table import Tally, table

LIMITS: Final = (0.0, 0.1, 0.25, 0.5)

Case = tuple[Pair, bool, str]


def tables() -> Iterator[str]:
    """Both sources, then what limits them."""
    labelled, episodes = list(_labelled()), list(_episodes())
    head = ("source and half", "pairs", "truly apart", "limit", "recall", "precision")
    body = [*_lines("tm_reward", labelled), *_lines("tau_shared_contexts", episodes)]
    yield table("Action divergence against truth; where neither calls a tool it is 0", head, body)
    yield table("What no measure could do better", ("source", "pairs", "of these"), _ceiling(labelled, episodes))


def _lines(source: str, cases: list[Case]) -> Iterator[list[object]]:
    for name in ("tuned", "fresh"):
        chosen = [case for case in cases if case[2] == name]
        scores = Action().score([pair for pair, *_ in chosen])
        for limit in LIMITS:
            tally = Tally()
            for (_, true, _), score in zip(chosen, scores, strict=True):
                tally.add(said=(score.value or 0.0) > limit, true=true)
            yield [
                f"{source}, {name}",
                len(chosen),
                tally.hits + tally.misses,
                limit,
                tally.recall,
                tally.precision,
            ]


def _labelled() -> Iterator[Case]:
    contexts: dict[str, list[Row]] = defaultdict(list)
    for row in rows("paired/tm_reward"):
        contexts[row["task_id"]].append(row)
    for found in contexts.values():
        asked = _asked(
            found[0]["task_id"], [spoken(each) for each in found[0]["messages"]] or [message("customer", "Hello.")]
        )
        for production, candidate in permutations(found, 2):
            if production["reward"] == 1:
                pair = Pair(asked, spoken(production["reply"]), spoken(candidate["reply"]))
                yield pair, candidate["reward"] == 0, half(production)


def _episodes() -> Iterator[Case]:
    for row in rows("paired/tau_shared_contexts"):
        said = [spoken(each) for each in row["context"]] or [message("customer", row.get("ticket") or "Hello.")]
        asked = _asked(row["context_id"], said)
        for one, other in combinations(row["replies"], 2):
            apart = one["episode_reward"] != other["episode_reward"]
            yield Pair(asked, spoken(one), spoken(other)), apart, half(row)


def _ceiling(labelled: list[Case], episodes: list[Case]) -> Iterator[list[object]]:
    for name, cases in (("tm_reward", labelled), ("tau_shared_contexts", episodes)):
        apart = [pair for pair, true, _ in cases if true]
        same = sum(pair.production == pair.arm for pair in apart)
        silent = sum(not pair.production.tool_calls and not pair.arm.tool_calls for pair in apart)
        yield [f"{name}: truly apart", len(apart), f"{same} are equal to the letter, in {silent} neither calls a tool"]


def _asked(task: str, messages: list[Message]) -> Turn:
    return turn(task.replace("|", "/")[:150].translate(_UNFIT) or "x", messages)


_UNFIT: Final = str.maketrans(dict.fromkeys(" []()',;\"%&*!?$<>{}^\\", "_"))


if __name__ == "__main__":
    for text in tables():
        print(text)
