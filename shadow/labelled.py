"""Labelled data for calibrating a judge: JSON Lines, of pairs or of verdicts that were recorded beside the truth.

A pair: ``{"prompt": text or messages, "replies": [one, other], "label": 0, 1 or "tie"}``; with ``"verdicts"`` (what a
judge said with the first as A, and as B) it is not asked again. A recorded verdict, as in tau2_llm_judge:
``{"judge_verdict": word, "true_success": true or false}``; its other fields are what results can be grouped by.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final, Literal, get_args

import orjson
from pydantic import TypeAdapter, ValidationError

from shadow.calibration import Label, LabelledPair, LabelledVerdict, passed
from shadow.events import Message, Turn
from shadow.measures import Pair
from shadow.measures.judge import Choice, Judged

AT_S: Final = 1_000_000_000.0
MAX_GROUP: Final = 60
BOTH: Final = 2

_LABELS: Final[dict[Any, Label]] = {0: "first", 1: "second", "tie": "tie"}
_MESSAGES: Final = TypeAdapter(list[Message])


class LabelledError(ValueError):
    """A line that is no labelled data; the message is one line that says where and what."""


@dataclass(frozen=True, slots=True)
class Case:
    """A pair to be judged; the first reply stands where production's would."""

    pair: Pair
    label: Label
    recorded: Judged | None

    def labelled(self, judged: Judged | None, error: str | None = None) -> LabelledPair:
        """The case with what a judge said of it."""
        first, second = len(self.pair.production.text), len(self.pair.arm.text)
        longer: Literal["first", "second"] | None = None if first == second else "first" if first > second else "second"
        return LabelledPair(self.label, longer, judged, error)


def read_lines(lines: Iterable[bytes]) -> tuple[list[Case], list[LabelledVerdict]]:
    """All that the lines hold. Raises :class:`LabelledError`, also for a file of both kinds, or of nothing."""
    cases: list[Case] = []
    verdicts: list[LabelledVerdict] = []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            data = _object(line)
            if "judge_verdict" in data:
                verdicts.append(_verdict(data))
            else:
                cases.append(_case(data, number))
        except (KeyError, TypeError, ValueError) as error:
            what = f"{error.args[0]!r} is missing" if isinstance(error, KeyError) else str(error).splitlines()[0]
            raise LabelledError(f"line {number}: {what[:200]}") from None
    if bool(cases) == bool(verdicts):
        raise LabelledError("holds pairs and recorded verdicts together" if cases else "holds no line")
    return cases, verdicts


def _object(line: bytes) -> dict[str, Any]:
    data = orjson.loads(line)
    if not isinstance(data, dict):
        raise TypeError("not a JSON object")
    return data


def _verdict(data: dict[str, Any]) -> LabelledVerdict:
    truth = data["true_success"]
    if not isinstance(truth, bool):
        raise TypeError(f"true_success is {truth!r:.40}, not true or false")
    groups = {name: value[:MAX_GROUP] for name, value in data.items() if isinstance(value, str)}
    return LabelledVerdict(passed(data["judge_verdict"]), truth, groups)


def _case(data: dict[str, Any], number: int) -> Case:
    prompt, replies, label = data["prompt"], data["replies"], data["label"]
    if isinstance(label, bool) or not isinstance(label, (int, str)) or label not in _LABELS:
        raise ValueError(f'label is {label!r:.40}; use 0, 1 or "tie"')
    if not isinstance(replies, list) or len(replies) != BOTH:
        raise ValueError("replies must be a list of two")
    messages = [{"role": "user", "content": prompt}] if isinstance(prompt, str) else prompt
    try:
        turn = Turn(
            turn_id=f"line:{number}",
            conversation_id="calibration",
            occurred_at=AT_S,
            messages=_MESSAGES.validate_python(messages),
        )
        both = _MESSAGES.validate_python([_reply(one) for one in replies])
    except ValidationError as error:
        raise ValueError(f"prompt or replies: {error.errors()[0]['msg']}") from None
    return Case(Pair(turn, *both), _LABELS[label], _recorded(data.get("verdicts")))


def _reply(one: Any) -> Any:
    return {"role": "assistant", "content": one} if isinstance(one, str) else one


def _recorded(verdicts: Any) -> Judged | None:
    if verdicts is None:
        return None
    known = get_args(Choice)
    if not isinstance(verdicts, list) or len(verdicts) != BOTH or not all(one in known for one in verdicts):
        raise ValueError('verdicts must be two of "A", "B", "tie"')
    return Judged(*verdicts)
