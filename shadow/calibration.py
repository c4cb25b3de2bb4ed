"""How far a judge can be trusted: its verdicts beside labels, in counts, each share with its interval. Pure.

Two kinds of labelled data: *pairs* (two replies, which is better) and *single* verdicts (passed or failed, beside the
truth). A verdict that cannot be read is counted apart and is never an agreement, a disagreement or a tie.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from shadow.measures.judge import Judged

Label = Literal["first", "second", "tie"]
Z95: Final = 1.959963984540054

_PASS: Final = frozenset({
    "pass", "passed", "success", "successful", "satisfied", "satisfactory", "compliant", "correct", "yes", "true",
})  # fmt: skip
_FAIL: Final = frozenset({
    "fail", "failed", "failure", "unsuccessful", "unsatisfied", "unsatisfactory", "non-compliant", "noncompliant",
    "incorrect", "no", "false",
})  # fmt: skip


@dataclass(frozen=True, slots=True)
class Share:
    """``k`` of ``n`` with its Wilson interval at 95 %; all None where there is nothing to count."""

    k: int
    n: int

    @property
    def value(self) -> float | None:
        """The share."""
        return self.k / self.n if self.n else None

    @property
    def interval(self) -> tuple[float, float] | None:
        """Source: E. B. Wilson, "Probable Inference", JASA 22, 1927."""
        if not self.n:
            return None
        share, z2 = self.k / self.n, Z95 * Z95
        middle = (share + z2 / (2 * self.n)) / (1 + z2 / self.n)
        half = Z95 / (1 + z2 / self.n) * math.sqrt(share * (1 - share) / self.n + z2 / (4 * self.n * self.n))
        return max(0.0, middle - half), min(1.0, middle + half)

    def to_dict(self) -> dict[str, Any]:
        """As plain data."""
        return {"k": self.k, "n": self.n, "value": self.value, "interval": self.interval}


@dataclass(frozen=True, slots=True)
class LabelledPair:
    """A pair whose better reply is known, and what the judge said with ``first`` as A (forward), then as B.

    ``error`` is why one of both answers is no verdict; ``longer`` is the longer reply, None if they are as long.
    """

    label: Label
    longer: Literal["first", "second"] | None
    judged: Judged | None
    error: str | None = None

    @property
    def verdict(self) -> Label | None:
        """The judge's in the words of the labels."""
        words: Mapping[str, Label] = {"production_better": "first", "arm_better": "second"}
        return None if self.judged is None else words.get(self.judged.preference, "tie")


@dataclass(frozen=True, slots=True)
class LabelledVerdict:
    """A single verdict beside the truth. ``passed`` None: the verdict's word is neither of passing nor of failing."""

    passed: bool | None
    truth: bool
    groups: Mapping[str, str]


def passed(word: object) -> bool | None:
    """What a verdict in one word means; None if it is not one of those that are known: nothing is guessed."""
    said = str(word).strip().casefold().replace(" ", "-")
    return True if said in _PASS else False if said in _FAIL else None


def kappa(pairs: Sequence[tuple[Any, Any]]) -> tuple[float, tuple[float, float]] | None:
    """Cohen's kappa of (verdict, label), with an interval; None where it has no meaning: no pairs, or one word alone.

    The interval is that of the agreement (Wilson), carried through kappa's formula with the agreement by chance held
    at what was observed: a little too narrow. Source: J. Cohen, Educ. Psychol. Meas. 20, 1960.
    """
    if not pairs:
        return None
    n = len(pairs)
    said, labels = Counter(verdict for verdict, _ in pairs), Counter(label for _, label in pairs)
    chance = sum(said[word] * labels[word] for word in said) / (n * n)
    share = Share(sum(verdict == label for verdict, label in pairs), n)
    low_high = share.interval
    if chance >= 1 or low_high is None or share.value is None:
        return None
    low, high = ((bound - chance) / (1 - chance) for bound in low_high)
    return (share.value - chance) / (1 - chance), (low, high)


def of_verdicts(items: Sequence[LabelledVerdict]) -> dict[str, Any]:
    """Agreement, kappa, and the two ways to be wrong. Single verdicts have no places, so no bias of place is seen."""
    read = [(item.passed, item.truth) for item in items if item.passed is not None]
    failed = [said for said, truth in read if not truth]
    good = [said for said, truth in read if truth]
    return {
        "items": len(items),
        "unreadable": Share(len(items) - len(read), len(items)).to_dict(),
        "agreement": Share(sum(said == truth for said, truth in read), len(read)).to_dict(),
        "kappa": _kappa(read),
        "failures_passed": Share(sum(bool(said) for said in failed), len(failed)).to_dict(),
        "successes_failed": Share(sum(not said for said in good), len(good)).to_dict(),
        "position_bias": None,
        "length_bias": None,
    }


def of_pairs(items: Sequence[LabelledPair]) -> dict[str, Any]:
    """Agreement and kappa; how often the places decide; whether the longer reply wins where it should not.

    - ``order_changes_it``: of all judged pairs, those whose verdict changed when the places were exchanged;
    - ``position_bias``: of those in which one place won both times, the share of place A: 0.5 is none;
    - ``length_bias``: of the decided pairs that the judge got wrong, the share in which it took the longer reply: 0.5
      is none, if the longer one is labelled better as often as worse. ``longer_preferred`` and ``longer_labelled`` are
      the shares of the longer one in verdicts and in labels.
    """
    judged = [(item, item.judged) for item in items if item.judged is not None]
    both = [(item.verdict, item.label) for item, _ in judged]
    one_place = [answers.forward for _, answers in judged if answers.forward == answers.backward != "tie"]
    decided = [item for item, _ in judged if item.verdict != "tie" and item.longer is not None]
    labelled = [item for item in decided if item.label != "tie"]
    wrong = [item for item in labelled if item.verdict != item.label]
    return {
        "items": len(items),
        "errors": dict(Counter(item.error for item in items if item.error is not None)),
        "agreement": Share(sum(verdict == label for verdict, label in both), len(both)).to_dict(),
        "kappa": _kappa(both),
        "ties": Share(sum(verdict == "tie" for verdict, _ in both), len(both)).to_dict(),
        "order_changes_it": Share(
            sum(answers.preference == "tie_disagree" for _, answers in judged), len(judged)
        ).to_dict(),
        "position_bias": _bias(sum(place == "A" for place in one_place), len(one_place)),
        "longer_preferred": Share(sum(item.verdict == item.longer for item in decided), len(decided)).to_dict(),
        "longer_labelled": Share(sum(item.label == item.longer for item in labelled), len(labelled)).to_dict(),
        "length_bias": _bias(sum(item.verdict == item.longer for item in wrong), len(wrong)),
    }


def by_groups(items: Sequence[LabelledVerdict], names: Sequence[str]) -> dict[str, dict[str, Any]]:
    """:func:`of_verdicts` for each combination of the named fields, in the order of their values."""
    found: dict[str, list[LabelledVerdict]] = {}
    for item in items:
        found.setdefault(", ".join(item.groups.get(name, "?") for name in names), []).append(item)
    return {group: of_verdicts(found[group]) for group in sorted(found)}


def _kappa(pairs: Sequence[tuple[Any, Any]]) -> dict[str, Any] | None:
    found = kappa(pairs)
    return None if found is None else {"value": found[0], "interval": found[1], "n": len(pairs)}


def _bias(k: int, n: int) -> dict[str, Any]:
    """A share that 0.5 means no bias of; ``found`` where its interval leaves 0.5 out."""
    share = Share(k, n)
    interval = share.interval
    found = interval is not None and not interval[0] <= 0.5 <= interval[1]  # noqa: PLR2004 (a fair coin)
    return {**share.to_dict(), "found": found}
