"""What mirrors and the comparator count: from 0, by closed words, with the trace that a slow answer belongs to."""

from __future__ import annotations

import pytest
from prometheus_client.openmetrics.exposition import generate_latest

from consumers.counts import Counts
from shadow.asking import Tools
from shadow.config import Config
from shadow.events import ArmFacts, FunctionCall, Message, Score, ToolCall
from shadow.metrics.exporter import Metrics
from shadow.metrics.labels import ENDINGS
from tests.fixtures.comparisons import comparison
from tests.fixtures.events import reply, turn
from tests.unit.test_asking import ANSWER, asker

ADAPTER = {"type": "openai", "base_url": "http://127.0.0.1:1/v1", "model": "m-7", "provider": "p"}


@pytest.fixture
def metrics() -> Metrics:
    return Metrics("test")


@pytest.fixture
def counts(metrics: Metrics) -> Counts:
    document = {
        "version": 1,
        "production": {"owner": "o", "model": "m"},
        "candidates": [{"name": "candidate", "owner": "billing", "adapter": ADAPTER}],
        "comparator": {"measures": ["semantic", "lexical"]},
    }
    return Counts(Config.model_validate(document), metrics)


def value(metrics: Metrics, name: str, **labels: str) -> float | None:
    return metrics.registry.get_sample_value(name, labels)


@pytest.mark.usefixtures("counts")
def test_every_ending_of_every_arm_begins_at_zero(metrics: Metrics) -> None:
    for outcome, reason in ENDINGS:
        assert value(metrics, "shadow_outcomes_total", candidate="candidate", outcome=outcome, reason=reason) == 0
    assert value(metrics, "shadow_failures_total", candidate="candidate", kind="pii_leak") == 0
    assert value(metrics, "shadow_divergence_ratio_count", candidate="candidate", measure="semantic") == 0


@pytest.mark.usefixtures("counts")
def test_the_owner_of_an_arm_is_exported(metrics: Metrics) -> None:
    [info] = [family for family in metrics.registry.collect() if family.name == "shadow_candidate_info"]
    [sample] = info.samples
    revision = sample.labels.pop("revision")
    assert len(revision) == 12
    assert sample.labels == {
        "candidate": "candidate",
        "team": "billing",
        "role": "candidate",
        "gen_ai_provider_name": "p",
        "gen_ai_request_model": "m-7",
    }


def test_a_comparison_counts_once_in_each_place(counts: Counts, metrics: Metrics) -> None:
    """Its outcome, its failures, the scores that there are and those that there are not, and how late it came."""
    facts = ArmFacts(failures=["pii_leak"])
    measures = {"semantic": Score(value=0.25), "lexical": Score(abstained="empty")}
    counts.compared([comparison(measures=measures, candidate=facts, production_replied_at=1_790_000_000.5)])
    arm = {"candidate": "candidate"}
    assert value(metrics, "shadow_outcomes_total", **arm, outcome="compared", reason="") == 1
    assert value(metrics, "shadow_failures_total", **arm, kind="pii_leak") == 1
    assert value(metrics, "shadow_divergence_ratio_sum", **arm, measure="semantic") == 0.25
    assert value(metrics, "shadow_divergence_ratio_count", **arm, measure="lexical") == 0
    assert value(metrics, "shadow_abstentions_total", **arm, measure="lexical") == 1
    assert value(metrics, "shadow_evaluation_delay_seconds_sum") == 1.5


def test_productions_latency_is_counted_where_it_was_measured(counts: Counts, metrics: Metrics) -> None:
    counts.production([reply(latency_s=2.0, time_to_first_token_s=0.5), reply(latency_s=None)])
    counts.production([])
    assert value(metrics, "shadow_production_request_duration_seconds_count") == 1
    assert value(metrics, "shadow_production_time_to_first_token_seconds_sum") == 0.5


@pytest.mark.parametrize(
    ("called", "label"),
    [
        ("refund", "refund"),
        ("cancel-order", "cancel-order"),
        ("made_up", "__other__"),
        ("a b", "__other__"),
        ("x" * 65, "__other__"),
        ("rückzahlung", "__other__"),
    ],
)
def test_a_tool_is_named_only_if_production_offered_it(called: str, label: str, metrics: Metrics) -> None:
    """Names that a model makes up, and those that no label should hold, are counted together."""
    offered = ["refund", "cancel-order", "a b", "x" * 65, "rückzahlung", ["not", "text"], None]
    tools = [{"type": "function", "function": {"name": name}} for name in offered] + [{"function": "broken"}, {}]
    message = Message(role="assistant", tool_calls=[ToolCall(function=FunctionCall(name=called))])
    Tools("a", metrics).count(turn(tools=tools), message)
    assert value(metrics, "shadow_tool_calls_recorded_total", candidate="a", tool=label) == 1


async def test_a_calls_duration_carries_its_trace() -> None:
    """In OpenMetrics, which Prometheus asks for; without a trace id there is no exemplar."""
    trace, asked = "4bf92f3577b34da6a3ce929d0e0e4736", asker(ANSWER)
    await asked.ask(turn(trace_id=trace))
    exemplars = [bucket.get_exemplar() for bucket in asked._duration._buckets]
    assert [found.labels for found in exemplars if found] == [{"trace_id": trace}]
    untraced = asker(ANSWER)
    await untraced.ask(turn())
    assert not any(bucket.get_exemplar() for bucket in untraced._duration._buckets)


def test_openmetrics_shows_exemplars(metrics: Metrics) -> None:
    metrics.histogram("shadow_candidate_request_duration_seconds", "a").observe(0.3, {"trace_id": "abc"})
    assert '# {trace_id="abc"} 0.3' in generate_latest(metrics.registry).decode()


def test_scores_are_counted_by_slice_and_by_the_measures_thresholds(metrics: Metrics) -> None:
    """Alike at most at `agree`, apart above `diverge`, between the two in between; an abstention is none of them."""
    document = {
        "version": 1,
        "production": {"owner": "o", "model": "m"},
        "candidates": [{"name": "candidate", "owner": "billing", "adapter": ADAPTER}],
        "comparator": {"measures": ["semantic"], "thresholds": {"semantic": {"agree": 0.1, "diverge": 0.4}}},
    }
    counts = Counts(Config.model_validate(document), metrics, ["tone_shift", "tool_use"])

    def found(name: str) -> dict[str, float | None]:
        cell = {"candidate": "candidate", "slice": name, "measure": "semantic"}
        verdicts = ("agree", "between", "diverge")
        return {each: value(metrics, "shadow_comparisons_total", **cell, verdict=each) for each in verdicts}

    assert found("tool_use") == {"agree": 0, "between": 0, "diverge": 0}  # from the beginning
    scores = [Score(value=0.1), Score(value=0.4), Score(value=0.41), Score(abstained="empty")]
    for index, score in enumerate(scores):
        counts.compared([comparison(index, measures={"semantic": score}, slices=["tone_shift"])])
    assert found("tone_shift") == found("__all__") == {"agree": 1, "between": 1, "diverge": 1}
    assert found("tool_use") == {"agree": 0, "between": 0, "diverge": 0}
