"""Exactly one outcome for every combination of replies."""

import pytest

from shadow.comparator import outcomes
from shadow.comparator.compare import compare as compared
from shadow.comparator.evaluator import Evaluator
from shadow.comparator.join import Held, Resolved
from shadow.events import Comparison, Failure, GenAI, Message, Score, decode
from shadow.failures.transport import Transport
from shadow.slices.depth import Depth
from shadow.slices.metadata import Metadata
from shadow.topology import ARM_REPLIES, REPLIES, TURNS
from tests.fixtures.events import failed, reply, turn

DETECTORS = {"transport": Transport()}


def compare(pairs, **families):
    return compared(pairs, evaluator=Evaluator(**families), evaluator_revision="e1", now_s=1_790_000_002.0)


class Fixed:
    """A measure that always says the same."""

    def score(self, pairs):
        return [Score(value=0.25) for _ in pairs]


class Broken:
    """A measure that fails on one pair."""

    def score(self, pairs):
        if any("control" in pair.arm.text for pair in pairs):
            raise RuntimeError("no")
        return [Score(value=0.5) for _ in pairs]


def resolved(production, arm, *, expired=False, name="better", **fields):
    def held(event, topic):
        return Held(event.to_json(), (topic, 3), 1_790_000_001.0, event) if event else None

    return Resolved(
        2, held(turn(**fields), TURNS), name, "r1", held(production, REPLIES), held(arm, ARM_REPLIES), expired
    )


def one(production, arm, *, expired=False, measures=None):
    done = compare(
        [resolved(production, arm, expired=expired)],
        measures=measures or {"fixed": Fixed()},
        detectors=DETECTORS,
    )
    (comparison,) = done.comparisons
    assert decode(Comparison, comparison.to_json(), b"c1") == comparison  # what is built unchecked is valid
    return comparison


EMPTY = reply(arm="better", message=Message(role="assistant", content=" "))


@pytest.mark.parametrize(
    ("production", "arm", "expired", "expected"),
    [
        (reply(), reply(arm="better"), False, ("compared", None)),
        (reply(), failed("timeout", "better"), False, ("candidate_failed", "timeout")),
        (reply(), failed("rate_limited", "better"), False, ("candidate_failed", "rate_limited")),
        (reply(), EMPTY, False, ("candidate_failed", "empty")),
        (failed("provider_error"), reply(arm="better"), False, ("production_failed", "provider_error")),
        (failed("timeout"), failed("empty", "better"), False, ("both_failed", "empty")),
        (None, reply(arm="better", shed="budget"), False, ("shed", "budget")),
        (reply(), reply(arm="better", shed="too_old"), False, ("shed", "too_old")),
        (None, reply(arm="better"), True, ("expired", "production_reply")),
        (reply(), None, True, ("expired", "arm_reply")),
        (None, None, True, ("expired", "production_reply")),
        (None, failed("timeout", "better"), True, ("expired", "production_reply")),
    ],
)
def test_outcome(production, arm, expired, expected):
    comparison = one(production, arm, expired=expired)
    assert (comparison.outcome, comparison.reason) == expected
    assert bool(comparison.measures) == (expected[0] == "compared")


def test_a_comparison_says_whether_the_customer_could_have_gone_on():
    """By the evaluator's limits; a failed candidate is no agreement, and what cannot be known is None."""

    def said(arm, limit=0.25, **given):
        pair = resolved(reply(), arm, **given)
        done = compare([pair], measures={"fixed": Fixed()}, detectors=DETECTORS, limits={"fixed": limit})
        return done.comparisons[0].agreed

    assert said(reply(arm="better")) is True
    assert said(reply(arm="better"), limit=0.24) is False
    assert said(failed("timeout", "better")) is False
    assert said(reply(arm="better", shed="budget")) is None
    assert said(None, expired=True) is None


def test_a_truncated_reply_is_compared_and_its_failure_noted():
    cut = reply(
        arm="better", message=Message(role="assistant", content="It is"), gen_ai=GenAI(finish_reasons=["length"])
    )
    comparison = one(reply(), cut)
    assert comparison.outcome == "compared"
    assert comparison.candidate.failures == ["truncated"]
    assert comparison.production.failures == []


def test_a_comparison_says_where_its_records_lie():
    found = one(reply(), reply(arm="better"))
    assert all(ref is not None for ref in (found.turn_ref, found.production_ref, found.candidate_ref))
    assert one(None, reply(arm="better"), expired=True).production_ref is None
    assert one(reply(), None, expired=True).candidate_ref is None


def test_a_reply_of_tool_calls_alone_is_not_empty():
    call = Message.model_validate(
        {"role": "assistant", "tool_calls": [{"function": {"name": "find_order", "arguments": "{}"}}]}
    )
    assert one(reply(), reply(arm="better", message=call)).outcome == "compared"


def test_a_shed_turn_carries_no_figures_of_the_arm():
    assert one(reply(), reply(arm="better", shed="breaker")).candidate is None


def test_an_arm_that_shed_the_turn_before_production_replied_hides_no_reply_from_the_others():
    """Both are resolved in one batch: what they share is the turn, not what was there when each of them ended."""
    early = resolved(None, reply(arm="worse", message=None, shed="budget"), name="worse")
    held = resolved(reply(), reply(arm="better"))
    late = Resolved(held.partition, early.turn, "better", held.revision, held.production, held.reply, expired=False)
    first, second = compare([early, late], detectors=DETECTORS).comparisons
    assert (first.outcome, first.production) == ("shed", None)
    assert second.outcome == "compared"
    assert second.production is not None
    assert second.production_ref is not None


def test_a_measure_that_fails_on_one_pair_costs_only_that_score():
    done = compare(
        [resolved(reply(), reply(arm="better")), resolved(reply(), reply(arm="control"), name="control")],
        measures={"broken": Broken(), "fixed": Fixed()},
        detectors=DETECTORS,
    )
    better, control = (comparison.measures for comparison in done.comparisons)
    assert better["broken"].value == 0.5
    assert control["broken"].abstained == "plugin_error"
    assert control["fixed"].value == 0.25
    assert len(done.plugin_errors) == 1


def test_a_detector_that_raises_never_costs_a_comparison():
    class Raises:
        def detect(self, turn, reply):  # noqa: ARG002 (the family's signature)
            raise KeyError("x")

    done = compare(
        [resolved(reply(), reply(arm="better"))],
        measures={},
        detectors={"raises": Raises(), **DETECTORS},
    )
    assert done.comparisons[0].outcome == "compared"
    assert done.comparisons[0].candidate.abstained == ["raises"]
    assert done.plugin_errors


def test_a_turn_is_in_its_slices_and_a_slicer_that_strays_costs_only_its_own():
    class Raises:
        names = ("never",)

        def slices(self, turn):  # noqa: ARG002 (the family's signature)
            raise KeyError("x")

    class Strays(Raises):
        def slices(self, turn):  # noqa: ARG002 (the family's signature)
            return {"never": "", "invented": ""}

    slicers = {"raises": Raises(), "strays": Strays(), "depth": Depth(), "metadata": Metadata({"channel": ["chat"]})}
    pair = resolved(reply(), reply(arm="better"), metadata={"channel": "chat"})
    done = compare([pair], measures={}, detectors=DETECTORS, slicers=slicers)
    assert done.comparisons[0].slices == ["channel=chat", "depth=1", "never"]
    assert len(done.plugin_errors) == 2


def test_a_failure_carries_its_cause_cut_short():
    long = failed("timeout", "better")
    long = long.model_copy(update={"failure": Failure(kind="timeout", detail="x" * 9_999)})
    (comparison,) = compare([resolved(reply(), long)], detectors=DETECTORS).comparisons
    assert comparison.candidate.causes == {"timeout": "x" * 200}


def test_a_pair_without_reply_and_without_expiry_is_a_fault_of_the_join():
    with pytest.raises(ValueError, match="without a reply"):
        one(reply(), None)


def test_expired_says_nothing_when_nothing_is_missing():
    assert outcomes.expired(reply(), reply(arm="better")) is None
