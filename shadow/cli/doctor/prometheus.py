"""Asks a Prometheus for its rules and targets, and compares the rules with the generated files."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import yaml

from shadow.cli.doctor.http import NoAnswerError, get
from shadow.dead_letters import printable
from shadow.doctor import Finding, clocks, failed, fine, prometheus, warned

FILES: Final = ("rules.yml", "rules-gate.yml")


class _Refused(Exception):  # noqa: N818 (says what happened)
    """An answer that is not Prometheus's."""


def look(url: str, rules: Path | None, processes: int, limit_s: float) -> list[Finding]:
    """All findings of one Prometheus at ``url``; ``rules`` is the folder of the generated files."""
    address = url.rstrip("/")
    try:
        begun = time.monotonic()
        [_, at] = _ask(address, "query?query=time()")["result"]
        took_s = time.monotonic() - begun
        groups, targets = _ask(address, "rules")["groups"], _ask(address, "targets?state=active")["activeTargets"]
    except (NoAnswerError, _Refused, ValueError, KeyError, TypeError) as error:
        remedy = f"start it, or correct --prometheus; by hand: `curl -sS -m 10 {address}/-/ready`"
        return [
            failed("prometheus", f"{address} does not answer as Prometheus does: {printable(str(error))[:200]}", remedy)
        ]
    findings = [fine("prometheus", f"{address} answered in {1000 * took_s:.0f} ms")]
    skew = clocks.skew("clock prometheus", float(at) - (time.time() - took_s / 2), took_s / 2 + 1.0, limit_s)
    findings += [skew] if skew.status != "ok" else []
    findings += _compared(address, rules or generated(), groups)
    return [*findings, *prometheus.on_evaluation(groups), *prometheus.on_targets(targets, processes)]


def generated() -> Path | None:
    """Where the generated files lie beside the code that makes them; None in an installation without it."""
    spec = find_spec("dashboards")
    places = [Path(place) / "generated" for place in (spec.submodule_search_locations or ())] if spec else []
    return next((place for place in places if (place / FILES[0]).is_file()), None)


def _compared(address: str, folder: Path | None, groups: list[Mapping[str, Any]]) -> list[Finding]:
    files = [folder / name for name in FILES if (folder / name).is_file()] if folder else []
    if not files:
        remedy = "`python -m dashboards.build --out DIRECTORY`, then --rules DIRECTORY"
        return [warned("prometheus rules", "there are no generated rules here to compare with", remedy)]
    documents = [yaml.safe_load(file.read_text(encoding="utf-8")) for file in files]
    written = [group for document in documents for group in document["groups"]]
    printed = _printer(address)
    wanted, found = prometheus.generated(written, printed), prometheus.loaded(groups, printed)
    return prometheus.on_rules(wanted, found, " and ".join(map(str, files)), address)


def _printer(address: str) -> Callable[[str], str]:
    """How this Prometheus prints an expression: two that it prints alike are the same."""

    @cache
    def printed(expression: str) -> str:
        return str(_ask(address, f"format_query?query={quote(expression, safe='')}"))

    return printed


def _ask(address: str, path: str) -> Any:
    answer = get(f"{address}/api/v1/{path}")
    document = json.loads(answer.body)
    if document.get("status") != "success":
        raise _Refused(str(document.get("error", f"HTTP {answer.status}")))
    return document["data"]
