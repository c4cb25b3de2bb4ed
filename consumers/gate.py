"""The gate as a process: follows the ledger, publishes decisions, exports gauges, answers over HTTP.

It keeps nothing of its own. Looks are fixed by the ledger's rows, so a gate that was killed, or a second one beside it,
comes to the same decisions with the same times; what already lies on ``shadow.decisions`` is not written again.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from typing import Any, Final

import structlog

from consumers.gate_http import Board, serve
from consumers.health import Health
from shadow import broker, plugins
from shadow.broker import BrokerError
from shadow.config import Config, ConfigError
from shadow.events import VERDICTS, BrokenRecordError, Decision, decode
from shadow.gate.session import Change, Session
from shadow.gatekeeper import Gatekeeper
from shadow.ledger import Finding, Ledger, LedgerUnavailableError
from shadow.metrics.exporter import Metrics
from shadow.metrics.labels import SEVERITY
from shadow.topology import DECISIONS

EVERY_S: Final = 1.0
BACKOFF_S: Final = (0.5, 10.0)
STATES: Final = {"collecting": 0, "pass": 1, "fail": 2}
SENTINEL: Final = {"quiet": 0, "control_worse": 1, "control_better": 2}

log = structlog.get_logger()

Key = tuple[str, str, float]
"""A decision's identity: candidate, experiment, instant of the look."""


class Gate:
    """One gate process."""

    def __init__(self, config: Config, metrics: Metrics, health: Health) -> None:
        evaluator, revision = plugins.evaluator(config)
        if problems := plugins.unknown_slices(config, evaluator):
            raise ConfigError([f"{'.'.join(map(str, loc))}: {what}" for loc, what in problems.items()])
        self._config = config
        self._metrics = metrics
        self._health = health
        self._revision = revision
        self._published: set[Key] | None = None
        self._waiting: list[Decision] = []
        self._board = Board({arm.name for arm in config.candidates})
        for arm in config.candidates:
            metrics.prepare("shadow_decisions", arm.name)

    def run(self, stop: threading.Event) -> None:
        """Judge until ``stop`` is set. Raises :class:`~shadow.ledger.LedgerError` if the ledger can never be read."""
        with serve(self._board, self._config.metrics.host, self._config.metrics.gate_port):
            pause_s = EVERY_S
            keeper: Gatekeeper | None = None
            while not stop.wait(0.0 if keeper is None else pause_s):
                try:
                    if keeper is None:
                        ledger = Ledger(self._config.ledger.url)
                        keeper = Gatekeeper(self._config, ledger, self._revision)
                    self.step(keeper, time.time())
                    self._health.part("start", None)
                    self._health.part("ledger or broker", None)
                    pause_s = EVERY_S
                except (LedgerUnavailableError, BrokerError) as error:
                    if pause_s == EVERY_S:
                        log.warning("part_away", error=str(error))
                    self._board.clear(str(error))
                    self._health.part("ledger or broker", str(error))
                    pause_s = min(max(2 * pause_s, BACKOFF_S[0]), BACKOFF_S[1])
                    if keeper is None:
                        stop.wait(pause_s)

    def step(self, keeper: Gatekeeper, now: float) -> None:
        """The order of effects: what is shown is never ahead of what was published."""
        # 1. Read the ledger to its end and take the looks that are due.
        changes = keeper.catch_up(now)
        self._waiting += [decision(session, change) for session, change in changes]
        # 2. Publish what is new.
        self._publish()
        # 3. Export, and answer, only after having caught up.
        for name, session in keeper.sessions.items():
            found = keeper.report(name, now)
            self._board.show(name, found)
            self._export(session, found)
        self._export_findings(keeper.findings())

    def _publish(self) -> None:
        address = self._config.broker.bootstrap
        if self._published is None:
            self._published = published(address)
        due = [each for each in self._waiting if key(each) not in self._published]
        if due:
            broker.publish(address, DECISIONS, [(each.candidate.encode(), each.to_json(), ()) for each in due])
        for each in due:
            self._published.add(key(each))
            self._metrics.counter("shadow_decisions", each.candidate, each.verdict).inc()
            log.info(
                "decided", candidate=each.candidate, verdict=each.verdict, reasons=each.reasons, at=each.decided_at
            )
        for each in self._waiting:
            self._metrics.gauge("shadow_decision_timestamp_seconds", each.candidate, each.verdict).set(each.decided_at)
        self._waiting = []

    def _export(self, session: Session, found: dict[str, Any]) -> None:
        name, gauge = found["candidate"], self._metrics.gauge
        for verdict in VERDICTS:
            gauge("shadow_gate_verdict", name, verdict).set(verdict == found["verdict"])
        gauge("shadow_ledger_comparisons", name).set(session.rows)
        single = {
            "shadow_gate_evaluation_timestamp_seconds": found["looked_at"],
            "shadow_gate_coverage_ratio": found["coverage"]["share"],
            "shadow_gate_completeness_ratio": found["pairs"]["completeness"],
        }
        for metric, value in single.items():
            self._show(metric, value, name)
        sentinel = found["sentinel"] or {}
        self._show("shadow_gate_sentinel_state", SENTINEL.get(sentinel.get("state", "")), name)
        self._show("shadow_gate_sentinel_progress_ratio", sentinel.get("progress"), name)
        for cell in found["cells"]:
            labels = (name, cell["guardrail"], cell["slice"])
            gauge("shadow_gate_state", *labels).set(STATES[cell["state"]])
            gauge("shadow_gate_samples", *labels).set(cell["conversations"])
            gauge("shadow_gate_progress_ratio", *labels).set(cell["progress"])
            gauge("shadow_gate_margin_ratio", *labels).set(cell["margin"])
            self._show("shadow_gate_estimate_ratio", cell["estimate"], *labels)
            self._show("shadow_gate_lower_bound_ratio", cell["lower"], *labels)
            self._show("shadow_gate_upper_bound_ratio", cell["upper"], *labels)
            needed = None if cell["more"] is None else cell["conversations"] + cell["more"]
            self._show("shadow_gate_required_samples", needed, *labels)

    def _show(self, metric: str, value: float | None, *labels: str) -> None:
        """Export a value; what is not known, or not any more, has no series: an old one would be taken for true."""
        if value is None:
            self._metrics.remove(metric, *labels)
        else:
            self._metrics.gauge(metric, *labels).set(value)

    def _export_findings(self, findings: list[Finding]) -> None:
        """Every candidate and severity, also at 0: no data is not "none"."""
        still = Counter((each.candidate, each.severity) for each in findings if each.closed_at is None)
        for arm in self._config.candidates:
            for severity in SEVERITY.values:
                gauge = self._metrics.gauge("shadow_findings_open", arm.name, arm.owner, severity)
                gauge.set(still[arm.name, severity])


def decision(session: Session, change: Change) -> Decision:
    """The record of a change: the same from whoever reads the same ledger."""
    experiment = session.experiment
    return Decision(
        candidate=experiment.candidate,
        candidate_revision=experiment.revision,
        verdict=change.verdict,
        reasons=[str(reason) for reason in change.ruling.reasons],
        experiment=experiment.id,
        decided_at=change.at,
    )


def key(record: Decision) -> Key:
    """What a decision is told from others by."""
    return (record.candidate, record.experiment, record.decided_at)


def published(bootstrap: list[str]) -> set[Key]:
    """The decisions that lie on the topic. Raises :class:`~shadow.broker.BrokerError`."""
    found = set()
    for record in broker.read(bootstrap, DECISIONS):
        try:
            found.add(key(decode(Decision, record.value, record.key)))
        except BrokenRecordError as error:
            log.warning("decision_record_broken", offset=record.offset, error=str(error)[:200])
    return found
