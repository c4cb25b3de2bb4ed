"""Comes to a bundle's verdict again, from the bundle alone."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from shadow import __version__
from shadow.promotion.bundle import BundleError, digest, unpack
from shadow.promotion.evidence import derived, opened


@dataclass(frozen=True)
class Verified:
    """What a bundle says, having been found to be what its rows give."""

    report: dict[str, Any]
    digest: str
    conversations: int
    rows: int


def verify(data: bytes, *, expected: str | None = None) -> Verified:
    """Check the members against the manifest, run the gate over the rows, and compare every byte that follows.

    ``expected`` is the digest that was printed when the bundle was sealed. Raises
    :class:`~shadow.promotion.bundle.BundleError` naming what is not as it was.
    """
    found = digest(data)
    members = unpack(data)
    if expected is not None and found != expected.strip().lower():
        raise BundleError([f"is another file: its SHA-256 is {found}, not {expected}"])
    case = opened(members)
    try:
        again = derived(case, members)
    except (ValueError, TypeError, KeyError, AttributeError, ArithmeticError) as error:
        raise BundleError([f"the gate cannot run over its rows: {error!r}"]) from None
    wrong = tuple(name for name in sorted(again) if members.get(name) != again[name])
    if wrong:
        hint = _hint(json.loads(members["seal.json"]))
        raise BundleError([f"{name}: is not what the rows of this bundle give{hint}" for name in wrong], wrong)
    report = json.loads(again["report.json"])
    return Verified(report, found, report["conversations"]["closed"], len(case.rows))


def _hint(facts: dict[str, Any]) -> str:
    sealed_by = facts["versions"].get("shadow")
    return "" if sealed_by == __version__ else f"; sealed by Shadow {sealed_by}, this is {__version__}: use that one"
