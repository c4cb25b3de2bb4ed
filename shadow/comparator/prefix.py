"""Whether the customer could have gone on as he did, had the arm answered him. Pure.

It decides how long an arm stays in a conversation: :mod:`shadow.gate.prefix`.
"""

from __future__ import annotations

from collections.abc import Mapping

from shadow.events import OutcomeKind, Score


def agreed(outcome: OutcomeKind, scores: Mapping[str, Score], limits: Mapping[str, float]) -> bool | None:
    """True: no deciding measure is above its limit; False: one is, or the candidate failed; None: cannot be known.

    ``limits`` holds each deciding measure's ``diverge`` threshold. A measure that abstains found nothing to differ and
    does not decide, unless it broke (``plugin_error``): then only another that is above its limit decides. None also
    where all of them abstain, and where there was no candidate's reply, or none of production's to hold it against.
    """
    if outcome == "candidate_failed":
        return False
    if outcome != "compared":
        return None
    known, broken = False, False
    for measure, limit in limits.items():
        score = scores.get(measure)
        if score is None:
            continue
        if score.value is None:
            broken |= score.abstained == "plugin_error"
        elif score.value > limit:
            return False
        else:
            known = True
    return True if known and not broken else None
