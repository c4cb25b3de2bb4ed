"""A record of the wire as a row of the ledger, and why one cannot be stored. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import orjson

from shadow.events import ArmFacts, Comparison, GenAI, Outcome

LARGEST: Final = 2**53
"""Numbers beyond it are no measurement, and not every reader of JSON holds them exactly."""

_NO_FACTS: Final = ArmFacts()
_NO_GEN_AI: Final = GenAI()

Values = dict[str, Any]


def comparison_row(comparison: Comparison, payload: bytes | None, recorded_at: float) -> Values:
    """The row of ``comparison``; ``payload`` is its wire form, made anew if None."""
    production, candidate = comparison.production or _NO_FACTS, comparison.candidate or _NO_FACTS
    used, uses = production.gen_ai or _NO_GEN_AI, candidate.gen_ai or _NO_GEN_AI
    scores = sorted((name, score.value) for name, score in comparison.measures.items() if score.value is not None)
    return {
        "turn_id": comparison.turn_id,
        "arm": comparison.arm,
        "arm_revision": comparison.arm_revision,
        "conversation_id": comparison.conversation_id,
        "turn_index": comparison.turn_index,
        "outcome": comparison.outcome,
        "reason": comparison.reason,
        "turn_partition": comparison.turn_ref.partition,
        "turn_offset": comparison.turn_ref.offset,
        "turn_arrived_at": comparison.turn_arrived_at,
        "production_replied_at": comparison.production_replied_at,
        "compared_at": comparison.compared_at,
        "recorded_at": recorded_at,
        "production_latency_s": production.latency_s,
        "candidate_latency_s": candidate.latency_s,
        "candidate_ttft_s": candidate.time_to_first_token_s,
        "production_cost_usd": production.cost_usd,
        "candidate_cost_usd": candidate.cost_usd,
        "production_input_tokens": used.input_tokens,
        "production_output_tokens": used.output_tokens,
        "candidate_input_tokens": uses.input_tokens,
        "candidate_output_tokens": uses.output_tokens,
        "measures": _json([name for name, _ in scores]),
        "scores": _json([value for _, value in scores]),
        "failures": _json(candidate.failures),
        "production_failures": _json(production.failures),
        "agreed": None if comparison.agreed is None else int(comparison.agreed),
        "slices": _json(comparison.slices),
        "evaluator_revision": comparison.evaluator_revision or None,
        "payload": _text(comparison, payload),
    }


def outcome_row(outcome: Outcome, payload: bytes | None, recorded_at: float) -> Values:
    """The row of ``outcome``; ``payload`` is its wire form, made anew if None."""
    text = outcome.value if isinstance(outcome.value, str) else None
    return {
        "outcome_id": outcome.outcome_id,
        "turn_id": outcome.turn_id,
        "conversation_id": outcome.conversation_id,
        "arm": outcome.arm,
        "name": outcome.name,
        "value_number": None if isinstance(outcome.value, str) else outcome.value,
        "value_text": text,
        "occurred_at": outcome.occurred_at,
        "recorded_at": recorded_at,
        "payload": _text(outcome, payload),
    }


def unstorable(values: Values) -> str | None:
    """Why no database can hold this row (a column's value), or None if it can: NUL in text, numbers out of range."""
    for column, value in values.items():
        if isinstance(value, str):
            if "\0" in value:
                return f"{column}: holds a NUL character"
        elif value is not None and not -LARGEST <= value <= LARGEST:  # NaN is not within either
            return f"{column}: {value!r:.40} is not within +-2**53"
    return None


def _json(values: Sequence[Any]) -> str | None:
    return orjson.dumps(values).decode() if values else None


def _text(record: Comparison | Outcome, payload: bytes | None) -> str:
    if payload is not None:
        try:
            return payload.decode()
        except UnicodeDecodeError:  # in a field that this version does not know, so it was not looked at
            pass
    return record.to_json().decode()
