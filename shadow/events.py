"""The records that travel through Shadow, as they stand on the wire.

One JSON object per Kafka record, keyed by ``conversation_id``. Five kinds: :class:`Turn`, :class:`Reply`,
:class:`Outcome`, :class:`Comparison`, :class:`Decision`. ``schema_version`` is ``MAJOR.MINOR``: a reader takes any
minor version of its own major (fields it does not know are dropped) and refuses another major.

Identities: ``turn_id`` names a turn for ever; ``(turn_id, arm, arm_revision)`` names a comparison.
"""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Final, Literal, Self, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from shadow.identity import ID_MAX, ID_PATTERN

SCHEMA_VERSION: Final = "1.0"

PRODUCTION: Final = "production"
CONTROL: Final = "control"

FailureKind = Literal[
    "timeout",
    "provider_error",
    "rate_limited",
    "empty",
    "truncated",
    "refusal",
    "malformed",
    "unknown_tool",
    "pii_leak",
    "ungrounded_fact",
    "claimed_action",
    "language_mismatch",
    "prompt_leak",
    "repetition",
]
"""What an arm can do wrong: a closed set, also a metric label."""

ShedReason = Literal["budget", "breaker", "too_old", "paused", "too_large"]
"""Why the mirror did not hand a sampled turn to an arm."""

ExpiredReason = Literal["production_reply", "arm_reply"]
"""Which reply had not come when the join window closed."""

OutcomeKind = Literal["compared", "candidate_failed", "production_failed", "both_failed", "shed", "expired"]
"""How a sampled (turn, arm) ends: exactly one of these."""

Verdict = Literal["PROMOTE", "HOLD", "REJECT"]

FAILURE_KINDS: Final[tuple[str, ...]] = get_args(FailureKind)
SHED_REASONS: Final[tuple[str, ...]] = get_args(ShedReason)
EXPIRED_REASONS: Final[tuple[str, ...]] = get_args(ExpiredReason)
OUTCOME_KINDS: Final[tuple[str, ...]] = get_args(OutcomeKind)
VERDICTS: Final[tuple[str, ...]] = get_args(Verdict)

EARLIEST_CLOCK_S: Final = 978_307_200.0  # 2001-01-01: before it, a clock was never set
LATEST_CLOCK_S: Final = 4_102_444_800.0  # 2100-01-01
CLOCK_SKEW_S: Final = 86_400.0


Id = Annotated[str, Field(max_length=ID_MAX, pattern=f"^{ID_PATTERN.pattern}$")]
"""A turn, conversation or record identity; see :data:`shadow.identity.ID_PATTERN`."""

Version = Annotated[str, Field(pattern=rf"^{SCHEMA_VERSION.partition('.')[0]}\.[0-9]{{1,4}}$")]
"""A version that this reader understands: any minor one of its own major."""

ArmName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,39}$")]
"""Who answers: ``production``, ``control`` or a candidate; also a metric label and part of a consumer group's name."""

SliceName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,39}(=[A-Za-z0-9_.:+-]{1,40})?$")]
"""A slice: ``tone_shift``, or one value of a closed set such as ``language=de``; also a metric label."""

UnixSeconds = Annotated[float, Field(ge=EARLIEST_CLOCK_S, lt=LATEST_CLOCK_S)]
"""Wall-clock time, Unix seconds (UTC), of the process that measured it; between the years 2001 and 2100."""

LARGEST: Final = 2**53
"""Numbers beyond it are no measurement, and no ledger takes them: a record that holds one is broken when it arrives."""

Seconds = Annotated[float, Field(ge=0, le=LARGEST, allow_inf_nan=False)]
"""A duration from a monotonic clock."""

Ratio = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=0, le=LARGEST)]
Dollars = Annotated[float, Field(ge=0, le=LARGEST, allow_inf_nan=False)]


class Record(BaseModel):
    """Base of everything on the wire: immutable; fields of a newer minor version are ignored."""

    model_config = ConfigDict(frozen=True, extra="ignore", populate_by_name=True)

    @classmethod
    def trusted(cls, **fields: Any) -> Self:
        """An instance of fields that are known to be right: every field must be given; nothing is checked.

        A fifth of the cost of ``model_construct``, which looks at each field for a default. For the comparator, whose
        parts have all been validated or computed.
        """
        made = cls.__new__(cls)
        object.__setattr__(made, "__dict__", fields)
        object.__setattr__(made, "__pydantic_fields_set__", fields.keys())
        object.__setattr__(made, "__pydantic_extra__", None)
        object.__setattr__(made, "__pydantic_private__", None)
        return made

    def to_json(self) -> bytes:
        """The wire form: compact UTF-8 JSON without unset optional fields."""
        return self.__pydantic_serializer__.to_json(self, by_alias=True, exclude_none=True)


class Event(Record):
    """A record that stands on a topic of its own."""

    schema_version: Version = SCHEMA_VERSION


class FunctionCall(Record):
    """The function that a tool call names; ``arguments`` is JSON text as the model wrote it, possibly broken."""

    name: str
    arguments: str = "{}"


class ToolCall(Record):
    """One tool call in OpenAI chat format."""

    id: str | None = None
    type: Literal["function"] = "function"
    function: FunctionCall


class Message(Record):
    """One message in OpenAI chat format."""

    role: Literal["system", "developer", "user", "assistant", "tool"]
    content: str | list[dict[str, Any]] | None = Field(None, union_mode="left_to_right")
    name: str | None = None
    tool_calls: list[ToolCall] | None = None
    tool_call_id: str | None = None

    @property
    def text(self) -> str:
        """The message's text; of multi-part content the text parts, joined by line breaks; ``""`` if there is none."""
        if self.content is None or isinstance(self.content, str):
            return self.content or ""
        parts = (part.get("text") for part in self.content if part.get("type") == "text")
        return "\n".join(part for part in parts if isinstance(part, str))


class GenAI(Record):
    """The OpenTelemetry GenAI attributes of a model call, under their own names on the wire."""

    provider_name: str | None = Field(None, alias="gen_ai.provider.name")
    request_model: str | None = Field(None, alias="gen_ai.request.model")
    response_model: str | None = Field(None, alias="gen_ai.response.model")
    response_id: str | None = Field(None, alias="gen_ai.response.id")
    finish_reasons: list[str] | None = Field(None, alias="gen_ai.response.finish_reasons")
    input_tokens: Count | None = Field(None, alias="gen_ai.usage.input_tokens")
    output_tokens: Count | None = Field(None, alias="gen_ai.usage.output_tokens")


class Turn(Event):
    """One customer message plus all that production's model was given to answer it."""

    type: Literal["turn"] = "turn"
    turn_id: Id
    conversation_id: Id
    turn_index: Count = Field(0, description="How many customer turns came before this one in the conversation.")
    occurred_at: UnixSeconds
    messages: list[Message] = Field(min_length=1, description="System prompt, history and the customer's message.")
    tools: list[dict[str, Any]] = Field(default=[], description="Tools offered, in OpenAI format. Never executed.")
    response_format: dict[str, Any] | None = Field(None, description="Declared reply format, in OpenAI format.")
    params: dict[str, Any] = Field(default={}, description="Sampling parameters, such as temperature and max_tokens.")
    metadata: dict[str, str] = Field(default={}, max_length=32, description="Closed fields: channel, tier, intent, ...")
    gen_ai: GenAI | None = None
    trace_id: str | None = Field(None, pattern=r"^[0-9a-f]{32}$", description="W3C trace id of the production request.")


class Failure(Record):
    """What went wrong with a reply; ``detail`` is for people and never a label."""

    kind: FailureKind
    detail: str = ""


class RecordRef(Record):
    """Where a record lies in the broker."""

    partition: Count
    offset: Count


class Reply(Event):
    """What an arm answered to a turn, or why it did not: exactly one of ``message``, ``failure``, ``shed``."""

    type: Literal["reply"] = "reply"
    turn_id: Id
    conversation_id: Id
    arm: ArmName = PRODUCTION
    arm_revision: str = Field(
        "", max_length=64, pattern=r"^[!-~]*$", description="Hash of the arm's whole configuration."
    )
    occurred_at: UnixSeconds = Field(description="When the reply was complete.")
    message: Message | None = None
    failure: Failure | None = None
    shed: ShedReason | None = None
    latency_s: Seconds | None = None
    time_to_first_token_s: Seconds | None = None
    cost_usd: Dollars | None = None
    attempts: Count = Field(1, description="Calls made, retries included; 0 if the turn was shed.")
    gen_ai: GenAI | None = None
    turn_ref: RecordRef | None = Field(None, description="The turn's record, from an arm's mirror.")

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        if (self.message is not None) + (self.failure is not None) + (self.shed is not None) != 1:
            raise ValueError("a reply has exactly one of message, failure, shed")
        return self


class Outcome(Event):
    """What became of a turn, known later: solved, rated, escalated, correct, judged."""

    type: Literal["outcome"] = "outcome"
    outcome_id: Id
    turn_id: Id
    conversation_id: Id
    arm: ArmName = PRODUCTION
    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,39}$")]
    value: float | str
    occurred_at: UnixSeconds
    arm_revision: str | None = Field(
        None, max_length=64, pattern=r"^[!-~]*$", description="Of that arm, if it matters."
    )
    cost_usd: Dollars | None = Field(None, description="What it took to know it.")
    detail: str | None = Field(None, max_length=500, description="For people; never a label.")


class Score(Record):
    """One measure's result: a value in 0..1, or the reason why it abstained. No score is not zero."""

    value: Ratio | None = None
    abstained: str | None = None


class ArmFacts(Record):
    """What one side of a comparison did, apart from its words."""

    failures: list[FailureKind] = []
    causes: dict[FailureKind, str] = Field(default={}, description="Each failure's cause, for people; never a label.")
    abstained: list[str] = Field(default=[], description="Failure detectors that broke on this reply.")
    latency_s: Seconds | None = None
    time_to_first_token_s: Seconds | None = None
    cost_usd: Dollars | None = None
    attempts: Count | None = None
    gen_ai: GenAI | None = None


class Comparison(Event):
    """The measured pair (production reply, arm reply) of one sampled turn: one record per (turn, arm)."""

    type: Literal["comparison"] = "comparison"
    turn_id: Id
    conversation_id: Id
    arm: ArmName
    arm_revision: str
    turn_index: Count
    outcome: OutcomeKind
    reason: FailureKind | ShedReason | ExpiredReason | None = Field(
        None, description="Kind of failure, reason of shedding, or the reply that never came."
    )
    measures: dict[str, Score] = {}
    agreed: bool | None = Field(
        None, description="Whether the customer could have gone on as he did; None: nothing to compare."
    )
    slices: list[SliceName] = Field(default=[], description="What the turn is, seen from the customer's side; sorted.")
    production: ArmFacts | None = None
    candidate: ArmFacts | None = None
    metadata: dict[str, str] = {}
    turn_ref: RecordRef
    production_ref: RecordRef | None = Field(None, description="Production's reply, on `support.replies`.")
    candidate_ref: RecordRef | None = Field(None, description="The arm's reply, on `shadow.replies`.")
    turn_arrived_at: UnixSeconds = Field(description="Broker timestamp of the turn's record.")
    production_replied_at: UnixSeconds | None = None
    compared_at: UnixSeconds
    evaluator_revision: str = Field(
        "", max_length=64, pattern=r"^[!-~]*$", description="Hash of how it was judged: plug-ins, settings, thresholds."
    )

    @property
    def key(self) -> tuple[str, str, str]:
        """The comparison's identity: ``(turn_id, arm, arm_revision)``."""
        return (self.turn_id, self.arm, self.arm_revision)


class Decision(Event):
    """What the gate said of a candidate at an instant."""

    type: Literal["decision"] = "decision"
    candidate: ArmName
    candidate_revision: str
    verdict: Verdict
    reasons: list[str]
    experiment: str = Field(
        description="Hash of gate settings, join window and all revisions: another one is another experiment."
    )
    decided_at: UnixSeconds


EVENTS: Final[dict[str, type[Event]]] = {
    "turn": Turn,
    "reply": Reply,
    "outcome": Outcome,
    "comparison": Comparison,
    "decision": Decision,
}


E = TypeVar("E", bound=Event)


class BrokenRecordError(ValueError):
    """A record that is not the event its topic holds. ``reason`` is a closed set, ``detail`` is for people."""

    REASONS: ClassVar[tuple[str, ...]] = ("not_json", "invalid", "unknown_version", "key_mismatch", "conflict")

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail


def decode(event: type[E], value: bytes | None, key: bytes | None, *, arrived_s: float | None = None) -> E:
    """The event that a record holds; ``arrived_s`` is the broker's time of the record.

    Raises :class:`BrokenRecordError` if the value is no such event, if the key is not its conversation id (the record
    would then lie on another partition than the rest of its conversation), or if it is dated more than a day after it
    arrived. An old date is no fault: a record may have waited, or been mended and sent again.
    """
    try:
        record: E = event.__pydantic_validator__.validate_json(value or b"")
    except ValidationError as error:
        raise _broken(error) from None
    fields = record.__dict__
    conversation_id = fields.get("conversation_id")
    if conversation_id is not None and (key is None or key != conversation_id.encode()):
        raise BrokenRecordError("key_mismatch", f"record key {key!r:.80} is not conversation_id {conversation_id!r}")
    if arrived_s is not None and fields.get("occurred_at", 0.0) > arrived_s + CLOCK_SKEW_S:
        raise BrokenRecordError("invalid", "occurred_at: more than a day after it reached the broker; set the clock")
    return record


def _broken(error: ValidationError) -> BrokenRecordError:
    first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    field = ".".join(str(part) for part in first["loc"])
    reason = {"json_invalid": "not_json"}.get(first["type"], "invalid")
    message = first["msg"]
    if field == "schema_version":
        reason = "unknown_version"
        message = f"this reader knows {SCHEMA_VERSION}: upgrade it, or write a version that it knows as MAJOR.MINOR"
    elif first["type"] == "string_pattern_mismatch" and field.endswith("_id"):
        message = "not a valid id: use 1-200 of A-Z a-z 0-9 _ . : # @ + = ~ / - and no '..'"
    detail = f"{field}: {message}" if field else message
    return BrokenRecordError(reason, detail[:500])
