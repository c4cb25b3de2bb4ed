"""Two hours of every family of the catalogue, as OpenMetrics: four arms, several processes, plausible values.

For Prometheus to swallow in a second (``promtool tsdb create-blocks-from openmetrics``): panels and rules are then
tried on what they will see, also of families that nobody exports yet.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import product

from shadow.metrics.catalogue import CATALOGUE, Family
from shadow.metrics.labels import ALL, ENDINGS

STEP_S = 60
STEPS = 90
TEAMS = {"control": "support-platform", "better": "team-quality", "slice-worse": "team-savings", "flaky": "team-infra"}
CANDIDATES = tuple(arm for arm in TEAMS if arm != "control")
GUARDRAILS = ("failure", "latency", "semantic", "wrong_action")
SLICES = (ALL, "language=de", "tier=plus", "tone_shift", "tool_use")
MEASURES = ("semantic", "lexical", "facts", "action")
OPEN = {
    "candidate": tuple(TEAMS),
    "guardrail": GUARDRAILS,
    "slice": SLICES,
    "measure": MEASURES,
    "tool": ("refund", "__other__"),
    "partition": ("0", "1"),
    "version": ("0.1.0",),
    "metric": ("shadow_candidate_info",),
    "label": ("candidate",),
}
WORSE = {"control": 1.0, "better": 0.8, "slice-worse": 1.6, "flaky": 4.0}
JOBS = {"gate": "shadow-gate", "tap": "shadow-tap"}
OWNED = {
    "mirror": ("support.turns",),
    "comparator": ("support.turns", "support.replies", "shadow.replies"),
    "recorder": ("shadow.comparisons", "support.outcomes"),
}
STAGES = {"mirror": ("ask",), "comparator": ("join", "compare", "deliver")}
CRITICAL = ("pii_leak", "prompt_leak", "claimed_action")

Labels = dict[str, str]


def processes() -> Iterator[tuple[str, Labels]]:
    """Kind and target labels of each process."""
    names = {"mirror": tuple(TEAMS), "comparator": ("1", "2"), "recorder": ("1",), "gate": ("1",), "tap": ("1",)}
    for kind, those in names.items():
        for name in those:
            yield kind, {"cluster": "ci", "job": JOBS.get(kind, "shadow"), "instance": f"{kind}-{name}:9100"}


def children(family: Family, kind: str, target: Labels) -> Iterator[Labels]:
    """The label values of a family's children in one process."""
    own = target["instance"].partition("-")[2].partition(":")[0]
    if family.name == "shadow_candidate_info":
        for arm in (own,) if kind == "mirror" else TEAMS:
            rest = {"revision": "5f0c1d9a7e42", "gen_ai_provider_name": "openai", "gen_ai_request_model": f"m-{arm}"}
            yield {"candidate": arm, "team": TEAMS[arm], "role": "control" if arm == "control" else "candidate", **rest}
        return
    if family.name == "shadow_outcomes":
        yield from ({"candidate": arm, "outcome": a, "reason": b} for arm in TEAMS for a, b in ENDINGS)
        return
    sets = [values(label.name, label.values, kind, own) for label in family.labels]
    for chosen in product(*sets):
        labels = dict(zip(family.label_names, chosen, strict=True))
        if "team" in labels and labels["team"] != TEAMS[labels["candidate"]]:
            continue
        if family.by == ("gate",) and labels.get("candidate") == "control":
            continue
        yield labels


def values(label: str, closed: tuple[str, ...], kind: str, own: str) -> tuple[str, ...]:
    """What one label may be in one process."""
    fixed = {
        "process": (f"{kind}.{own}",),
        "group": (f"shadow.{kind}" + (f".{own}" if kind == "mirror" else ""),),
        "team": tuple(TEAMS.values()),
        "stage": STAGES.get(kind, closed),
    }
    if label == "candidate" and kind == "mirror":
        return (own,)
    if label == "topic":
        return OWNED[kind]
    return fixed.get(label) or closed or OPEN[label]


def rate(name: str, labels: Labels) -> float:
    """A counter's increase in a second."""
    worse = WORSE.get(labels.get("candidate", ""), 1.0)
    usual = {"shadow_candidate_tokens": 600.0, "shadow_candidate_cost_usd": 0.0004, "shadow_decisions": 0.0004}
    if name in usual:
        return usual[name]
    if name in {"shadow_exporter_label_overflows", "shadow_rebalances"}:
        return 0.0002
    if labels.get("kind") in CRITICAL:
        return 0.001 if labels["candidate"] == "flaky" else 0.0
    if name == "shadow_mirror_records":  # two comparators count the outcomes of one mirror
        return {"sent": 2.1, "shed": 0.1}.get(labels["result"], 0.01)
    main = {"ok", "compared", "accepted", "stored", "agree"} & {*labels.values()}
    return 1.0 if main or not labels else 0.002 * worse


def gauge(name: str, labels: Labels, at_s: float, end_s: float) -> float:
    """A gauge's value at a time."""
    worse, slow = WORSE.get(labels.get("candidate", ""), 1.0), 1 + 0.1 * math.sin(at_s / 600)
    base = 0.01 * worse * (2 if labels.get("slice") == "tone_shift" else 1) * slow
    verdict = {"better": "PROMOTE", "flaky": "REJECT"}.get(labels.get("candidate", ""), "HOLD")
    known = {
        "shadow_gate_estimate_ratio": base,
        "shadow_gate_lower_bound_ratio": base - 0.01,
        "shadow_gate_upper_bound_ratio": base + 0.01,
        "shadow_gate_margin_ratio": 0.02,
        "shadow_gate_samples": 900.0,
        "shadow_gate_required_samples": 1200.0,
        "shadow_gate_state": 2.0 if worse > 3 or labels.get("slice") == "tone_shift" else 1.0 if worse < 1 else 0.0,
        "shadow_gate_verdict": float(labels.get("verdict") == verdict),
        "shadow_gate_coverage_ratio": 0.99,
        "shadow_gate_evaluation_timestamp_seconds": at_s - 5,
        "shadow_gate_sentinel_state": 0.0,
        "shadow_gate_sentinel_progress_ratio": 0.1,
        "shadow_decision_timestamp_seconds": end_s - 1800,
        "shadow_consumer_read_until_timestamp_seconds": at_s - 2,
        "shadow_consumer_lag_records": 12.0,
        "shadow_candidate_paused": 0.0,
        "shadow_candidate_circuit_open": 0.0,
        "shadow_candidate_budget_usd": 50.0,
        "shadow_stage_queue_events": 20.0,
        "shadow_stage_queue_capacity_events": 132.0,
        "shadow_ready": float(labels.get("instance") != "mirror-flaky:9100"),
        "shadow_exporter_series": 900.0,
        "shadow_tap_queue_bytes": 4096.0,
    }
    return known.get(name, 1.0 if name.endswith("_info") else 3.0)


def samples(
    family: Family, labels: Labels, target: Labels, at_s: float, *, begin_s: float, end_s: float
) -> Iterator[str]:
    """One child's lines at one time."""
    everything = {**target, **labels}
    elapsed = at_s - begin_s
    if family.kind == "counter":
        yield line(f"{family.name}_total", everything, rate(family.name, labels) * elapsed, at_s)
    elif family.kind == "gauge":
        yield line(family.name, everything, gauge(family.name, everything, at_s, end_s), at_s)
    else:
        mean = family.buckets[len(family.buckets) // 2] * 0.4 * WORSE.get(labels.get("candidate", ""), 1.0) ** 0.3
        for bound in family.buckets:
            inside = elapsed * (1 - math.exp(-bound / mean))
            yield line(f"{family.name}_bucket", {**everything, "le": str(float(bound))}, inside, at_s)
        yield line(f"{family.name}_bucket", {**everything, "le": "+Inf"}, elapsed, at_s)
        yield line(f"{family.name}_count", everything, elapsed, at_s)
        yield line(f"{family.name}_sum", everything, elapsed * min(mean, 0.9), at_s)


def line(name: str, labels: Labels, value: float, at_s: float) -> str:
    pairs = ",".join(f'{key}="{text}"' for key, text in labels.items())
    return f"{name}{{{pairs}}} {value:.6f} {at_s:.0f}\n"


def foreign(at_s: float, begin_s: float) -> Iterator[tuple[str, str, str]]:
    """What Prometheus, prometheus-client and alerts add: name, type and line."""
    for _, target in processes():
        for name, value in (
            ("up", 1.0),
            ("scrape_duration_seconds", 0.02),
            ("scrape_samples_post_metric_relabeling", 950.0),
            ("process_resident_memory_bytes", 2e8),
            ("process_start_time_seconds", begin_s),
        ):
            yield name, "gauge", line(name, target, value, at_s)
        yield "process_cpu_seconds", "counter", line("process_cpu_seconds_total", target, 0.3 * (at_s - begin_s), at_s)
    alert = {"alertname": "ShadowCandidateFailing", "alertstate": "firing", "severity": "ticket", "cluster": "ci"}
    yield "ALERTS", "gauge", line("ALERTS", {**alert, "team": "team-infra", "candidate": "flaky"}, 1, at_s)


def openmetrics(end_s: float) -> Iterator[str]:
    """The whole text, up to ``end_s`` (Unix seconds)."""
    begin_s = end_s - STEP_S * STEPS
    times = [begin_s + STEP_S * step for step in range(STEPS + 1)]
    for family in CATALOGUE:
        yield f"# TYPE {family.name} {family.kind}\n"
        for kind, target in processes():
            if kind in family.by:
                for labels in children(family, kind, target):
                    for at_s in times:
                        yield from samples(family, labels, target, at_s, begin_s=begin_s, end_s=end_s)
    others: dict[tuple[str, str], list[str]] = {}
    for at_s in times:
        for name, kind, text in foreign(at_s, begin_s):
            others.setdefault((name, kind), []).append(text)
    for (name, kind), texts in others.items():
        yield f"# TYPE {name} {kind}\n"
        yield from texts
    yield "# EOF\n"
