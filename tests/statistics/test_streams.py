"""What the simulation rests on: populations whose means are exact, streams that are drawn from them, others' rules."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from scipy.stats import mannwhitneyu

from shadow.gate.plan import kl_inf
from tests.statistics import rivals, runner, turns, variants
from tests.statistics.catalogue import catalogue, informative
from tests.statistics.figures import Figure, Measured, median, share
from tests.statistics.population import Population, groups, rates, sample_turns
from tests.statistics.scenario import ALPHA, planned
from tests.statistics.schedule import schedule
from tests.statistics.vector import NEVER, Seen, cycle_ends, decide


@pytest.mark.parametrize("icc", [0.0, 0.1, 0.3])
@pytest.mark.parametrize("base", [0.002, 0.02])
def test_a_population_has_the_mean_and_the_correlation_that_it_says(base, icc):
    shares, found = groups(), rates(base, icc)
    assert shares.sum() == pytest.approx(1)
    assert shares @ found == pytest.approx(base, rel=1e-9)
    assert (shares @ found**2 - base**2) / (base * (1 - base)) == pytest.approx(icc, abs=0.01)


def test_harm_is_exactly_the_difference_and_conversations_are_samples_of_it():
    population = Population(0.02, 0.03, 0.2)
    assert population.harm_per_turn() == pytest.approx(0.01, rel=1e-9)
    assert population.mean_x() == pytest.approx(0.01, rel=1e-9)
    rng = np.random.default_rng(1)
    lengths = sample_turns(rng, 400_000)
    x = population.sample_harm(rng, lengths) / lengths
    assert x.mean() == pytest.approx(0.01, abs=4 * x.std() / len(x) ** 0.5)
    assert x.var() == pytest.approx(population.variance_x(), rel=0.03)
    assert lengths.mean() == pytest.approx(population.mean_turns(), abs=0.02)


def test_the_limit_is_the_gates():
    """On a list of conversations in the population's own shares."""
    equal = Population(0.05, 0.05, 0.2)
    counts = np.round(equal.cell_shares() * 300_000).astype(int)
    values = np.repeat(equal.values().ravel(), counts.ravel()).tolist()
    expected = np.log(20) / kl_inf(values, 0.025) * equal.mean_turns()
    assert equal.limit_turns(0.025, 0.05) == pytest.approx(expected, rel=0.002)


def test_harm_in_long_conversations_is_at_the_margin_per_turn_and_under_it_per_conversation():
    population = informative()
    assert population.harm_per_turn() == pytest.approx(0.01)
    assert population.mean_x() < 0.005


def test_streams_of_turns_are_of_the_same_population():
    population = Population(0.05, 0.10, 0.2)
    streams = turns.draw(np.random.default_rng(3), population, 60, 6_000)
    assert streams.production.mean() == pytest.approx(0.05, rel=0.03)
    assert streams.candidate.mean() == pytest.approx(0.10, rel=0.03)
    closed = streams.schedule.turns > 0
    x = streams.harm[closed] / streams.schedule.turns[closed]
    assert x.mean() == pytest.approx(0.05, abs=4 * x.std() / len(x) ** 0.5)
    assert x.var() == pytest.approx(population.variance_x(), rel=0.05)


def test_a_conversation_closes_with_its_last_turn_and_its_turns_are_its_own():
    plan = schedule(np.random.default_rng(4), 3, 4_000, per_turn=True)
    for row in range(3):
        of_turn, lengths = plan.conversation_of_turn[row], plan.turns[row]
        closed = np.flatnonzero(lengths)
        assert (np.diff(plan.closing[row][closed]) > 0).all()
        counts = np.bincount(of_turn, minlength=plan.conversations)
        assert (counts[closed] == lengths[closed]).all()
        last = {int(each): turn for turn, each in enumerate(of_turn, start=1)}
        assert [last[int(each)] for each in closed] == plan.closing[row][closed].tolist()


def test_a_cycle_ends_at_the_last_conversation_before_its_end():
    closing = np.array([[10, 90, 101, 180, 250, 299, 300]])
    assert cycle_ends(closing, 100, 300).tolist() == [[False, True, False, True, False, False, True]]
    assert cycle_ends(closing[:, :5], 100, 300).tolist() == [[False, True, False, True, True]]


def by_measurement(*failures: int) -> np.ndarray:
    """A candidate's turns with so many failures in each hundred."""
    return np.concatenate([np.arange(rivals.MEASUREMENT) < count for count in failures])[None, :]


def test_argo_fails_with_more_failures_than_its_limit():
    four = by_measurement(4, 4, 4, 4, *[0] * 6)
    three = by_measurement(4, 4, 4, *[3] * 7)
    for turned, promoted in ((four, NEVER), (three, 1_000)):
        assert rivals.argo(turned, threshold=0.03, failure_limit=3).tolist() == [promoted]


def test_flagger_counts_to_ten_on_either_side():
    assert rivals.flagger(by_measurement(*[4] * 9, *[3] * 10), threshold=0.03).tolist() == [1_900]
    assert rivals.flagger(by_measurement(*[4] * 10, *[3] * 10), threshold=0.03).tolist() == [NEVER]
    assert rivals.flagger(by_measurement(*[3] * 9), threshold=0.03).tolist() == [NEVER]


def test_kayenta_is_a_rank_sum_test_where_the_estimate_is_nought():
    """Beside scipy's: one-sided at 1 %, ties and continuity corrected."""
    rng = np.random.default_rng(5)
    control, experiment = rng.binomial(20, 0.02, (300, 50)), rng.binomial(20, 0.04, (300, 50))
    estimates = np.median(experiment[:, :, None] - control[:, None, :], axis=(1, 2))
    expected = [
        bool(estimate == 0 and mannwhitneyu(b, a, alternative="greater", method="asymptotic").pvalue < 0.01)
        for a, b, estimate in zip(control, experiment, estimates, strict=True)
    ]
    assert 50 < sum(expected) < 250
    assert (rivals.kayenta_fails(control, experiment) & (estimates == 0)).tolist() == expected


def test_kayenta_needs_a_quarter_of_the_estimate():
    """All points ten more: the shift is ten for certain. Most of them one more: its lower end is 0, which passes."""
    flat = np.full((1, 50), 3)
    assert rivals.kayenta_fails(flat, flat + 10).tolist() == [True]
    assert rivals.kayenta_fails(flat, flat).tolist() == [False]
    assert rivals.kayenta_fails(flat + 10, flat).tolist() == [False]
    some = flat + (np.arange(50) < 27)
    assert mannwhitneyu(some[0], flat[0], alternative="greater", method="asymptotic").pvalue < 1e-6
    assert rivals.kayenta_fails(flat, some).tolist() == [False]


def test_the_peeked_z_test_is_the_textbooks():
    rng = np.random.default_rng(6)
    a, b = rng.random((1, 400)) < 0.1, rng.random((1, 400)) < 0.1
    found = int(rivals.z_peeked(a, b, margin=0.05)[0])
    d = b[0].astype(float) - a[0]
    z = [(0.05 - d[:n].mean()) / (d[:n].std() / n**0.5) for n in range(100, 401)]
    assert found == 100 + next(at for at, each in enumerate(z) if each >= 1.6448536)


def test_rules_of_turns_are_the_gates_with_a_conversation_of_one_turn():
    """Clusters ignored: the only difference is what is taken for independent."""
    alone = Population(0.05, 0.05, 0.0)
    streams = turns.draw(np.random.default_rng(8), alone, 30, 3_000)
    found = rivals.betting_ignoring_clusters(streams.production, streams.candidate, margin=0.05, alpha=0.05, rate=0.05)
    assert (found != NEVER).all()
    assert 30 < np.median(found) < 1_500


def test_a_killed_run_goes_on_where_it_was(tmp_path):
    """A finished block is not computed again, half a file is; and both come out the same."""
    name = "budget edge"
    before = set(runner.missing(runner.BLOCK, tmp_path))
    runner.compute(name, 0, tmp_path)
    first = runner.kept(name, 0, tmp_path)
    assert before - set(runner.missing(runner.BLOCK, tmp_path)) == {(name, 0)}
    path = runner.path_of(catalogue()[name], 0, tmp_path)
    path.write_bytes(path.read_bytes()[:200])
    assert (name, 0) in runner.missing(runner.BLOCK, tmp_path)
    runner.compute(name, 0, tmp_path)
    again = runner.kept(name, 0, tmp_path)
    assert {key: value.tolist() for key, value in again.items()} == {k: v.tolist() for k, v in first.items()}
    assert [each.name for each in path.parent.iterdir()] == ["0000.npz"]
    assert set(runner.collect(runner.BLOCK, tmp_path)) == {name}


def test_kept_blocks_are_of_all_the_code_that_made_them():
    """What the scenarios load, in a process of their own, is what a block's name is a hash of."""
    script = "import sys, tests.statistics.catalogue; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=runner.ROOT)
    for room, known in (("shadow.gate.", set(runner.GATE)), ("tests.statistics.", {*runner.ENGINE, "catalogue"})):
        assert {name.removeprefix(room) for name in loaded.stdout.split() if name.startswith(room)} == known


def test_a_missed_goal_says_so_and_chance_is_no_miss():
    rate = Measured(0.06, 0.002, "%")
    assert Figure("G", "", (rate,), at_most=0.05).row()[-1] == "MISSED"
    assert Figure("G", "", (Measured(0.055, 0.002, "%"),), at_most=0.05).met is True
    assert Figure("G", "", (Measured(0.9, 0.01, "%"),), at_least=0.95).met is False
    assert Figure("", "", (rate,)).met is None
    assert share(np.array([5, NEVER, NEVER, 9])).value == 0.5
    assert share(np.array([5, NEVER, NEVER, 9]), by=6).value == 0.25
    assert median(np.array([5, NEVER, 9, 7])).value == 7


def test_the_variant_with_the_gates_own_numbers_is_the_gate(monkeypatch):
    """What the page says of others is said of the same rule with one number changed; and each of them changes it."""
    monkeypatch.setattr(variants, "STREAMS", variants.ROWS)
    variants._streams.cache_clear()
    equal = Population(0.02, 0.02, 0.2)
    ours = variants.Variant().looks(equal, 0.01, variants.USUAL)[0]
    [(lengths, harm, _)] = variants._streams(equal, variants.USUAL, variants.OPEN)
    looks = decide([Seen(planned(0.02, 0.2, 0.01), lengths.astype(int), harm.astype(int))], ALPHA)
    assert ours.tolist() == looks.promote.tolist()
    assert (ours != NEVER).any()
    for other in ({"least": 900}, {"discordant": 90}, {"turn_alpha": 0.001}, {"misplanned": 4.0}):
        assert variants.Variant(**other).looks(equal, 0.01, variants.USUAL)[0].tolist() != ours.tolist(), other
    variants._streams.cache_clear()
