"""Is it the same model or another one? The noise floor on real replies, watched after every turn.

One model (tulu-2-dpo-13b) answered each of 571 prompts eight times; eleven other models answered the same prompts once.
Production, control and, for A/A, the candidate are samples of the one model; else the candidate is another model. One
prompt is one conversation. Exchanging control and candidate only changes the sign of every difference, so the 336
ordered choices of three of the eight samples are 168 tests, which share replies and are not independent.
"""

from __future__ import annotations

import math
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from itertools import combinations, permutations
from statistics import median
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from shadow import plugins
from shadow.config import Comparator
from shadow.events import Message, Reply, Turn
from shadow.gate import noise_floor
from shadow.gate.excess import Excess
from shadow.gate.turn_weighted import LEAST_DISCORDANT
from shadow.measures import Pair
from tests.evaluate.data import AT, message, rows, spoken, turn
from tests.evaluate.table import table

PRODUCTION: Final = "tulu-2-dpo-13b"
SAMPLES: Final = 8
ALPHA: Final = 0.05
NULL: Final = "NullModel"
SOON: Final = 20
DIFFERS: Final = 0.25
"""From here on two replies count as different, for the rules that count."""
FIRST_LOOK: Final = 100
"""For the rules that know no error rate: before, they would be judged on a handful."""

Values = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Recorded:
    """The prompts in a fixed order, and replies by who gave them: a sample's number, or a model's name."""

    turns: list[Turn]
    replies: Mapping[int | str, list[Message]]

    @property
    def others(self) -> list[str]:
        """Names of the other models."""
        return [who for who in self.replies if isinstance(who, str)]


@cache
def recorded() -> Recorded:
    """Both sources joined by prompt."""
    asked: dict[str, Turn] = {}
    found: dict[int | str, dict[str, Message]] = {}
    for row in [*rows("paired/tulu_repeats"), *rows("paired/alpaca")]:
        task = row["task_id"]
        asked.setdefault(task, turn(task, [message("customer", row["messages"][-1]["text"])]))
        who = row["trial"] if row["model"] == PRODUCTION else row["model"]
        found.setdefault(who, {})[task] = spoken(row["reply"])
    tasks = sorted(asked)
    replies = {who: [said[task] for task in tasks] for who, said in found.items() if len(said) == len(tasks)}
    return Recorded([asked[task] for task in tasks], replies)


@cache
def measures() -> dict[str, Any]:
    """Every default measure, and tone; of ``action`` there is nothing here to see."""
    return plugins.measures([name for name in (*Comparator().measures, "tone") if name != "action"])


@cache
def scores(production: int, arm: int | str) -> Mapping[str, Values]:
    """Each measure's scores on every prompt; NaN where it abstains. All of them are symmetric."""
    if isinstance(arm, int) and arm < production:
        return scores(arm, production)
    given = recorded()
    pairs = [Pair(*each) for each in zip(given.turns, given.replies[production], given.replies[arm], strict=True)]
    return {
        name: np.array([np.nan if score.value is None else score.value for score in measure.score(pairs)])
        for name, measure in measures().items()
    }


def excess(production: int, control: int, candidate: int | str, measure: str) -> Values:
    """Candidate's minus control's divergence by prompt, with what stands for a missing score, as the gate does it."""
    own, other = scores(production, candidate)[measure], scores(production, control)[measure]
    answered = np.zeros(len(own), np.bool_)
    left = noise_floor._stand_in(measure, own, answered, other)
    right = noise_floor._stand_in(measure, other, answered, own)
    difference: Values = left - right
    return difference


def first_call(x: Values, *, alpha: float) -> int | None:
    """After which prompt the noise floor says ``different`` for the first time, counting those without a score too."""
    so_far = Excess()
    for at, value in enumerate(x.tolist(), start=1):
        if math.isnan(value):
            continue
        so_far = so_far.add(value)
        # Asymptotic intervals need 20 discordant prompts; until then only the wealth can speak, and is quicker asked.
        asked = so_far.discordant >= LEAST_DISCORDANT or so_far.log_e() >= math.log(2 / alpha)
        if asked and so_far.call(alpha=alpha) == "different":
            return at
    return None


def counting_rule(production: int, control: int, candidate: int | str, measure: str) -> bool:
    """Diffy's rule at any look: differing pairs of both arms, 20 % apart in relative and 0.03 % in absolute terms."""
    raw, noise = (np.cumsum(scores(production, arm)[measure] > DIFFERS) for arm in (candidate, control))
    total = np.arange(1, len(raw) + 1)
    gap, both = np.abs(raw - noise), np.maximum(raw + noise, 1)
    flagged = (gap / both > 0.2) & (gap / total > 0.0003)
    return bool(flagged[FIRST_LOOK - 1 :].any())


def tables() -> Iterator[str]:
    """All tables."""
    given = recorded()
    alike = [(p, c, k) for p in range(SAMPLES) for c, k in combinations([s for s in range(SAMPLES) if s != p], 2)]
    unlike = {other: [(p, c, other) for p, c in permutations(range(SAMPLES), 2)] for other in sorted(given.others)}
    strict = ALPHA / len(measures())
    found: dict[tuple[Any, ...], dict[str, int | None]] = {}
    for number, case in enumerate(all_cases := [*alike, *(case for cases in unlike.values() for case in cases)]):
        if number % 100 == 0:
            print(f"same_or_other: {number} of {len(all_cases)} streams", file=sys.stderr)
        found[case] = {name: first_call(excess(*case, name), alpha=ALPHA) for name in measures()}
    yield _per_measure(alike, unlike, found)
    yield _per_model(alike, unlike, found, strict)
    yield _without(alike, unlike)
    yield _null(strict)
    yield _detectors()


def _per_measure(
    alike: list[Any], unlike: Mapping[str, list[Any]], found: Mapping[Any, Mapping[str, int | None]]
) -> str:
    others = [case for cases in unlike.values() for case in cases]
    body = [
        [name, *_shares([found[case][name] for case in alike], [found[case][name] for case in others])]
        for name in measures()
    ]
    head = ("measure", f"same model called different (goal {ALPHA})", "other models found", "median prompts")
    note = f"{len(alike)} A/A streams, {len(others)} of other models; each measure by itself at {ALPHA}."
    return table("Noise floor, watched after every prompt", head, body, note)


def _shares(alike: list[int | None], others: list[int | None]) -> list[object]:
    called = [each for each in others if each is not None]
    return [
        sum(each is not None for each in alike) / len(alike),
        len(called) / len(others),
        int(median(called)) if called else None,
    ]


def _per_model(
    alike: list[Any], unlike: Mapping[str, list[Any]], found: Mapping[Any, Mapping[str, int | None]], strict: float
) -> str:
    def soonest(case: Any) -> tuple[int, str] | None:
        # What is not found at the whole error rate is not found at a part of it.
        names = [name for name, at in found[case].items() if at is not None]
        calls = {name: first_call(excess(*case, name), alpha=strict) for name in names}
        return min(((at, name) for name, at in calls.items() if at is not None), default=None)

    body: list[list[object]] = []
    for name, cases in {"(another sample of the same model)": alike, **unlike}.items():
        calls = [soonest(case) for case in cases]
        known = [call for call in calls if call is not None]
        by = Counter(measure for _, measure in known).most_common(2)
        body.append(
            [
                name,
                len(cases),
                len(known) / len(cases),
                int(median(at for at, _ in known)) if known else None,
                ", ".join(f"{measure} {count}" for measure, count in by),
            ]
        )
    head = ("candidate", "streams", "called different", "median prompts", "first by")
    note = f"Any of {len(measures())} measures, each at {ALPHA}/{len(measures())}, so that all together err at {ALPHA}."
    return table("Noise floor by candidate, any measure", head, body, note)


def _without(alike: list[Any], unlike: Mapping[str, list[Any]]) -> str:
    """The same streams without a noise floor."""
    others = [case for cases in unlike.values() for case in cases]
    body: list[list[object]] = []
    for name in measures():
        same, other = ([_mean(scores(p, k)[name]) for p, _, k in cases] for cases in (alike, others))
        limit = max(sorted({*same, *other}), key=lambda at: _right(same, other, at))
        body.append(
            [
                name,
                *(sum(each > DIFFERS for each in means) / len(means) for means in (same, other)),
                limit,
                *(sum(each > limit for each in means) / len(means) for means in (same, other)),
                *(sum(counting_rule(*case, name) for case in cases) / len(cases) for cases in (alike, others)),
            ]
        )
    head = (
        "measure",
        f"A/A, mean > {DIFFERS}",
        "others",
        "best limit in hindsight",
        "A/A above it",
        "others",
        "A/A, Diffy",
        "others",
    )
    note = (
        f"Share of streams flagged: mean raw divergence over a fixed limit at the end; Diffy's rule at any look from "
        f"prompt {FIRST_LOOK} on, a pair differing above {DIFFERS}."
    )
    return table("Without a noise floor", head, body, note)


def _mean(values: Values) -> float:
    """The mean of the scores that there are; 0 where all abstain."""
    return 0.0 if np.isnan(values).all() else float(np.nanmean(values))


def _right(same: list[float], other: list[float], limit: float) -> float:
    return sum(each <= limit for each in same) / len(same) + sum(each > limit for each in other) / len(other)


def _null(strict: float) -> str:
    """From every starting point, with four pairs of samples as production and control."""
    calls: list[tuple[float, str]] = []
    for production in range(0, SAMPLES, 2):
        control = (production + 1) % SAMPLES
        xs = {name: excess(production, control, NULL, name) for name in measures()}
        for start in range(len(recorded().turns)):
            window = {name: np.roll(x, -start)[: 2 * SOON] for name, x in xs.items()}
            at = {name: first_call(x, alpha=strict) for name, x in window.items()}
            calls.append(
                min(((each, name) for name, each in at.items() if each is not None), default=(math.inf, "none"))
            )
    within = sum(at <= SOON for at, _ in calls) / len(calls)
    most = max(at for at, _ in calls)
    by = ", ".join(f"{name} {count}" for name, count in Counter(name for _, name in calls).most_common())
    row = (NULL, len(calls), within, int(median(at for at, _ in calls)), most if most < math.inf else "later", by)
    head = ("candidate", "starts", f"within {SOON} prompts", "median prompts", "most", "first by")
    return table("One constant gibberish reply is caught soon, wherever the watch begins", head, [row])


def _detectors() -> str:
    """What the failure detectors say of single replies."""
    given, detectors = recorded(), plugins.detectors()
    body = []
    for who in (NULL, 0, *(other for other in sorted(given.others) if other != NULL)):
        kinds: Counter[str] = Counter()
        for asked, said in zip(given.turns, given.replies[who], strict=True):
            reply = Reply(turn_id=asked.turn_id, conversation_id=asked.turn_id, occurred_at=AT, message=said)
            kinds.update({kind for detector in detectors.values() for kind in detector.detect(asked, reply)})
        named = ", ".join(f"{kind} {count}" for kind, count in kinds.most_common(4))
        body.append([PRODUCTION if who == 0 else who, len(given.turns), named])
    return table("Failures found in single replies", ("model", "replies", "failures"), body)


if __name__ == "__main__":
    for text in tables():
        print(text)
