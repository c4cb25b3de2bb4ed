"""The same real pairs, live: ``python -m tests.evaluate.streamed [--broker embedded | kafka] [--only WORD ...]``.

Production is streamed by the Tap; one mirror per candidate (its replies are recorded, its calls are not), comparator,
recorder and gate are the real processes on a real broker. The verdict is what the gate says over HTTP, and what it
published. Pairs that are asked the same are streamed together, :data:`TOGETHER` at a time: a candidate's scope is its
own pair. Most of the minutes are waiting: conversations close by the clock.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import groupby
from pathlib import Path
from typing import Any, Final

from shadow import broker, plugins
from shadow.adapters.recorded import TARGET
from shadow.events import CONTROL, PRODUCTION, Decision, Reply, decode
from shadow.gatekeeper import Gatekeeper
from shadow.ledger import Ledger
from shadow.tap import Tap
from shadow.topology import DECISIONS
from tests.evaluate import pairs
from tests.evaluate.data import AT, AbsentError
from tests.evaluate.pairs import CAND, Pair
from tests.evaluate.table import table
from tests.evaluate.verdicts import HEAD, line
from tests.fixtures import brokers
from tests.fixtures.system import System, arm

TOGETHER: Final = 7
GATE: Final = {"cycle_s": 0, "look_every_s": 2, "conversation_idle_s": 1, "max_age_s": 3_600, "min_conversations": 100}
WINDOW_S: Final = 130.0
PATIENCE_S: Final = 600.0
AHEAD: Final = 300
"""Turns that may be streamed before earlier ones are in the ledger: a slow machine must not make them late."""


def verdicts(
    chosen: Sequence[Pair], folder: Path, bootstrap: str, *, window_s: float = WINDOW_S
) -> Iterator[dict[str, Any]]:
    """What the gate said of each pair, in their order, once every conversation has closed.

    That is ``window_s`` and about a minute after the last turn; a turn whose replies take longer would be lost.
    """
    folder.mkdir(parents=True, exist_ok=True)
    system = _system(chosen, folder, bootstrap, window_s)
    try:
        names = [f"mirror.{each.name}" for each in system.config.arms]
        system.start(*names, "comparator", "recorder", "gate")
        system.await_assigned(*names, "comparator", timeout_s=PATIENCE_S)
        with Tap(system.config.broker.bootstrap) as tap, Ledger(system.config.ledger.url) as ledger:
            for at, pair in enumerate(chosen):
                _play(tap, pair, f"p{at}", ledger)
        said = [_awaited(system, f"p{at}", len(pair.turns)) for at, pair in enumerate(chosen)]
        published, after = _published(system), _after(system)
        for at, found in enumerate(said):
            assert published[f"p{at}"] == found["verdict"], f"{published} but {found['verdict']} over HTTP"
        yield from ({**found, "backtest": {"decided_after": after[f"p{at}"]}} for at, found in enumerate(said))
    finally:
        system.close()


def _system(chosen: Sequence[Pair], folder: Path, bootstrap: str, window_s: float) -> System:
    """A deployment whose candidates are ``p0``, ``p1`` ..., each of which sees the turns of its own pair."""
    named = [(f"p{at}", pair) for at, pair in enumerate(chosen)]
    scope = [name for name, pair in named if CONTROL in pair.answers]
    # as long as the window allows: a machine that stands still makes no turn too old and no recorded reply too late
    limits = {"max_age_s": 0.6 * window_s, "deadline_s": 0.38 * window_s, "timeout_s": 0.36 * window_s}
    control = None
    if scope:
        lines = (line for name, pair in named if name in scope for line in _replies(pair, name, CONTROL, CONTROL))
        control = _arm(CONTROL, folder, lines, scope, limits)
    return System(
        folder,
        bootstrap,
        [],
        control=control,
        candidates=[_arm(name, folder, _replies(pair, name, CAND, name), [name], limits) for name, pair in named],
        comparator={"join_window_s": window_s},
        gate={**GATE, "guardrails": pairs.GUARDRAILS[chosen[0].asks]},
        metrics={"gate_port": brokers.free_ports(1)[0]},
    )


def _arm(name: str, folder: Path, lines: Iterator[bytes], scope: list[str], limits: dict[str, float]) -> dict[str, Any]:
    file = folder / f"{name}.jsonl"
    file.write_bytes(b"\n".join(lines) + b"\n")
    made = arm(name, TARGET, limits={**limits, "max_in_flight": 64}, scope={"pair": scope})
    made["adapter"]["settings"] = {"file": str(file), "arm": name}
    return made


def _replies(pair: Pair, prefix: str, side: str, name: str) -> Iterator[bytes]:
    """What ``side`` answered, under the ids that the pair is streamed with."""
    for asked, said in zip(pair.turns, pair.answers[side], strict=True):
        names = dict.fromkeys(("turn_id", "conversation_id"), f"{prefix}/{asked.turn_id}")
        reply = Reply(**names, arm=name, occurred_at=AT, message=said.message, latency_s=said.latency_s)
        yield reply.to_json()


def _play(tap: Tap, pair: Pair, prefix: str, ledger: Ledger) -> None:
    """Production's side of a pair, and what became of both sides' replies."""
    for at, asked in enumerate(pair.turns):
        names = dict.fromkeys(("turn_id", "conversation_id"), f"{prefix}/{asked.turn_id}")
        messages = [message.model_dump(mode="json", exclude_none=True) for message in asked.messages]
        tap.turn(**names, messages=messages, tools=asked.tools, metadata={"pair": prefix})
        said = pair.answers[PRODUCTION][at]
        tap.reply(**names, message=said.message.model_dump(mode="json", exclude_none=True), latency_s=said.latency_s)
        for side, name in ((PRODUCTION, PRODUCTION), (CAND, prefix)):
            value = pair.answers[side][at].value
            if value is not None:
                outcome_id = f"{prefix}/{asked.turn_id}:{side}"
                tap.outcome(**names, name=pair.outcome, value=value, arm=name, outcome_id=outcome_id)
        if at % (AHEAD // 3) == 0:
            _wait(ledger, prefix, at - AHEAD)
    assert tap.flush(PATIENCE_S), tap.stats()
    assert not tap.stats().dropped, tap.stats()


def _wait(ledger: Ledger, name: str, count: int) -> None:
    """Until so many turns of the pair are in the ledger."""
    deadline = time.monotonic() + PATIENCE_S
    while sum(1 for _ in ledger.keys(arm=name)) < count:
        assert time.monotonic() < deadline, f"{name}: fewer than {count} turns are in the ledger"
        time.sleep(0.2)


def _awaited(system: System, name: str, conversations: int) -> dict[str, Any]:
    """The gate's report once all conversations have closed and been looked at."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        found = _asked(system.config.metrics.gate_port, name)
        count = found.get("conversations", {"closed": 0, "open": 1})
        if count["closed"] >= conversations and not count["open"]:
            return found
        assert time.monotonic() < deadline, (
            f"{name}: {found.get('conversations')} {found.get('pairs')}\n{system.logs()}"
        )
        time.sleep(1)


def _asked(port: int, name: str) -> dict[str, Any]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/gate/{name}", timeout=10) as response:
            found: dict[str, Any] = json.loads(response.read())
            return found
    except OSError:  # not up yet, or nothing read so far
        return {}


def _published(system: System) -> dict[str, str]:
    """The last decision on each candidate."""
    records = broker.read(system.config.broker.bootstrap, DECISIONS)
    decisions = [decode(Decision, record.value, record.key) for record in records]
    return {each.candidate: each.verdict for each in sorted(decisions, key=lambda each: each.decided_at)}


def _after(system: System) -> dict[str, dict[str, int] | None]:
    """Conversations that had closed when each verdict came to stay: all that a look saw, and often many at once."""
    _, revision = plugins.evaluator(system.config)
    found: dict[str, dict[str, int] | None] = {}
    with Ledger(system.config.ledger.url) as ledger:
        for session, change in Gatekeeper(system.config, ledger, revision).catch_up(time.time()):
            name, before = session.experiment.candidate, found.get(session.experiment.candidate)
            closed = max(cell.conversations for cell in change.ruling.cells)
            found[name] = None if change.verdict == "HOLD" else before or {"conversations": closed}
    return found


def main() -> None:
    """Stream what was asked for, and print the table."""
    parser = argparse.ArgumentParser(prog="python -m tests.evaluate.streamed", description=__doc__)
    parser.add_argument("--broker", choices=("embedded", "kafka"), default="embedded")
    parser.add_argument("--only", nargs="*", default=[], metavar="WORD", help="pairs whose name holds one of these")
    given = parser.parse_args()
    try:
        chosen = [each for each in pairs.every() if not given.only or any(word in each.name for word in given.only)]
    except AbsentError as absent:
        parser.exit(0, f"skipped: {absent}\n")
    lines = []
    with tempfile.TemporaryDirectory() as folder:
        together = [part for _, alike in groupby(chosen, key=lambda each: each.asks) for part in batches(list(alike))]
        for at, part in enumerate(together):
            with _broker(given.broker, Path(folder) / str(at)) as address:
                for pair, found in zip(part, verdicts(part, Path(folder) / str(at), address), strict=True):
                    lines.append(line(pair, found))
                    print(*lines[-1], sep=" | ", file=sys.stderr, flush=True)
    wrong = sum(each[-1] != "yes" for each in lines)
    print(table(f"Verdicts on streamed pairs ({given.broker})", HEAD, lines, f"{len(lines)} pairs, {wrong} wrong."))
    sys.exit(bool(wrong))


def batches(alike: list[Pair]) -> Iterator[list[Pair]]:
    """At most :data:`TOGETHER` at once."""
    for start in range(0, len(alike), TOGETHER):
        yield alike[start : start + TOGETHER]


@contextmanager
def _broker(kind: str, folder: Path) -> Iterator[str]:
    folder.mkdir(parents=True, exist_ok=True)
    if kind == "embedded":
        with brokers.embedded_broker(folder) as address:
            yield address
    else:
        with brokers.kafka(folder, nodes=1) as cluster:
            [address] = cluster.bootstrap
            brokers.wipe(address)
            yield address


if __name__ == "__main__":
    main()
