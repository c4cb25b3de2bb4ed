"""The gate keeps its goals: ``make simulate-short``, its figures held to the goals with three standard errors.

Costs are printed and not asserted: they are of one machine at one moment.
"""

from __future__ import annotations

from itertools import chain

import pytest

from shadow.gate.plan import conversations_needed
from tests.statistics import exact, goals, league, report, runner
from tests.statistics.catalogue import BASE, CORRELATIONS, HORIZON, MARGIN, catalogue
from tests.statistics.figures import mean_over, share
from tests.statistics.population import Population
from tests.statistics.scenario import ALPHA


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """Simulated afresh: kept blocks would show what the code did, not what it does."""
    return runner.run(runner.SHORT, tmp_path_factory.mktemp("simulate"), tell=lambda *_: None)


@pytest.mark.slow
@pytest.mark.timeout(1_500)
def test_every_goal_is_met(results):
    """G1 to G11 of the gate and P8's hidden slice, with a look after every conversation."""
    assert set(results) == set(catalogue())
    figures = list(chain(goals.figures(results), exact.certification(), exact.exactness()))
    assert {"G1", "G2", "G3", "G4", "G5", "G6", "G7", "G8", "G9", "G10", "G11", "P8"} <= {each.goal for each in figures}
    missed = [" | ".join(each.row()) for each in figures if each.met is False]
    print("\n".join(" | ".join(each.row()) for each in figures))
    assert missed == []


@pytest.mark.slow
@pytest.mark.timeout(1_500)
def test_the_rules_of_others_do_promote_the_same_harm(results):
    """What the goals are measured against is no straw: they promote an equal candidate soon, and a harmful one too."""
    harmful, equal = results["league 0.02 0.2"], results["league 0.0 0.2"]
    for rule in ("kayenta_first", "argo_3", "flagger", "z_peeked"):
        assert share(equal[rule]).value >= 0.8, rule
        assert share(harmful[rule]).value >= 0.05, rule
    boundary = results["league 0.01 0.3"]
    for rule in ("sequence_turns", "betting_turns"):
        assert share(boundary[rule]).value >= 2 * ALPHA, rule
    assert len(league.rows(results)) == len(league.RULES) + 1


@pytest.mark.slow
@pytest.mark.timeout(1_500)
def test_the_page_has_a_line_for_every_figure(results, tmp_path):
    """docs/design/gate.md is written by the same code, and the rest of a page is left alone."""
    figures = list(chain(goals.figures(results), exact.figures()))
    page = tmp_path / "page.md"
    page.write_text(f"before\n{report.BEGIN}\nold\n{report.END}\nafter\n")
    report.write(results, figures, page)
    once = page.read_text()
    report.write(results, figures, page)
    assert page.read_text() == once
    assert once.startswith(f"before\n{report.BEGIN}\n")
    assert once.endswith(f"{report.END}\nafter\n")
    assert "old" not in once.split("\n")
    for name in [*(each.what for each in figures), *league.RULES.values()]:
        assert f"| {name} |" in once
        assert f"| {name} |" in report.DOCS.read_text()


@pytest.mark.slow
@pytest.mark.timeout(1_500)
@pytest.mark.parametrize("icc", CORRELATIONS)
def test_the_plan_says_about_how_long_it_takes(results, icc):
    """``plan.conversations_needed`` beside the mean of the streams."""
    equal = Population(BASE, BASE, icc)
    needed = conversations_needed(equal.bets(MARGIN), equal.control(), alpha=ALPHA, side="promote")
    took = mean_over(results[f"equal {BASE} {icc}"]["promote"], HORIZON[BASE], needed * equal.mean_turns())
    assert took.value == pytest.approx(1, abs=0.35)
