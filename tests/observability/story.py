"""What happens in the simulated hours: which fault is on when, and which alerts must fire for it, and when at all.

Times are minutes before the end. One arm or one process has each fault; all others are as they should be, all the time.
"""

from __future__ import annotations

from dataclasses import dataclass

from dashboards.limits import SRE

CONTROL = "control"
TEAMS = {CONTROL: "support-platform", "better": "team-quality", "slice-worse": "team-savings", "flaky": "team-infra"}
CANDIDATES = tuple(arm for arm in TEAMS if arm != CONTROL)

STEP_S = 120
DETAIL_S = 8 * 3_600
"""The last hours, with every family; the days before have what objectives count."""

PAST_S = 64 * 3_600
"""So that the windows of three days are full."""


@dataclass(frozen=True)
class Fault:
    """Something that is wrong from ``since`` to ``until`` (minutes before the end)."""

    since: float
    until: float

    def on(self, before: float) -> bool:
        """Whether it is, so many minutes before the end."""
        return self.until < before <= self.since


LOSS = Fault(360, 300)
"""Of every arm's turns, two in five expire."""

RECORDER_HANGS = Fault(290, 262)
TAP_FULL = Fault(282, 278)
FAILING = Fault(250, 170)
"""``flaky``: one call in five times out, the others are slow; its coverage falls."""

GATE_STANDS = Fault(154, 126)
DIVERGING = Fault(160, 70)
"""``slice-worse``: its facts differ from production's."""

LEAK = Fault(121, 118)
"""``flaky``: replies with personal data."""

REVISED = 100
DEPLOYED = 90
SILENT = Fault(65, 28)
"""``better``: its mirror does not run."""

DECIDED = {"slice-worse": ("HOLD", 220), "better": ("PROMOTE", 200), "flaky": ("REJECT", 180)}


@dataclass(frozen=True)
class Expected:
    """An alert that fires at least from ``since`` to ``until``, and never outside of ``slack`` minutes around."""

    alert: str
    labels: tuple[tuple[str, str], ...]
    since: float
    until: float
    slack: tuple[float, float] = (20, 20)


def _owned(arm: str, **labels: str) -> tuple[tuple[str, str], ...]:
    return tuple({"candidate": arm, "team": TEAMS[arm], **labels}.items())


def _sre(**labels: str) -> tuple[tuple[str, str], ...]:
    return tuple({"team": SRE, **labels}.items())


EXPECTED = (
    Expected("ShadowEvaluationBudgetBurn", _sre(long="1h", severity="page"), 338, 300, (8, 12)),
    Expected("ShadowEvaluationBudgetBurn", _sre(long="6h", severity="page"), 312, 300, (30, 40)),
    Expected("ShadowEvaluationBudgetBurn", _sre(long="1d", severity="ticket"), 240, 200, (80, 30)),
    Expected("ShadowEvaluationBudgetBurn", _sre(long="3d", severity="ticket"), 110, 20, (40, 20)),
    Expected("ShadowLagGrowing", _sre(group="shadow.recorder"), 272, 264),
    Expected("ShadowNotReady", _sre(instance="recorder-1:9100"), 272, 264),
    Expected("ShadowTapDropping", _sre(reason="queue_full"), 278, 272, (6, 14)),
    Expected("ShadowCandidateFailing", _owned("flaky"), 220, 170, (12, 12)),
    Expected("ShadowCandidateSlow", _owned("flaky"), 190, 160, (30, 70)),
    Expected("ShadowCoverageLow", (("candidate", "flaky"), ("team", SRE)), 215, 172, (20, 8)),
    Expected("ShadowGateStale", _owned("better"), 134, 129, (10, 8)),
    Expected("ShadowGateStale", _owned("slice-worse"), 134, 129, (10, 8)),
    Expected("ShadowGateStale", _owned("flaky"), 134, 129, (10, 8)),
    Expected("ShadowCandidateDivergesAboveNoise", _owned("slice-worse", measure="facts"), 90, 60, (60, 60)),
    Expected("ShadowCandidateCriticalFailure", _owned("flaky", kind="pii_leak", severity="page"), 116, 98, (8, 12)),
    Expected("ShadowCandidateSilent", _owned("better"), 36, 30, (12, 8)),
)

WORSE = (
    ("shadow-candidate", "Calls without an answer", 200, "flaky", 3.0),
    ("shadow-candidate", "Whole answer, p95", 200, "flaky", 1.5),
    ("shadow-candidate", "Divergence above the noise floor", 80, "slice-worse", 3.0),
    ("shadow-candidate", "Critical failures", 110, "flaky", 1.0),
    ("shadow-compare", "Calls without an answer", 190, "flaky", 3.0),
    ("shadow-compare", "Whole answer, p95", 190, "flaky", 1.5),
    ("shadow-compare", "Excess divergence", 80, "slice-worse", 3.0),
    ("shadow-compare", "Divergence", 80, "slice-worse", 1.2),
    ("shadow-fleet", "Arms that fail most", 190, "flaky", 3.0),
)
"""Dashboard, panel, when, which arm stands out there, and by what factor at least."""
