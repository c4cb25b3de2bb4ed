"""Prometheus: has it the generated rules, as they are, and does it reach every process?"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final, NamedTuple

from shadow.doctor.finding import Finding, failed, fine, warned

JOBS: Final = ("shadow", "shadow-gate")
UNITS: Final = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800, "y": 31_536_000}
SHOWN: Final = 3


class Rule(NamedTuple):
    """What must be the same of a rule: its name, its expression as Prometheus prints it, how long, its labels."""

    name: str
    query: str
    for_s: float
    labels: tuple[tuple[str, str], ...]


def seconds(duration: str) -> float:
    """``1h30m`` in seconds; 0 for an empty one."""
    return sum(int(number) * UNITS[unit] for number, unit in re.findall(r"(\d+)(ms|[smhdwy])", duration))


def generated(groups: Iterable[Mapping[str, Any]], printed: Callable[[str], str]) -> list[Rule]:
    """The rules of rule files; ``printed`` gives an expression as Prometheus prints it."""
    return [
        Rule(
            rule.get("record") or rule["alert"],
            printed(rule["expr"]),
            seconds(str(rule.get("for", ""))),
            tuple(sorted(rule.get("labels", {}).items())),
        )
        for group in groups
        for rule in group["rules"]
    ]


def loaded(groups: Iterable[Mapping[str, Any]], printed: Callable[[str], str]) -> list[Rule]:
    """The rules that ``/api/v1/rules`` names."""
    return [
        Rule(
            rule["name"],
            printed(rule["query"]),
            float(rule.get("duration") or 0),
            tuple(sorted((rule.get("labels") or {}).items())),
        )
        for group in groups
        for rule in group["rules"]
    ]


def on_rules(wanted: list[Rule], found: list[Rule], files: str, address: str) -> list[Finding]:
    """What is missing, and what stands there otherwise than generated; rules of other people are theirs."""
    check = "prometheus rules"
    load = f"list {files} under rule_files, then `curl -X POST {address}/-/reload` (or SIGHUP)"
    names = {rule.name for rule in found}
    missing = sorted({rule.name for rule in wanted} - names)
    others = Counter(wanted) - Counter(found)
    differing = sorted({rule.name for rule in others} - set(missing))
    findings = []
    if missing:
        findings.append(failed(check, f"{len(missing)} are not loaded: {_few(missing)}", load))
    if differing:
        findings.append(failed(check, f"{len(differing)} are not as generated: {_few(differing)}", load))
    return findings or [fine(check, f"{len(wanted)} as generated")]


def on_evaluation(groups: Iterable[Mapping[str, Any]]) -> Iterator[Finding]:
    """Rules that Prometheus has, and cannot evaluate."""
    for group in groups:
        for rule in group["rules"]:
            if rule.get("health") == "err":
                says = f"{rule['name']} cannot be evaluated: {str(rule.get('lastError'))[:200]}"
                yield failed(
                    "prometheus rules", says, "is another rule or exporter giving these labels? see its runbook"
                )


def on_targets(targets: Iterable[Mapping[str, Any]], processes: int) -> list[Finding]:
    """Whether it reaches every process; ``processes``: how many the configuration has."""
    check = "prometheus targets"
    ours = [each for each in targets if each["labels"].get("job") in JOBS]
    if not ours:
        remedy = f"add scrape jobs {' and '.join(JOBS)}, as in deploy/prometheus/prometheus.yml"
        return [failed(check, "none of the jobs of the shadow is scraped", remedy)]
    findings = []
    for each in ours:
        if each["health"] == "down":
            says = f"{each['labels']['job']} {each['labels']['instance']} is down: {str(each.get('lastError'))[:200]}"
            findings.append(failed(check, says, "see this process's own line here; is the way from Prometheus open?"))
    if any("cluster" not in each["labels"] for each in ours):
        findings.append(failed(check, "a target has no label cluster: rules go by it", "add `labels: {cluster: NAME}`"))
    if len(ours) < processes:
        says = f"{len(ours)} are scraped, and the configuration has {processes} processes"
        findings.append(warned(check, says, "name the others under scrape_configs: one for each process"))
    return findings or [fine(check, f"{len(ours)} up")]


def _few(names: list[str]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more
