"""Runs checks side by side, each with a deadline: one that hangs is a line of the report, and holds up nothing."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field

from shadow.dead_letters import printable
from shadow.doctor import Finding, failed, unanswered


@dataclass(frozen=True, slots=True)
class Check:
    """``look`` gives findings; ``remedy``: what to do if it has not come back after ``seconds``, or breaks."""

    name: str
    look: Callable[[], Sequence[Finding]]
    remedy: str
    seconds: float
    answer: Future[Sequence[Finding]] = field(default_factory=Future)


def run(checks: Sequence[Check]) -> Iterator[Finding]:
    """Every check's findings in the checks' order, each as soon as those before it are there."""
    begun = time.monotonic()
    for check in checks:
        threading.Thread(target=_run, args=(check,), name=f"doctor {check.name}", daemon=True).start()
    for check in checks:
        try:
            yield from check.answer.result(max(0.0, begun + check.seconds - time.monotonic()))
        except TimeoutError:
            yield unanswered(check.name, check.seconds, check.remedy)


def _run(check: Check) -> None:
    try:
        check.answer.set_result(check.look())
    except Exception as error:  # noqa: BLE001 (the doctor's own fault is a finding too, and no end of the others)
        says = printable(f"the check broke: {type(error).__name__}: {error}"[:300])
        check.answer.set_result([failed(check.name, says, check.remedy)])
