"""Days of what the real exporters export, in virtual time: every process has its own registry of the catalogue.

The comparator counts with its own code (:class:`consumers.counts.Counts`), the Tap's figures come through its own
collector; the other processes' families are set through their real registry, which refuses any name, label or value
that the catalogue does not know. The story's faults are switched on and off, the rest is a seeded draw.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import product
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

from consumers.counts import Counts, introduce
from shadow.config import Config
from shadow.events import ArmFacts, Comparison, Score
from shadow.metrics import exporter
from shadow.metrics.exporter import Metrics
from shadow.metrics.labels import ALL, SEVERITY, VERDICT
from shadow.metrics.tap import TapCollector
from shadow.topology import ARM_REPLIES, REPLIES, TURNS
from tests.fixtures.comparisons import comparison
from tests.fixtures.events import reply
from tests.observability import story
from tests.observability.story import CONTROL, STEP_S, TEAMS

SENT = 40
"""Turns of each arm in a step."""

GUARDRAILS = ("any_failure", "facts", "latency", "unanswered")
SLICES = (ALL, "language=de", "tone_shift", "tool_use")
VERDICTS = {"better": "PROMOTE", "slice-worse": "HOLD", "flaky": "REJECT"}
FACTS = {CONTROL: 0.10, "better": 0.11, "slice-worse": 0.12, "flaky": 0.10}
JOBS = {"gate": "shadow-gate", "tap": "shadow-tap"}
OWNED = {
    "mirror": (TURNS,),
    "comparator": (TURNS, REPLIES, ARM_REPLIES),
    "recorder": ("shadow.comparisons", "support.outcomes"),
}
PAST = ("shadow_outcomes", "shadow_evaluation_delay_seconds", "shadow_mirror_records")

Lines = Iterator[str]


def config(model: str = "a:b") -> Config:
    """Four arms of four owners; another ``model`` is another revision of ``slice-worse``."""
    arms = [
        {
            "name": name,
            "owner": team,
            "adapter": {"type": "callable", "target": model if name == "slice-worse" else "a:b"},
            "limits": {"usd_per_day": 50},
        }
        for name, team in TEAMS.items()
    ]
    document = {"version": 1, "production": {"owner": TEAMS[CONTROL], "model": "prod"}}
    return Config.model_validate({**document, "control": arms[0], "candidates": arms[1:]})


@dataclass
class Process:
    """One process: its registry, and the labels that Prometheus gives to what it scrapes there."""

    kind: str
    own: str
    metrics: Metrics
    counts: Counts | None = None
    born_s: float = 0.0
    names: dict[Any, str] = field(default_factory=dict)

    @property
    def target(self) -> dict[str, str]:
        """As deploy/prometheus labels it."""
        job = JOBS.get(self.kind, "shadow")
        return {"cluster": "ci", "job": job, "instance": f"{self.kind}-{self.own}:9100"}

    def lines(self, at_s: float, only: tuple[str, ...] = ()) -> Lines:
        """Its samples at a time, as OpenMetrics."""
        registry: Any = self.metrics.registry
        for metric in (registry.restricted_registry(_series(only)) if only else registry).collect():
            for sample in metric.samples:
                key = (sample.name, *sample.labels.values())
                name = self.names.get(key)
                if name is None:
                    name = self.names[key] = named(sample.name, {**self.target, **sample.labels})
                yield f"{name} {sample.value!r} {at_s:.0f}\n"


def _series(families: tuple[str, ...]) -> list[str]:
    return [f"{name}{end}" for name in families for end in ("_total", "_bucket")]


def named(name: str, labels: dict[str, str]) -> str:
    """A series with its labels."""
    pairs = ",".join(f'{key}="{value}"' for key, value in labels.items())
    return f"{name}{{{pairs}}}"


class Shadow:
    """All processes; ``past`` moves what objectives count, ``step`` moves everything. Both by one step."""

    def __init__(self, *, seed: int = 5) -> None:
        self.config = config()
        self.version = "0.0.9"
        self.draw = random.Random(seed)
        self.dropped: dict[str, int] = {}
        self.sent_by_tap = 0
        self.pattern = comparison()
        kinds = {"mirror": tuple(TEAMS), "comparator": ("1", "2"), "recorder": ("1",), "gate": ("1",), "tap": ("1",)}
        kinds |= {"judge": ("1",)}
        self.processes = [self._started(kind, own, 0.0) for kind, those in kinds.items() for own in those]

    def of(self, kind: str) -> list[Process]:
        """The processes of a kind."""
        return [each for each in self.processes if each.kind == kind]

    def restart(self, at_s: float, *, version: str = "", model: str = "") -> None:
        """All processes with a new build, or those that a new revision of ``slice-worse`` concerns: from 0 again."""
        self.version = version or self.version
        self.config = config(model) if model else self.config
        self.processes = [
            self._started(each.kind, each.own, at_s)
            if version or each.kind == "comparator" or each.own == "slice-worse"
            else each
            for each in self.processes
        ]

    def _started(self, kind: str, own: str, born_s: float) -> Process:
        """A process as it begins: what it exports from the start is there, at 0."""
        with patch.object(exporter, "__version__", self.version):
            made = Process(kind, own, Metrics(f"{kind}.{own}" if kind == "mirror" else kind), born_s=born_s)
        metrics = made.metrics
        if kind == "mirror":
            introduce(next(arm for arm in self.config.arms if arm.name == own), metrics)
            for name in ("shadow_mirror_records", "shadow_candidate_attempts", "shadow_candidate_tokens"):
                metrics.prepare(name, own)
            metrics.prepare("shadow_stage_events", "ask")
        elif kind == "comparator":
            made.counts = Counts(self.config, metrics)
        elif kind == "recorder":
            metrics.prepare("shadow_dead_letters")
            metrics.prepare("shadow_ledger_rows")
        elif kind == "tap":
            metrics.registry.register(TapCollector(self))
        return made

    def stats(self) -> Any:
        """The Tap's figures."""
        return SimpleNamespace(queued=3, queued_bytes=4_096, sent=self.sent_by_tap, dropped=dict(self.dropped))

    def past(self) -> None:
        """A quiet step of long ago."""
        for each in self.of("mirror"):
            each.metrics.counter("shadow_mirror_records", each.own, "sent").inc(SENT)
        for each in self.of("comparator"):
            assert each.counts is not None
            each.counts.compared([self._pair(name, "compared") for name in TEAMS])
            for name in TEAMS:
                each.metrics.counter("shadow_outcomes", name, "compared", "").inc(SENT // 2 - 1)

    def step(self, at_s: float, end_s: float) -> None:
        """One step of everything, with the faults of that time."""
        before = (end_s - at_s) / 60
        self.sent_by_tap += 2 * SENT
        if story.TAP_FULL.on(before):
            self.dropped["queue_full"] = self.dropped.get("queue_full", 0) + 5
        for each in self.processes:
            metrics = each.metrics
            metrics.gauge("shadow_ready").set(not (each.kind == "recorder" and story.RECORDER_HANGS.on(before)))
            if each.kind in OWNED:
                self._standing(each, at_s, before)
            if each.kind == "mirror":
                self._mirror(each, before)
            elif each.kind == "comparator":
                self._comparator(each, before)
            elif each.kind == "recorder":
                metrics.counter("shadow_ledger_rows", "stored").inc(SENT * len(TEAMS))
                metrics.counter("shadow_ledger_rows", "duplicate").inc(self.draw.random() < 0.1)
                metrics.histogram("shadow_ledger_transaction_seconds").observe(self.draw.uniform(0.002, 0.02))
            elif each.kind == "gate":
                self._gate(each, at_s, end_s, before)
            elif each.kind == "judge":
                for arm, verdict in product(VERDICTS, ("production", "arm", "tie")):
                    metrics.counter("shadow_judge_verdicts", arm, verdict).inc(2 + (verdict == "tie"))

    def _standing(self, each: Process, at_s: float, before: float) -> None:
        group = f"shadow.{each.kind}" + (f".{each.own}" if each.kind == "mirror" else "")
        stands = each.kind == "recorder" and story.RECORDER_HANGS.on(before)
        for topic, partition in product(OWNED[each.kind], "01"):
            labels = (group, topic, partition)
            each.metrics.gauge("shadow_consumer_lag_records", *labels).set(4_000 if stands else 5)
            if not stands:
                each.metrics.gauge("shadow_consumer_read_until_timestamp_seconds", *labels).set(at_s - 1)
        if each.kind != "recorder":
            each.metrics.counter("shadow_rebalances").inc(self.draw.random() < 0.01)
            for _ in range(10):
                each.metrics.histogram("shadow_event_loop_lag_seconds").observe(self.draw.expovariate(300))

    def _mirror(self, each: Process, before: float) -> None:
        arm, metrics = each.own, each.metrics
        for name in ("inflight_requests", "circuit_open", "paused"):
            metrics.gauge(f"shadow_candidate_{name}", arm).set(3 if name == "inflight_requests" else 0)
        metrics.gauge("shadow_candidate_budget_usd", arm).set(50)
        metrics.gauge("shadow_stage_queue_events", "ask").set(self.draw.randrange(20))
        metrics.gauge("shadow_stage_queue_capacity_events", "ask").set(132)
        duration = metrics.histogram("shadow_candidate_request_duration_seconds", arm)
        first = metrics.histogram("shadow_candidate_time_to_first_token_seconds", arm)
        if arm == "better" and story.SILENT.on(before):
            return
        failing = arm == "flaky" and story.FAILING.on(before)
        failed = sum(self.draw.random() < (0.2 if failing else 0.01) for _ in range(SENT))
        metrics.counter("shadow_mirror_records", arm, "sent").inc(SENT)
        metrics.counter("shadow_mirror_records", arm, "shed").inc()
        metrics.counter("shadow_candidate_attempts", arm, "ok").inc(SENT - failed)
        metrics.counter("shadow_candidate_attempts", arm, "timeout").inc(failed)
        metrics.counter("shadow_stage_events", "ask", "ok").inc(SENT - failed)
        metrics.counter("shadow_stage_events", "ask", "error").inc(failed)
        for _ in range(SENT - failed):
            took_s = self.draw.lognormvariate(0, 0.4) * (3 if failing else 1)
            duration.observe(took_s)
            first.observe(took_s / 4)
        metrics.counter("shadow_candidate_cost_usd", arm).inc(0.01 * SENT / 40)
        metrics.counter("shadow_candidate_tokens", arm, "input").inc(150 * SENT)
        metrics.counter("shadow_candidate_tokens", arm, "output").inc(60 * SENT)
        metrics.counter("shadow_tool_calls_recorded", arm, "refund").inc(SENT // 8)

    def _comparator(self, each: Process, before: float) -> None:
        counts = each.counts
        assert counts is not None
        for topic in OWNED["comparator"]:
            count = SENT // 2 * (len(TEAMS) if topic == ARM_REPLIES else 1)
            counts.read(topic, Counter(accepted=count, duplicate=int(self.draw.random() < 0.05)))
        answer = reply(latency_s=1.0, time_to_first_token_s=0.25)
        for _ in range(SENT // 2):
            took_s = self.draw.lognormvariate(0, 0.4)
            counts.production([answer.model_copy(update={"latency_s": took_s, "time_to_first_token_s": took_s / 4})])
        counts.waiting(30, 20)
        for stage in ("join", "compare", "deliver"):
            counts.passed(stage, SENT, errors=int(self.draw.random() < 0.01))
            each.metrics.histogram("shadow_stage_duration_seconds", stage).observe(self.draw.uniform(0.002, 0.02))
        if round(before) == 110:
            counts.letter("not_json")
        for arm in TEAMS:
            if not (arm == "better" and story.SILENT.on(before)):
                counts.compared(self._pairs(arm, before, first=each.own == "1"))

    def _pairs(self, arm: str, before: float, *, first: bool) -> list[Comparison]:
        """Half of an arm's turns; the first comparator has the one that the mirror shed besides."""
        failing = arm == "flaky" and story.FAILING.on(before)
        made = [self._pair(arm, "shed", reason="breaker")] if first else []
        for number in range(SENT // 2):
            chance = self.draw.random()
            if story.LOSS.on(before) and chance < 0.4:
                made.append(self._pair(arm, "expired", reason="arm_reply"))
            elif chance > (0.8 if failing else 0.99):
                made.append(self._pair(arm, "candidate_failed", reason="timeout", failures=["timeout"]))
            elif arm == "flaky" and first and number == 0 and story.LEAK.on(before):
                made.append(self._pair(arm, "compared", failures=["pii_leak"]))
            else:
                failures = ["repetition"] if chance < 0.01 else []
                made.append(self._pair(arm, "compared", failures=failures, diverges=self._diverges(arm, before)))
        return made

    def _diverges(self, arm: str, before: float) -> float:
        worse = 0.2 if arm == "slice-worse" and story.DIVERGING.on(before) else 0.0
        return min(1.0, max(0.0, self.draw.gauss(FACTS[arm] + worse, 0.03)))

    def _pair(
        self, arm: str, outcome: str, *, reason: str | None = None, failures: Sequence[str] = (), diverges: float = 0.1
    ) -> Comparison:
        measured = outcome == "compared"
        scores = {name: Score(value=diverges if name == "facts" else 0.2) for name in ("semantic", "facts")}
        return self.pattern.model_copy(
            update={
                "arm": arm,
                "outcome": outcome,
                "reason": reason,
                "candidate": ArmFacts.model_construct(failures=list(failures)),
                "measures": {**scores, "action": Score(abstained="no_tool_calls")} if measured else {},
                "production_replied_at": self.pattern.compared_at - 2 if measured else None,
            }
        )

    def _gate(self, each: Process, at_s: float, end_s: float, before: float) -> None:
        gauge = each.metrics.gauge
        for arm, verdict in VERDICTS.items():
            said, minutes = story.DECIDED[arm]
            assert said == verdict
            decided = before <= minutes
            for value in VERDICT.values:
                gauge("shadow_gate_verdict", arm, value).set(value == (verdict if decided else "HOLD"))
                each.metrics.counter("shadow_decisions", arm, value)
            if minutes - STEP_S / 60 < before <= minutes:
                each.metrics.counter("shadow_decisions", arm, verdict).inc()
            if decided:
                gauge("shadow_decision_timestamp_seconds", arm, verdict).set(end_s - minutes * 60)
            if not story.GATE_STANDS.on(before):
                gauge("shadow_gate_evaluation_timestamp_seconds", arm).set(at_s - 5)
            low = arm == "flaky" and story.FAILING.on(before)
            gauge("shadow_gate_coverage_ratio", arm).set(0.2 if low else 0.99)
            gauge("shadow_gate_completeness_ratio", arm).set(0.99)
            gauge("shadow_gate_sentinel_state", arm).set(0)
            gauge("shadow_gate_sentinel_progress_ratio", arm).set(0.1)
            gauge("shadow_ledger_comparisons", arm).set(20_000 - before)
            for severity in SEVERITY.values:
                gauge("shadow_findings_open", arm, TEAMS[arm], severity).set(arm == "flaky" and severity == "critical")
            for guardrail, name in product(GUARDRAILS, SLICES):
                self._cell(each.metrics, arm, guardrail, name)

    def _cell(self, metrics: Metrics, arm: str, guardrail: str, name: str) -> None:
        worse = {"better": 0.0, "slice-worse": 0.03 if name == "tone_shift" else 0.01, "flaky": 0.05}[arm]
        estimate = worse + self.draw.gauss(0, 0.001)
        ends = {"estimate": estimate, "lower_bound": estimate - 0.01, "upper_bound": estimate + 0.01}
        for end, value in ends.items():
            metrics.gauge(f"shadow_gate_{end}_ratio", arm, guardrail, name).set(value)
        metrics.gauge("shadow_gate_margin_ratio", arm, guardrail, name).set(0.02)
        metrics.gauge("shadow_gate_required_samples", arm, guardrail, name).set(1_200)
        metrics.gauge("shadow_gate_samples", arm, guardrail, name).set(900)
        metrics.gauge("shadow_gate_progress_ratio", arm, guardrail, name).set(0.75)
        metrics.gauge("shadow_gate_state", arm, guardrail, name).set(2 if worse > 0.02 else 1 if worse < 0.01 else 0)


def target_lines(process: Process, at_s: float, took: int) -> Lines:
    """What Prometheus adds to a scrape of so many samples; and the process's age, which is not this one's."""
    added = {
        "up": 1.0,
        "scrape_duration_seconds": 0.02,
        "scrape_samples_post_metric_relabeling": took,
        "process_start_time_seconds": process.born_s,
        "process_cpu_seconds_total": 0.05 * (at_s - process.born_s),
        "process_resident_memory_bytes": 2e8,
    }
    for name, value in added.items():
        yield f"{named(name, process.target)} {value!r} {at_s:.0f}\n"


def past(shadow: Shadow, begin_s: float, end_s: float) -> Lines:
    """Quiet days: what objectives count, and no more."""
    for at_s in _times(begin_s, end_s):
        shadow.past()
        for each in [*shadow.of("comparator"), *shadow.of("mirror")]:
            yield from each.lines(at_s, PAST)


def detail(shadow: Shadow, begin_s: float, end_s: float) -> Lines:
    """The last hours, with every family and every fault of the story."""
    for each in shadow.processes:
        each.born_s = begin_s - 3_600
    revised_s, deployed_s = (end_s - minutes * 60 for minutes in (story.REVISED, story.DEPLOYED))
    for at_s in _times(begin_s, end_s + STEP_S):
        if 0 <= at_s - revised_s < STEP_S:
            shadow.restart(at_s, model="a:c")
        if 0 <= at_s - deployed_s < STEP_S:
            shadow.restart(at_s, version="0.1.0")
        else:
            shadow.step(at_s, end_s)
        for each in shadow.processes:
            made = [line for line in each.lines(at_s) if not line.startswith("process_")]
            yield from made
            yield from target_lines(each, at_s, len(made))


def _times(begin_s: float, end_s: float) -> Iterator[float]:
    return (begin_s + STEP_S * number for number in range(round((end_s - begin_s) / STEP_S)))
