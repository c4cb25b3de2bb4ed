"""``python -m tests.evaluate.thresholds``: the thresholds derived from one model's repeated samples, beside the code's.

The real data are one model sampled eight times on each of 571 prompts. A pair of two samples is what "the same model"
looks like. A textual measure's ``agree`` is the median of such pairs, its ``diverge`` their 95th percentile, rounded
up to 0.01. What a reply does (action, escalation, language) and states (facts) has no noise worth allowing: 0 and 0.
Beside it, how many of the same model's pairs come out as apart, how many pairs of a good model and NullModel, which
answers every prompt with the same gibberish, and how many pairs of one model's replies in one support conversation.
"""

from __future__ import annotations

import gzip
import json
import math
import os
from collections import defaultdict
from collections.abc import Iterable, Iterator
from itertools import combinations
from pathlib import Path
from typing import Any, Final

import numpy as np

from shadow import plugins
from shadow.comparator.prefix import agreed
from shadow.events import Message, Score, Turn
from shadow.measures import Pair
from shadow.thresholds import DEFAULTS, PREFIX_MEASURES

DATA: Final = Path(os.environ.get("SHADOW_DATA_DIR") or Path(__file__).parents[3] / "shared" / "data")
PAIRED: Final = DATA / "open" / "paired"
REPEATED: Final = "tulu-2-dpo-13b"
GOOD: Final = "gpt4_1106_preview"
GIBBERISH: Final = "NullModel"
TEXTUAL: Final = ("semantic", "lexical", "length", "tone")
CHUNK: Final = 2_000


def derived(scores: Iterable[float]) -> tuple[float, float]:
    """The median and the 95th percentile, each rounded up to 0.01."""
    values = np.array(list(scores))
    agree, diverge = (math.ceil(round(float(np.percentile(values, q)) * 100, 6)) / 100 for q in (50, 95))
    return agree, diverge


def same_model() -> list[Pair]:
    """Every two samples of the repeated model on one prompt. Raises :class:`OSError` where the data is absent."""
    samples: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in _rows("tulu_repeats"):
        if row["model"] == REPEATED:
            samples[row["task_id"]].append(row)
    return [_pair(one, other) for group in samples.values() for one, other in combinations(group, 2)]


def gibberish() -> list[Pair]:
    """A good model's reply and NullModel's to one prompt. Raises :class:`OSError` where the data is absent."""
    replies: defaultdict[str, dict[str, dict[str, Any]]] = defaultdict(dict)
    for row in _rows("alpaca"):
        replies[row["task_id"]][row["model"]] = row
    return [_pair(both[GOOD], both[GIBBERISH]) for both in replies.values() if {GOOD, GIBBERISH} <= both.keys()]


def support() -> list[Pair]:
    """Every two replies of one model to the same history of a support conversation, in two runs of it."""
    pairs = []
    for row in _rows("tau_shared_contexts"):
        for one, other in combinations(row["replies"], 2):
            if one["model"] == other["model"]:
                pairs.append(_pair({"reply": one}, {"reply": other}))
    return pairs


def scored(pairs: list[Pair]) -> list[dict[str, Score]]:
    """Each pair's scores by every measure that has thresholds."""
    measures = plugins.measures(DEFAULTS)
    found: list[dict[str, Score]] = [{} for _ in pairs]
    for start in range(0, len(pairs), CHUNK):
        part = slice(start, start + CHUNK)
        for name, measure in measures.items():
            for row, score in zip(found[part], measure.score(pairs[part]), strict=True):
                row[name] = score
    return found


def values(rows: list[dict[str, Score]], measure: str) -> list[float]:
    """The measure's scores where it did not abstain."""
    return [score.value for row in rows if (score := row[measure]).value is not None]


def tables() -> Iterator[str]:
    """The table per measure, then what decides whether the customer could have gone on."""
    if not PAIRED.is_dir():
        yield f"skipped: {PAIRED} is absent; name the folder of recorded data in SHADOW_DATA_DIR"
        return
    same, *others = (scored(pairs) for pairs in (same_model(), gibberish(), support()))
    yield "| measure | same-model pairs | p50 | p95 | derived | in the code | apart | NullModel apart | support apart |"
    yield "|---|---|---|---|---|---|---|---|---|"
    for measure, threshold in DEFAULTS.items():
        have = values(same, measure)
        p50, p95 = (f"{np.percentile(have, q):.3f}" if have else "-" for q in (50, 95))
        agree, diverge = derived(have) if measure in TEXTUAL else (0.0, 0.0)
        apart = [_share([value > threshold.diverge for value in values(rows, measure)]) for rows in (same, *others)]
        code = f"{threshold.agree:g}, {threshold.diverge:g}"
        yield f"| {measure} | {len(have)} | {p50} | {p95} | {agree:g}, {diverge:g} | {code} | {' | '.join(apart)} |"
    yield ""
    yield "| deciding measures | same model agrees | NullModel agrees | in support, same model agrees |"
    yield "|---|---|---|---|"
    for deciding in (PREFIX_MEASURES, tuple(name for name in PREFIX_MEASURES if name != "facts")):
        limits = {name: DEFAULTS[name].diverge for name in deciding}
        shares = [
            _share([agreed("compared", row, limits) is True for row in rows]) + f" of {len(rows)}"
            for rows in (same, *others)
        ]
        yield f"| {', '.join(deciding)} | {' | '.join(shares)} |"


def _share(flags: list[bool]) -> str:
    return f"{sum(flags) / len(flags):.1%}" if flags else "-"


def _rows(name: str) -> Iterator[dict[str, Any]]:
    with gzip.open(PAIRED / f"{name}.jsonl.gz", "rt", encoding="utf-8") as file:
        yield from map(json.loads, file)


def _pair(one: dict[str, Any], other: dict[str, Any]) -> Pair:
    """Two replies; none of the measures looks at what was asked."""
    asked = Message(role="user", content="?")
    turn = Turn(turn_id="t", conversation_id="c", occurred_at=1_790_000_000.0, messages=[asked])
    return Pair(turn, _said(one["reply"]), _said(other["reply"]))


def _said(reply: dict[str, Any]) -> Message:
    calls = [
        {"function": {"name": call["name"], "arguments": json.dumps(call["arguments"])}}
        for call in reply.get("tool_calls") or []
    ]
    return Message.model_validate({"role": "assistant", "content": reply.get("text"), "tool_calls": calls or None})


if __name__ == "__main__":
    for line in tables():
        print(line)
