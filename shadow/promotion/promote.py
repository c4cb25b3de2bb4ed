"""May this candidate replace production now? The gate's verdict and the open findings decide; a person may override.

Nothing is deployed: what was decided is written down, and what to change in ``shadow.yaml`` is printed.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

import yaml

from shadow.config import Config, model_of
from shadow.ledger import Finding

CRITICAL: Final = "critical"

REMEDIES: Final[dict[str, str]] = {
    "harm": "fix the candidate; its new revision starts from zero",
    "over_budget": "fix the candidate; its new revision starts from zero",
    "cause": "put that right; the gate then says so by itself",
    "no_data": "mirror traffic to it, and wait until conversations have closed",
    "incomplete": "see 'shadow ledger stats' for what is shed or expired, and put that right",
    "few_conversations": "wait; 'shadow gate plan' says how long",
    "evidence": "wait; 'shadow gate plan' says how long",
    "expired": "it will not be shown any more; fix the candidate",
    "cycle": "wait for the end of the cycle of traffic",
}
"""Why to what to do."""


def refusal(config: Config, report: dict[str, Any], findings: Iterable[Finding], now: float) -> str | None:
    """Why the candidate of ``report`` (as the gate makes it) may not be promoted, in one line; None: it may."""
    if report["verdict"] != "PROMOTE":
        reason = report["reasons"][0]
        return f"the verdict is {report['verdict']} ({reason['why']}: {reason['detail']}): {REMEDIES[reason['why']]}"
    looked, most_s = report["looked_at"], config.gate.max_age_s
    if looked is None or now - looked > most_s:
        age_s = 0 if looked is None else now - looked
        return f"the verdict is {age_s:.0f} s old, {most_s:g} s are allowed (gate.max_age_s): wait for the next look"
    open_ones = critical(config, report["candidate"], findings)
    if open_ones:
        numbers = ", ".join(f"{each.finding_id} ({each.candidate})" for each in open_ones)
        owner = config.arm(report["candidate"]).owner
        return f"{owner!r} has open critical findings: {numbers}: settle them, then 'shadow findings close'"
    return None


def critical(config: Config, candidate: str, findings: Iterable[Finding]) -> list[Finding]:
    """Open critical findings of the candidate's owner: as it was when they were written, or as it is now."""
    owner = config.arm(candidate).owner
    owned = {arm.name for arm in config.candidates if arm.owner == owner}
    return [
        each
        for each in findings
        if each.closed_at is None and each.severity == CRITICAL and (each.owner == owner or each.candidate in owned)
    ]


def fragment(config: Config, candidate: str) -> str:
    """What to change in ``shadow.yaml``: production and candidate swap roles, so that the way back stays measured.

    How the old production is asked is known from the control arm; without one its address has to be filled in.
    """
    arm, old = config.arm(candidate), config.production
    model = model_of(arm.adapter) or arm.name
    asked = arm.model_dump(mode="json", exclude_defaults=True, exclude={"name"})
    back: dict[str, Any] = {"name": _free(config, candidate), "owner": old.owner}
    if config.control:
        back |= config.control.model_dump(mode="json", exclude_defaults=True, exclude={"name", "owner"})
    else:
        back["adapter"] = {"type": "openai", "base_url": "https://FILL-IN", "model": old.model}
        back |= {"limits": asked["limits"]} if "limits" in asked else {}  # they fit the join window
    others = [
        each.model_dump(mode="json", exclude_defaults=True) for each in config.candidates if each.name != candidate
    ]
    new: dict[str, Any] = {"production": {"owner": arm.owner, "model": model}}
    if config.control:
        new["control"] = asked
    return yaml.safe_dump({**new, "candidates": [back, *others]}, sort_keys=False, allow_unicode=True)


def _free(config: Config, candidate: str) -> str:
    """A name for the old production that no other arm has."""
    taken = {arm.name for arm in config.arms} - {candidate}
    names = ("previous", *(f"previous-{number}" for number in range(2, len(taken) + 3)))
    return next(name for name in names if name not in taken)
