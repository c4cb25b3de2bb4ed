"""One valid event of each kind."""

from __future__ import annotations

from typing import Any, Final

_AT: Final = 1_790_000_000.0
_IDS: Final = {"turn_id": "conv-7:0", "conversation_id": "conv-7"}
_GEN_AI: Final = {
    "gen_ai.provider.name": "openai",
    "gen_ai.request.model": "support-2",
    "gen_ai.response.finish_reasons": ["stop"],
    "gen_ai.usage.input_tokens": 61,
    "gen_ai.usage.output_tokens": 18,
}
_FACTS: Final = {"failures": [], "latency_s": 0.84, "cost_usd": 0.000057, "attempts": 1, "gen_ai": _GEN_AI}

EXAMPLES: Final[dict[str, dict[str, Any]]] = {
    "turn": {
        **_IDS,
        "occurred_at": _AT,
        "messages": [
            {"role": "system", "content": "You are the support assistant of a shop."},
            {"role": "user", "content": "Where is my order AB-10234?"},
        ],
        "params": {"temperature": 0.2},
        "metadata": {"channel": "chat", "tier": "plus"},
        "trace_id": "4bf92f3577b34da6a3ce929d0e0e4736",
    },
    "reply": {
        **_IDS,
        "arm": "better",
        "arm_revision": "5f0c1d9a7e42",
        "occurred_at": _AT + 0.9,
        "message": {"role": "assistant", "content": "Order AB-10234 arrives on Tuesday."},
        "latency_s": 0.84,
        "time_to_first_token_s": 0.21,
        "cost_usd": 0.000057,
        "gen_ai": _GEN_AI,
        "turn_ref": {"partition": 3, "offset": 1841},
    },
    "outcome": {
        "outcome_id": "conv-7:0:solved",
        **_IDS,
        "name": "solved",
        "value": 1.0,
        "occurred_at": _AT + 600,
    },
    "comparison": {
        **_IDS,
        "arm": "better",
        "arm_revision": "5f0c1d9a7e42",
        "turn_index": 0,
        "outcome": "compared",
        "measures": {"semantic": {"value": 0.12}, "lexical": {"abstained": "no_text"}},
        "production": _FACTS,
        "candidate": {**_FACTS, "failures": ["truncated"], "time_to_first_token_s": 0.21},
        "metadata": {"channel": "chat", "tier": "plus"},
        "turn_ref": {"partition": 3, "offset": 1841},
        "turn_arrived_at": _AT + 0.02,
        "production_replied_at": _AT + 1.1,
        "compared_at": _AT + 1.2,
    },
    "decision": {
        "candidate": "better",
        "candidate_revision": "5f0c1d9a7e42",
        "verdict": "HOLD",
        "reasons": ["too few conversations"],
        "experiment": "0d9e7b1c2a34",
        "decided_at": _AT + 3600,
    },
}
