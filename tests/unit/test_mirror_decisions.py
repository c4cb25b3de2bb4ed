"""Sampling, admission, budget, breaker, retry: the mirror's decisions."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shadow.config import Arm, Limits
from shadow.mirror.admission import Admission
from shadow.mirror.breaker import Breaker
from shadow.mirror.budget import DAY_S, Budget
from shadow.mirror.retry import wait_before_retry
from shadow.mirror.sampling import Sampler, choose, position
from tests.fixtures.events import turn

ids = st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9_:-]{0,30}", fullmatch=True)


def arm(**fields):
    adapter = {"type": "openai", "base_url": "http://127.0.0.1:1/v1", "model": "m"}
    return Arm.model_validate({"name": "better", "owner": "o", "adapter": adapter, **fields})


@given(ids, st.floats(0, 1), st.floats(0, 1))
def test_a_conversation_sampled_at_a_low_rate_is_sampled_at_every_higher_one(conversation, one, other):
    low, high = sorted((one, other))
    if choose(arm(sampling={"rate": low}), conversation, {}) == "sampled":
        assert choose(arm(sampling={"rate": high}), conversation, {}) == "sampled"


def test_sampling_keeps_its_rate_and_depends_on_the_conversation_alone():
    half = arm(sampling={"rate": 0.25})
    chosen = [f"c{n}" for n in range(20_000) if choose(half, f"c{n}", {}) == "sampled"]
    assert 0.24 < len(chosen) / 20_000 < 0.26
    assert position("c1", "") == position("c1", "") != position("c1", "salt")


def test_sampling_is_pinned_so_that_a_new_version_samples_the_same_conversations():
    assert position("c1", "") == pytest.approx(0.2653808974277377, abs=1e-15)


def test_scope_needs_every_named_field_to_match():
    scoped = arm(scope={"channel": ["chat", "email"], "tier": ["gold"]})
    assert choose(scoped, "c", {"channel": "chat", "tier": "gold"}) == "sampled"
    assert choose(scoped, "c", {"channel": "chat"}) == "out_of_scope"
    assert choose(scoped, "c", {"channel": "phone", "tier": "gold"}) == "out_of_scope"


def test_the_sampler_gives_the_expected_arms_with_their_revisions():
    one, none = arm(), arm(name="never", sampling={"rate": 0})
    assert Sampler([one, none]).expected(turn()) == {"better": one.revision}


def decide(admission, **fields):
    return admission.decide(**{"paused": False, "turn_bytes": 1, "age_s": 0.0, "now_s": 100.0, **fields})


def test_a_turn_is_shed_for_the_first_reason_that_holds():
    limits = Limits(max_turn_bytes=1000, max_age_s=10, usd_per_day=1.0, breaker_failures=1)
    admission = Admission(limits, partitions=1)
    assert decide(admission) == "budget"  # no partition is owned, so there is no share of the budget
    admission.budget.own(0)
    assert decide(admission) is None
    admission.breaker.record(ok=False, now_s=100.0)
    assert decide(admission) == "breaker"
    admission.budget.spend(0, 1.0, 100.0)
    assert decide(admission) == "budget"
    assert decide(admission, age_s=10.1) == "too_old"
    assert decide(admission, age_s=10.1, turn_bytes=1001) == "too_large"
    assert decide(admission, age_s=10.1, turn_bytes=1001, paused=True) == "paused"


def test_the_budget_is_shared_by_partitions_and_starts_anew_at_midnight_utc():
    budget = Budget(usd_per_day=6.0, partitions=6)
    for partition in (0, 1):
        budget.own(partition)
    assert budget.limit() == 2.0
    budget.spend(0, 1.5, DAY_S * 10 + 5)
    budget.spend(5, 9.9, DAY_S * 10 + 5)  # another worker's partition
    assert budget.spent(DAY_S * 11 - 1) == 1.5
    assert budget.spent(DAY_S * 11) == 0.0
    budget.disown(0)
    assert budget.spent(DAY_S * 10 + 6) == 0.0


def test_an_open_breaker_lets_one_probe_through_at_a_time_and_closes_on_success():
    breaker = Breaker(failures=3, probe_s=10)
    for _ in range(3):
        assert not breaker.refuses(0.0)
        breaker.record(ok=False, now_s=0.0)
    assert breaker.open
    assert breaker.refuses(9.9)
    assert not breaker.refuses(10.0)
    assert breaker.refuses(10.1)
    assert not breaker.refuses(20.0)
    breaker.record(ok=True, now_s=20.5)
    assert not breaker.refuses(20.6)


def test_a_success_between_failures_keeps_the_breaker_closed():
    breaker = Breaker(failures=2, probe_s=10)
    for ok in (False, True, False, True, False):
        breaker.record(ok=ok, now_s=0.0)
    assert not breaker.open


@given(
    attempt=st.integers(1, 12),
    elapsed=st.floats(0, 200),
    after=st.none() | st.floats(0, 500),
    chance=st.floats(0, 1),
)
def test_a_retry_never_waits_past_the_deadline_nor_less_than_the_server_asked(attempt, elapsed, after, chance):
    limits = Limits(attempts=5, deadline_s=90, backoff_s=0.5)
    wait = wait_before_retry(limits, attempt=attempt, elapsed_s=elapsed, retry_after_s=after, chance=chance)
    if wait is None:
        assert attempt >= 5 or elapsed + max(chance * 0.5 * 2 ** (attempt - 1), after or 0) >= 90
    else:
        assert wait >= (after or 0)
        assert elapsed + wait < 90
