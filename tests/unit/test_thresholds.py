"""The thresholds of the code are the ones that the data gives."""

from __future__ import annotations

import pytest

from shadow.thresholds import DEFAULTS, PREFIX_MEASURES
from tests.evaluate import thresholds


def test_a_threshold_is_a_percentile_rounded_up():
    assert thresholds.derived([0.1] * 50 + [0.201] * 45 + [0.9] * 5) == (0.16, 0.24)
    assert thresholds.derived([0.25]) == (0.25, 0.25)


def test_only_words_may_differ():
    """Any other action, hand-over, language or fact is a difference."""
    assert {name for name, threshold in DEFAULTS.items() if threshold.diverge > 0} == set(thresholds.TEXTUAL)
    assert set(PREFIX_MEASURES) < DEFAULTS.keys()


@pytest.mark.slow
def test_the_defaults_are_those_of_one_models_repeated_samples():
    """And a constant gibberish is never taken for something to go on from."""
    if not thresholds.PAIRED.is_dir():
        pytest.skip(f"{thresholds.PAIRED} is absent; name the folder of recorded data in SHADOW_DATA_DIR")
    same = thresholds.scored(thresholds.same_model())
    for measure in thresholds.TEXTUAL:
        code = DEFAULTS[measure]
        found = thresholds.derived(thresholds.values(same, measure))
        assert found == pytest.approx((code.agree, code.diverge), abs=0.03), measure  # other prompts give others
    worst = thresholds.scored(thresholds.gibberish())
    assert min(thresholds.values(worst, "semantic")) > DEFAULTS["semantic"].diverge
