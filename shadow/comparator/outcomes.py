"""Which outcome a sampled (turn, arm) ends with: exactly one, decided here and nowhere else."""

from __future__ import annotations

from typing import Final

from shadow.events import ExpiredReason, FailureKind, OutcomeKind, Reply, ShedReason

Ending = tuple[OutcomeKind, FailureKind | ShedReason | ExpiredReason | None]

NO_REPLY: Final[frozenset[FailureKind]] = frozenset({"timeout", "provider_error", "rate_limited", "empty"})
"""Failures after which there is nothing to compare. Any other leaves a reply: it is compared, and the failure noted."""


def expired(production: Reply | None, arm: Reply | None) -> Ending | None:
    """The outcome when the window has closed on a missing reply; None if nothing is missing."""
    if arm is not None and arm.shed is not None:
        return "shed", arm.shed
    if production is None:
        return "expired", "production_reply"
    return ("expired", "arm_reply") if arm is None else None


def answered(arm: Reply, production: list[FailureKind], candidate: list[FailureKind]) -> Ending:
    """The outcome when both replies are there, or the arm's alone if the turn was shed; failures as detected."""
    if arm.shed is not None:
        return "shed", arm.shed
    missing, production_missing = _missing(candidate), _missing(production)
    if missing and production_missing:
        return "both_failed", missing
    if missing:
        return "candidate_failed", missing
    if production_missing:
        return "production_failed", production_missing
    return "compared", None


def _missing(failures: list[FailureKind]) -> FailureKind | None:
    """The failure after which there is no reply to compare, if there is one among ``failures``."""
    return next((kind for kind in failures if kind in NO_REPLY), None) if failures else None
