"""For each alert: series with which it is just quiet, and series with which it fires, with these labels.

Series are in promtool's notation, one value a minute; ``0+5`` is a counter that rises by five a minute. Time begins at
Unix second 0, so a time stamp of 0 is as old as the clock.
"""

from __future__ import annotations

from dataclasses import dataclass

from dashboards.limits import SRE

MINUTES = 180


@dataclass(frozen=True)
class Case:
    """``quiet`` and ``firing`` hold input series; ``labels`` are those of each alert that fires, less its name."""

    alert: str
    quiet: tuple[list[tuple[str, str]], ...]
    firing: list[tuple[str, str]]
    labels: tuple[dict[str, str], ...]
    at: str = "2h"


def series(name: str, values: str, **labels: str) -> tuple[str, str]:
    """One input series; ``values`` without ``x`` goes on for :data:`MINUTES`."""
    pairs = ",".join(f'{label.rstrip("_")}="{value}"' for label, value in {"cluster": "ci", **labels}.items())
    return f"{name}{{{pairs}}}", values if "x" in values else f"{values}x{MINUTES}"


def info(candidate: str = "c1", team: str = "billing", role: str = "candidate") -> list[tuple[str, str]]:
    """An arm's owner, as two processes export it."""
    who = {"candidate": candidate, "team": team, "role": role}
    return [series("shadow_candidate_info", "1", **who, instance=instance) for instance in ("w1", "w2")]


def owned(severity: str, team: str = "billing", **labels: str) -> dict[str, str]:
    return {"cluster": "ci", "severity": severity, "team": team, **labels}


def sre(severity: str, **labels: str) -> dict[str, str]:
    return {"severity": severity, "team": SRE, **labels}


def critical(kind: str, values: str) -> tuple[str, str]:
    return series("shadow_failures_total", values, candidate="c1", kind=kind, instance="w1")


def attempts(candidate: str, *, ok: int, timeout: int) -> list[tuple[str, str]]:
    name = "shadow_candidate_attempts_total"
    made = {"ok": ok, "timeout": timeout}
    return [series(name, f"0+{count}", candidate=candidate, outcome=kind) for kind, count in made.items()]


def divergence(candidate: str, total: str, count: int) -> list[tuple[str, str]]:
    name, of = "shadow_divergence_ratio", {"candidate": candidate, "measure": "semantic"}
    return [series(f"{name}_sum", f"0+{total}", **of), series(f"{name}_count", f"0+{count}", **of)]


def latency(name: str, within_4: int, within_8: int, **labels: str) -> list[tuple[str, str]]:
    """A thousand calls a minute, none faster than two seconds."""
    cumulative = {"2.0": 0, "4.0": within_4, "8.0": within_8, "+Inf": 1000}
    return [series(f"{name}_bucket", f"0+{count}", le=le, **labels) for le, count in cumulative.items()]


def slow(within_4: int) -> list[tuple[str, str]]:
    """Production's 95th percentile is 3.9 s: 1.25 times that is 4.875 s."""
    production = latency("shadow_production_request_duration_seconds", 1000, 1000)
    arm = latency("shadow_candidate_request_duration_seconds", within_4, 1000, candidate="c1")
    return [*info(), *production, *arm, *attempts("c1", ok=1000, timeout=0)]


def turns(count: int) -> tuple[str, str]:
    return series("shadow_comparator_records_total", f"0+{count}", topic="support.turns", result="accepted")


def mirrored(count: int, candidate: str = "c1") -> tuple[str, str]:
    return series("shadow_mirror_records_total", f"0+{count}", candidate=candidate, result="sent")


def outcomes(count: int, outcome: str = "compared", reason: str = "") -> tuple[str, str]:
    return series("shadow_outcomes_total", f"0+{count}", candidate="c1", outcome=outcome, reason=reason)


def queue(waiting: int) -> list[tuple[str, str]]:
    return [
        series("shadow_stage_queue_events", str(waiting) + "+0", stage="ask", instance="w1"),
        series("shadow_stage_queue_capacity_events", "100+0", stage="ask", instance="w1"),
    ]


def promoted(at: int, verdict: int = 1) -> list[tuple[str, str]]:
    return [
        *info(),
        series("shadow_gate_verdict", f"{verdict}+0", candidate="c1", verdict="REJECT"),
        series("shadow_decision_timestamp_seconds", f"{at}+0", candidate="c1", decision="PROMOTE"),
    ]


MONTH_S = 28 * 86_400
HOUR_S = 3_600

CASES = (
    Case(
        "ShadowCandidateCriticalFailure",
        (
            [*info(), critical("pii_leak", "0"), critical("timeout", "0+1")],
            [*info(), critical("pii_leak", "_x20 1x160")],  # born at 1: no increase, so exporters begin at 0
        ),
        [*info(), critical("pii_leak", "0x119 1x60")],
        (owned("page", candidate="c1", kind="pii_leak"),),
    ),
    Case(
        "ShadowCandidateFailing",
        ([*info(), *attempts("c1", ok=95, timeout=5)], [*info(), *attempts("c1", ok=0, timeout=3)]),
        [*info(), *attempts("c1", ok=94, timeout=6)],
        (owned("ticket", candidate="c1"),),
    ),
    Case(
        "ShadowCandidateDivergesAboveNoise",
        (
            [*info("control", "sre", "control"), *divergence("control", "25", 100), *info(),
             *divergence("c1", "30", 100)],
            [*info("control", "sre", "control"), *divergence("control", "2", 8), *info(), *divergence("c1", "8", 8)],
        ),
        [*info("control", "sre", "control"), *divergence("control", "25", 100), *info(),
         *divergence("c1", "31", 100)],
        (owned("ticket", candidate="c1", measure="semantic"),),
    ),
    Case(
        "ShadowCandidateSlow",
        (slow(937), [*slow(0)[:-2], *attempts("c1", ok=3, timeout=0)]),
        slow(935),
        (owned("ticket", candidate="c1"),),
    ),
    Case(
        "ShadowCandidateSilent",
        (
            [*info(), turns(13)],
            [*info(), turns(14), *attempts("c1", ok=1, timeout=0)],
            [*info(), turns(14), series("shadow_candidate_paused", "1+0", candidate="c1")],
        ),
        [*info(), *info("c2", "returns"), turns(14), *attempts("c2", ok=1, timeout=0)],
        (owned("ticket", candidate="c1"),),
    ),
    Case(
        "ShadowWorkersAbsent",
        ([series("up", "1+0", job="shadow", instance="w1"), series("up", "0+0", job="shadow", instance="w2")],),
        [series("up", "0+0", job="shadow", instance="w1")],
        (sre("page"),),
    ),
    Case(
        "ShadowMirrorStopped",
        ([turns(10), mirrored(1)], [turns(0), mirrored(0)]),
        [turns(1), mirrored(0)],
        (sre("page", cluster="ci"),),
    ),
    Case(
        "ShadowProcessDown",
        (
            [series("up", "1+0", job="shadow", instance="w1"), series("up", "0+0", job="node", instance="n1")],
            [series("up", "1x111 0x9", job="shadow", instance="w1")],
        ),
        [series("up", "1x60 0x100", job="shadow", instance="w1"), series("up", "1+0", job="shadow", instance="w2")],
        (sre("ticket", cluster="ci", job="shadow", instance="w1"),),
    ),
    Case(
        "ShadowNotReady",
        ([series("shadow_ready", "1+0", instance="w1")], [series("shadow_ready", "1x106 0x14", instance="w1")]),
        [series("shadow_ready", "1x60 0x100", instance="w1"), series("shadow_ready", "1+0", instance="w2")],
        (sre("ticket", cluster="ci", instance="w1"),),
    ),
    Case(
        "ShadowLagGrowing",
        ([series("shadow_consumer_read_until_timestamp_seconds", str(2 * HOUR_S - 300) + "+0", group="g", topic="t")],),
        [series("shadow_consumer_read_until_timestamp_seconds", str(2 * HOUR_S - 960) + "+0", group="g", topic="t")],
        (sre("ticket", cluster="ci", group="g", topic="t"),),
    ),
    Case("ShadowStageSaturated", (queue(90),), queue(91), (sre("ticket", cluster="ci", stage="ask"),)),
    Case(
        "ShadowConservationBroken",
        ([mirrored(20), outcomes(19)], [mirrored(20), outcomes(21)], [mirrored(8), outcomes(0)]),
        [mirrored(20), outcomes(18)],
        (sre("ticket", cluster="ci", candidate="c1"),),
    ),
    Case(
        "ShadowTapDropping",
        ([series("shadow_tap_dropped_total", "0", reason="queue_full")],),
        [series("shadow_tap_dropped_total", "0x119 1x60", reason="queue_full")],
        (sre("ticket", cluster="ci", reason="queue_full"),),
    ),
    Case(
        "ShadowSeriesNearLimit",
        ([series("scrape_samples_post_metric_relabeling", "40000+0", job="shadow", instance="w1")],),
        [series("scrape_samples_post_metric_relabeling", "40001+0", job="shadow", instance="w1")],
        (sre("ticket", cluster="ci", instance="w1"),),
    ),
    Case(
        "ShadowLabelOverflow",
        ([series("shadow_exporter_label_overflows_total", "0", metric="m", label="tool")],),
        [series("shadow_exporter_label_overflows_total", "0x100 1x60", metric="m", label="tool")],
        (sre("ticket", cluster="ci", metric="m", label="tool"),),
    ),
    Case(
        "ShadowGateStale",
        ([*info(), series("shadow_gate_evaluation_timestamp_seconds", f"{2 * HOUR_S - 600}+0", candidate="c1")],),
        [*info(), series("shadow_gate_evaluation_timestamp_seconds", f"{2 * HOUR_S - 960}+0", candidate="c1")],
        (owned("ticket", candidate="c1"),),
    ),
    Case(
        "ShadowCandidateFailedAfterPromotion",
        (promoted(0, verdict=0), promoted(HOUR_S - MONTH_S), promoted(2 * HOUR_S - MONTH_S)[:-1]),
        promoted(2 * HOUR_S + 1 - MONTH_S),
        (owned("page", candidate="c1"),),
    ),
    Case(
        "ShadowGateAbsent",
        ([series("up", "1+0", job="shadow-gate", instance="g")],),
        [series("up", "0+0", job="shadow-gate", instance="g")],
        (sre("page"),),
    ),
    Case(
        "ShadowSentinelAlarm",
        ([series("shadow_gate_sentinel_state", "0+0", candidate="c1")],),
        [series("shadow_gate_sentinel_state", state, candidate=arm) for arm, state in (("c1", "0+0"), ("c2", "2+0"))],
        (sre("ticket", cluster="ci"),),
    ),
    Case(
        "ShadowCoverageLow",
        ([series("shadow_gate_coverage_ratio", "0.25+0", candidate="c1")],),
        [series("shadow_gate_coverage_ratio", "0.24+0", candidate="c1")],
        (sre("ticket", cluster="ci", candidate="c1"),),
    ),
    Case("ShadowWatchdog", (), [], (sre("none"),)),
)  # fmt: skip
