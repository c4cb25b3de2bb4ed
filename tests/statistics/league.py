"""The gate beside the rules that others decide by, on the same streams."""

from __future__ import annotations

from collections.abc import Mapping

from tests.statistics.catalogue import BASE, DIFFERENCES, HORIZON, ICC, MARGIN
from tests.statistics.figures import Measured, mean_over, median, share
from tests.statistics.population import Population
from tests.statistics.scenario import ALPHA, Result

RULES = {
    "promote": "this gate",
    "kayenta_first": "Kayenta-like, first run",
    "kayenta_three": "Kayenta-like, three runs of three",
    "argo_3": "Argo-like, failureLimit 3",
    "argo_0": "Argo-like, failureLimit 0",
    "flagger": "Flagger-like",
    "z_peeked": "z test of turns, peeked",
    "sequence_turns": "confidence sequence, clusters ignored",
    "betting_turns": "bets, clusters ignored",
}
HEADER = ("rule", *(f"{each * 100:+g} pp" for each in DIFFERENCES), "+1 pp, ICC 0 / 0.1 / 0.3", "mean turns / limit")


def rows(results: Mapping[str, Result]) -> list[tuple[str, ...]]:
    """Per rule: promoted, with the median turns where it is right to promote; then the mean over the limit at 0 pp."""
    limit = Population(BASE, BASE, ICC).limit_turns(MARGIN, ALPHA)
    found = []
    for key, name in RULES.items():
        cells = [_cell(results[f"league {each} {ICC}"], key, timed=each < MARGIN) for each in DIFFERENCES]
        others = [f"{share(results[f'league {MARGIN} {icc}'][key]).value:.1%}" for icc in (0.0, 0.1, 0.3)]
        ratio: Measured = mean_over(results[f"league 0.0 {ICC}"][key], HORIZON[BASE], limit)
        found.append((name, *cells, " / ".join(others), f"{ratio.value:.2f}"))
    rejected = [f"{share(results[f'league {each} {ICC}']['reject']).value:.1%}" for each in DIFFERENCES]
    found.append(("this gate: REJECT", *rejected, "", ""))
    return found


def _cell(result: Result, key: str, *, timed: bool) -> str:
    promoted = share(result[key]).value
    return f"{promoted:.1%} ({median(result[key]).value:,.0f})" if timed and promoted else f"{promoted:.1%}"
