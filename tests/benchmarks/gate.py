"""From a ledger's raw rows to a verdict: a million comparisons in 24 slices, cold and incremental.

``python -m tests.benchmarks.gate [COMPARISONS]`` needs no broker.
"""

from __future__ import annotations

import json
import random
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from shadow.gatekeeper import Gatekeeper
from shadow.ledger import Ledger
from tests.benchmarks.figure import Figure, Scale
from tests.fixtures.gate_ledger import configured, evaluator_of
from tests.fixtures.gate_rows import START, row

TURNS = 6
EVERY_S = 7.0
SLICES = [f"tier=s{number}" for number in range(23)]
PAYLOAD = json.dumps({"text": "x" * 1_000})
WRITTEN_AT_ONCE = 12_000
NEW = 6_000


def gate() -> dict[str, Any]:
    """One guardrail on all 24 slices, five more overall."""
    return {
        "guardrails": [
            {"kind": "failure", "name": "any_failure", "margin": 0.01, "slices": [*SLICES, "tier=other"]},
            {"kind": "failure", "name": "unanswered", "failures": ["timeout"], "margin": 0.005},
            {"kind": "slow", "name": "slow", "limit_s": 15},
            {"kind": "log_ratio", "name": "latency", "of": "latency"},
            {"kind": "zero_tolerance", "name": "pii_leak", "failures": ["pii_leak"]},
            {"kind": "zero_tolerance", "name": "prompt_leak", "failures": ["prompt_leak"]},
        ]
    }


def values(config: Any, first: int, count: int) -> Iterator[dict[str, Any]]:
    """``count`` comparisons from conversation ``first`` on, as the recorder would write them."""
    rng = random.Random(first)
    revision, evaluator = config.arm("cand").revision, evaluator_of(config)
    base = row(0)._asdict() | {"turn_partition": 0, "turn_offset": 0, "compared_at": START, "payload": PAYLOAD}
    for number in range(count):
        conversation, turn = first + number // TURNS, number % TURNS
        arrived = START + conversation * EVERY_S + turn * 60
        yield base | {
            "turn_id": f"conv-{conversation}:{turn}",
            "conversation_id": f"conv-{conversation}",
            "turn_index": turn,
            "arm_revision": revision,
            "evaluator_revision": evaluator,
            "turn_arrived_at": arrived,
            "recorded_at": arrived + 3,
            "slices": json.dumps(sorted(rng.sample(SLICES, 4))),
            "failures": '["refusal"]' if rng.random() < 0.02 else None,
            "production_failures": '["refusal"]' if rng.random() < 0.02 else None,
            "production_latency_s": rng.uniform(0.5, 3),
            "candidate_latency_s": rng.uniform(0.5, 3),
        }


def figures(_bootstrap: str, folder: Path, scale: Scale, *, comparisons: int | None = None) -> Iterator[Figure]:
    """CPU seconds of one process: reading, conversations, all looks, the report."""
    count = comparisons or (1_000_000 if scale.turns >= Scale().turns else 100_000)
    config = configured(
        folder, "127.0.0.1:1", gate=gate(), slices={"use": [], "metadata": {"tier": [f"s{n}" for n in range(23)]}}
    )
    with Ledger(config.ledger.url) as ledger:
        for start in range(0, count, WRITTEN_AT_ONCE):
            size = min(WRITTEN_AT_ONCE, count - start)
            ledger.write_rows(list(values(config, start // TURNS, size)), [])
        keeper = Gatekeeper(config, ledger, evaluator_of(config))
        end = START + (count // TURNS + TURNS) * EVERY_S
        spent, clock = _timed(lambda: (keeper.catch_up(end), keeper.report("cand", end)))
        session = keeper.sessions["cand"]
        yield Figure(
            f"gate, cold: {session.rows:,} comparisons, 24 slices, {len(session.experiment.cells)} cells",
            f"{spent:.1f} s of CPU ({clock:.1f} s by the clock)",
            f"{session.traffic.conversations:,} conversations closed",
            "goal <= 20 s",
        )
        ledger.write_rows(list(values(config, count // TURNS + 100, NEW)), [])
        later = end + (NEW // TURNS + 100) * EVERY_S
        spent, clock = _timed(lambda: (keeper.catch_up(later), keeper.report("cand", later)))
        yield Figure(
            f"gate, {NEW:,} comparisons more",
            f"{spent:.2f} s of CPU ({clock:.2f} s by the clock)",
            f"{1e6 * spent / NEW:.0f} us a comparison",
            "goal: what is new, not what is there",
        )


def _timed(work: Any) -> tuple[float, float]:
    cpu, clock = time.process_time(), time.perf_counter()
    work()
    return time.process_time() - cpu, time.perf_counter() - clock


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as temporary:
        asked = int(sys.argv[1]) if len(sys.argv) > 1 else None
        for figure in figures("", Path(temporary), Scale(), comparisons=asked):
            print(figure, flush=True)
