"""A page of the console over a million rows: a list by failures, by a guardrail on a slice, and the oldest rows.

``python -m tests.benchmarks.console [COMPARISONS]`` needs no broker; SQLite, and PostgreSQL where it is installed.
"""

from __future__ import annotations

import json
import random
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median
from typing import Any, Final

import pytest

from shadow.config import Config
from shadow.console import asked, pairs, reading
from shadow.ledger import Ledger
from tests.benchmarks.figure import Figure, Scale
from tests.fixtures.gate_ledger import configured, evaluator_of
from tests.fixtures.gate_rows import START, WINDOW_S, row
from tests.fixtures.postgres import new_database, postgres
from tests.fixtures.system import arm

ROWS: Final = 1_000_000
AT_ONCE: Final = 10_000
TIMES: Final = 5
SLICES: Final = [f"tier=s{number}" for number in range(23)]
MEASURES: Final = ["escalation", "facts", "language", "length", "lexical", "semantic"]
GATE: Final[dict[str, Any]] = {
    "guardrails": [
        {"kind": "failure", "name": "any_failure"},
        {"kind": "excess_divergence", "name": "facts", "measure": "facts"},
        {"kind": "score", "name": "solved", "outcome": "solved"},
    ]
}


def rows(who: str, revision: str, evaluator: str, numbers: range) -> Iterator[dict[str, Any]]:
    """As the recorder writes them, with a payload of the demo's size."""
    draw = random.Random(f"{who}{numbers.start}")
    base = row(0)._asdict() | {"turn_partition": 0, "turn_offset": 0, "compared_at": START}
    for number in numbers:
        yield base | {
            "turn_id": f"conv-{number // 6}:{number % 6}",
            "arm": who,
            "conversation_id": f"conv-{number // 6}",
            "turn_index": number % 6,
            "arm_revision": revision,
            "evaluator_revision": evaluator,
            "turn_arrived_at": START + number / 10,
            "recorded_at": START + number / 10 + 3,
            "slices": json.dumps(sorted(draw.sample(SLICES, 4))),
            "failures": '["refusal"]' if draw.random() < 0.02 else None,
            "measures": json.dumps(MEASURES),
            "scores": json.dumps([round(draw.random() ** 3, 6) for _ in MEASURES]),
            "payload": payload(who, revision, number),
        }


def payload(who: str, revision: str, number: int) -> str:
    """A record that can be read again."""
    return json.dumps({
        "type": "comparison", "turn_id": f"conv-{number // 6}:{number % 6}", "conversation_id": f"conv-{number // 6}",
        "arm": who, "arm_revision": revision, "turn_index": number % 6, "outcome": "compared",
        "turn_ref": {"partition": 0, "offset": number}, "turn_arrived_at": START + number / 10,
        "compared_at": START + number / 10, "metadata": {"filler": "x" * 1_200},
    })  # fmt: skip


def asks(config: Config, evaluator: str, **query: str) -> Callable[[], str]:
    """One click: the ledger is opened, read, closed, and the page is made."""
    wanted = asked.a_list(config, SLICES, {"candidate": "cand", **query}.items())
    return lambda: pairs.pairs(config, SLICES, wanted, reading.worst(config, wanted, evaluator))


def clicks(folder: Path, url: str, count: int) -> Iterator[Figure]:
    """What each kind of click costs by the clock, in the middle of :data:`TIMES`; and what the ledger weighs."""
    limits = {"timeout_s": 2, "deadline_s": 4, "max_age_s": 6}
    config = configured(
        folder, "127.0.0.1:1", gate=GATE, control=arm("control", limits=limits), ledger={"url": url},
        comparator={"join_window_s": WINDOW_S, "measures": MEASURES},
        slices={"use": [], "metadata": {"tier": [f"s{n}" for n in range(23)]}},
    )  # fmt: skip
    evaluator = evaluator_of(config)
    with Ledger(url) as ledger:
        for first in range(0, count, AT_ONCE):
            for name in ("cand", "control"):
                made = rows(name, config.arm(name).revision, evaluator, range(first, min(first + AT_ONCE, count)))
                ledger.write_rows(list(made), [])
    asking = {
        "failures, then divergence": asks(config, evaluator),
        "any_failure on one slice": asks(config, evaluator, guardrail="any_failure", slice="tier=s1"),
        "facts, against control's rows": asks(config, evaluator, guardrail="facts"),
        "an outcome that nobody wrote": asks(config, evaluator, guardrail="solved"),
        "the oldest rows": asks(config, evaluator, until=f"{START + 100:.1f}"),
    }
    for name, click in asking.items():
        took = [_timed(click) for _ in range(TIMES)]
        yield Figure(
            f"{url.partition(':')[0]}, {2 * count:,} rows: {name}",
            f"{1000 * median(took):.0f} ms, {1000 * max(took):.0f} at most",
            f"{reading.JOINED if 'facts' in name or 'outcome' in name else reading.LOOKED_AT:,} rows looked at",
            "goal <= 2 s",
        )


def figures(scale: Scale, *, comparisons: int | None = None) -> Iterator[Figure]:
    """The same over each database that is there."""
    count = comparisons or (ROWS if scale.turns >= Scale().turns else ROWS // 10)
    with tempfile.TemporaryDirectory() as temporary, databases(Path(temporary)) as urls:
        for url in urls:
            yield from clicks(Path(temporary), url, count // 2)


def _timed(work: Callable[[], object]) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


@contextmanager
def databases(folder: Path) -> Iterator[list[str]]:
    """A fresh ledger of each kind."""
    urls = [f"sqlite:///{folder / 'ledger.db'}"]
    with ExitStack() as stack:
        try:
            server = stack.enter_context(contextmanager(postgres.__wrapped__)())  # type: ignore[attr-defined]
        except pytest.skip.Exception as missing:
            print(missing)
        else:
            urls.append(new_database(server))
        yield urls


def main() -> None:
    """Print each figure as soon as it is known."""
    for figure in figures(Scale(), comparisons=int(sys.argv[1]) if len(sys.argv) > 1 else None):
        print(figure, flush=True)


if __name__ == "__main__":
    main()
