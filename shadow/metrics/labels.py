"""The labels of metrics: each has a closed set of values, or a registry with a bound, and never takes what it likes.

Ids, texts, prompts, model output and error strings are no label values: they go to logs, records and traces.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import Final

from shadow.events import (
    EXPIRED_REASONS,
    FAILURE_KINDS,
    OUTCOME_KINDS,
    SHED_REASONS,
    VERDICTS,
    BrokenRecordError,
)
from shadow.topology import TOPOLOGY

OTHER: Final = "__other__"
"""Takes every value beyond a registry's bound; each such observation is counted."""

ALL: Final = "__all__"
"""The slice that holds every turn."""

CANDIDATES: Final = 17
"""Sixteen candidates and the control arm."""

SLICES: Final = 25
"""Twenty-four slices and :data:`ALL`."""


@dataclass(frozen=True, slots=True)
class Label:
    """A label: ``values`` if its set is closed, else at most ``bound`` values that come from ``source``."""

    name: str
    values: tuple[str, ...] = ()
    bound: int = 0
    source: str = ""

    @property
    def limit(self) -> int:
        """How many values it can have; a bounded registry has :data:`OTHER` besides."""
        return len(self.values) or self.bound + 1


def closed(name: str, *values: str) -> Label:
    """A label whose values are these and no others."""
    return Label(name, values)


def bounded(name: str, bound: int, source: str) -> Label:
    """A label whose first ``bound`` values are taken as they come; ``source`` says whence."""
    return Label(name, bound=bound, source=source)


CANDIDATE: Final = bounded("candidate", CANDIDATES, "the arms of the configuration, `control` included")
SLICE: Final = bounded("slice", SLICES, f"the slices of the configuration, and `{ALL}`")
MEASURE: Final = bounded("measure", 16, "`comparator.measures`")
GUARDRAIL: Final = bounded("guardrail", 16, "the gate's guardrails")
TEAM: Final = bounded("team", CANDIDATES, "`owner` of an arm")
REVISION: Final = bounded("revision", CANDIDATES, "hash of an arm's whole configuration")
PROVIDER: Final = bounded("gen_ai_provider_name", CANDIDATES, "`adapter.provider`, else the adapter's type")
MODEL: Final = bounded("gen_ai_request_model", CANDIDATES, "`adapter.model`")
TOOL: Final = bounded("tool", 20, "names of tools that production offered; any other name is `__other__`")
JUDGED: Final = bounded("verdict", 32, "what the judge prefers, or why it says nothing")
GROUP: Final = bounded("group", 2, "this process's consumer group")
PARTITION: Final = bounded("partition", 1_000, "partitions that this process owns")
VERSION: Final = bounded("version", 1, "Shadow's version")
PROCESS: Final = bounded("process", 1, "`recorder`, `comparator`, `mirror.ARM`, `judge`, `gate`")
METRIC: Final = bounded("metric", 64, "this catalogue")
OVERFLOWN: Final = bounded("label", 32, "this catalogue")

TOPIC: Final = closed("topic", *(topic.name for topic in TOPOLOGY))
ROLE: Final = closed("role", "control", "candidate")
TOKEN_TYPE: Final = closed("gen_ai_token_type", "input", "output")
ATTEMPT: Final = closed("outcome", "ok", *FAILURE_KINDS)
OUTCOME: Final = closed("outcome", *OUTCOME_KINDS)
REASON: Final = closed("reason", "", *FAILURE_KINDS, *SHED_REASONS, *EXPIRED_REASONS)
LETTER: Final = closed("reason", *BrokenRecordError.REASONS)
DROP: Final = closed(
    "reason", "queue_full", "too_large", "invalid", "not_redacted", "unsure", "delivery_failed", "closed"
)
KIND: Final = closed("kind", *FAILURE_KINDS)
MIRRORED: Final = closed("result", "sampled_out", "out_of_scope", "duplicate", "malformed", "sent", "shed")
READ: Final = closed(
    "result", "accepted", "duplicate", "late", "conflict", "unmatched", "unexpected", "malformed"
)  # fmt: skip
STORED: Final = closed("result", "stored", "duplicate")
STAGE: Final = closed("stage", "ask", "join", "compare", "deliver")
PASSED: Final = closed("result", "ok", "error")
CHECKED: Final = closed("verdict", "agree", "between", "diverge")
VERDICT: Final = closed("verdict", *VERDICTS)
DECISION: Final = closed("decision", *VERDICTS)
SEVERITY: Final = closed("severity", "critical", "major", "minor")

ENDINGS: Final[tuple[tuple[str, str], ...]] = (
    ("compared", ""),
    *product(("candidate_failed", "production_failed", "both_failed"), FAILURE_KINDS),
    *product(("shed",), SHED_REASONS),
    *product(("expired",), EXPIRED_REASONS),
)
"""Every outcome with every reason that it can have."""
