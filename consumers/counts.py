"""What the comparator counts, for diagnosis and alerts; verdicts read the ledger. Every child begins at 0."""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from shadow.config import Arm, Config
from shadow.events import CONTROL, Comparison, Reply
from shadow.metrics.exporter import Metrics, observe_all
from shadow.metrics.labels import ALL, CHECKED, ENDINGS
from shadow.thresholds import Threshold
from shadow.topology import ARM_REPLIES, REPLIES, TURNS


def introduce(arm: Arm, metrics: Metrics) -> None:
    """Export who this arm is: rules take its owner and its role from here."""
    provider = getattr(arm.adapter, "provider", arm.adapter.type)
    model = getattr(arm.adapter, "model", "")
    role = "control" if arm.name == CONTROL else "candidate"
    metrics.gauge("shadow_candidate_info", arm.name, arm.owner, role, arm.revision, provider, model).set(1)


class Counts:
    """The comparator's counters, one child per arm and value, bound when it starts."""

    def __init__(self, config: Config, metrics: Metrics, slices: Collection[str] = ()) -> None:
        self._metrics = metrics
        self._thresholds = config.comparator.effective_thresholds
        self._delay = metrics.histogram("shadow_evaluation_delay_seconds")
        self._latency = metrics.histogram("shadow_production_request_duration_seconds")
        self._first_token = metrics.histogram("shadow_production_time_to_first_token_seconds")
        self._state = metrics.gauge("shadow_state_turns")
        self._waiting = metrics.gauge("shadow_stage_queue_events", "join")
        metrics.gauge("shadow_stage_queue_capacity_events", "join").set(config.comparator.max_waiting_turns)
        metrics.prepare("shadow_dead_letters")
        for topic in (TURNS, REPLIES, ARM_REPLIES):
            metrics.prepare("shadow_comparator_records", topic)
        for stage in ("join", "compare", "deliver"):
            metrics.prepare("shadow_stage_events", stage)
            metrics.histogram("shadow_stage_duration_seconds", stage)
        self._divergence = {
            (arm.name, measure): metrics.histogram("shadow_divergence_ratio", arm.name, measure)
            for arm in config.arms
            for measure in config.comparator.measures
        }
        for arm in config.arms:
            introduce(arm, metrics)
            metrics.prepare("shadow_failures", arm.name)
            for ending in ENDINGS:
                metrics.counter("shadow_outcomes", arm.name, *ending)
            for measure in config.comparator.measures:
                metrics.counter("shadow_abstentions", arm.name, measure)
        self._cells = {
            (arm.name, measure, verdict): {
                each: metrics.counter("shadow_comparisons", arm.name, each, measure, verdict) for each in (ALL, *slices)
            }
            for arm in config.arms
            for measure in self._thresholds
            for verdict in CHECKED.values
        }

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Times one batch in a stage."""
        begun = time.perf_counter()
        yield
        self._metrics.histogram("shadow_stage_duration_seconds", name).observe(time.perf_counter() - begun)

    def passed(self, stage: str, count: int, *, errors: int = 0) -> None:
        """So many events left a stage, and so many errors happened in it."""
        self._metrics.counter("shadow_stage_events", stage, "ok").inc(count)
        if errors:
            self._metrics.counter("shadow_stage_events", stage, "error").inc(errors)

    def read(self, topic: str, results: Counter[str]) -> None:
        """Records of one topic, by what the join said of them."""
        for result, count in results.items():
            self._metrics.counter("shadow_comparator_records", topic, result).inc(count)

    def letter(self, reason: str) -> None:
        """A record went to the dead letters."""
        self._metrics.counter("shadow_dead_letters", reason).inc()

    def production(self, replies: Sequence[Reply]) -> None:
        """Production's replies to turns, each the first time that it is read."""
        observe_all(self._latency, [reply.latency_s for reply in replies if reply.latency_s is not None])
        first = [reply.time_to_first_token_s for reply in replies if reply.time_to_first_token_s is not None]
        observe_all(self._first_token, first)

    def waiting(self, ids: int, turns: int) -> None:
        """What this process keeps: ``ids`` of turns in all, of which ``turns`` have their turn and wait for a reply."""
        self._state.set(ids)
        self._waiting.set(turns)

    def compared(self, comparisons: Sequence[Comparison]) -> None:
        """Outcomes, failures, scores and delays of comparisons that are handed to the producer.

        Tallied first: a batch has few arms, measures, verdicts and sets of slices, and a child costs five times what
        it takes to tally it.
        """
        outcomes, failures = Counter[tuple[str, str, str]](), Counter[tuple[str, str]]()
        delays: list[float] = []
        for comparison in comparisons:
            outcomes[comparison.arm, comparison.outcome, comparison.reason or ""] += 1
            for kind in comparison.candidate.failures if comparison.candidate else ():
                failures[comparison.arm, kind] += 1
            if comparison.production_replied_at is not None:
                delays.append(max(0.0, comparison.compared_at - comparison.production_replied_at))
        for labels, count in outcomes.items():
            self._metrics.counter("shadow_outcomes", *labels).inc(count)
        for failed, count in failures.items():
            self._metrics.counter("shadow_failures", *failed).inc(count)
        observe_all(self._delay, delays)
        self._scored(comparisons)

    def _scored(self, comparisons: Sequence[Comparison]) -> None:
        abstained, judged = Counter[tuple[str, str]](), Counter[tuple[str, str, str, tuple[str, ...]]]()
        values = defaultdict[tuple[str, str], list[float]](list)
        for comparison in comparisons:
            arm, slices = comparison.arm, tuple(comparison.slices)
            for name, score in comparison.measures.items():
                value = score.value
                if value is None:
                    abstained[arm, name] += 1
                    continue
                values[arm, name].append(value)
                if name in self._thresholds:
                    judged[arm, name, check(value, self._thresholds[name]), slices] += 1
        for abstaining, count in abstained.items():
            self._metrics.counter("shadow_abstentions", *abstaining).inc(count)
        for measured, each in values.items():
            observe_all(self._divergence[measured], each)
        for child, count in self._checked(judged).items():
            child.inc(count)

    def _checked(self, judged: Mapping[tuple[str, str, str, tuple[str, ...]], int]) -> Counter[Any]:
        """The children that scores count in: of all turns, and of each slice."""
        checked = Counter[Any]()
        for (arm, name, verdict, slices), count in judged.items():
            cells = self._cells[arm, name, verdict]
            for each in (ALL, *slices):
                checked[cells[each]] += count
        return checked


def check(divergence: float, threshold: Threshold) -> str:
    """What a measure's thresholds say of its score: they leave room between alike and apart."""
    if divergence <= threshold.agree:
        return "agree"
    return "diverge" if divergence > threshold.diverge else "between"
