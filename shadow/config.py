"""``shadow.yaml``: one file says which arms there are, what they may cost, and where broker and ledger stand.

Secrets never stand in it: an adapter names the environment variable that holds its key. ``SHADOW_BROKER_URL`` and
``SHADOW_LEDGER_URL`` override the file. An arm's revision is the hash of its whole configuration.
"""

from __future__ import annotations

import difflib
import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from shadow.events import CONTROL, PRODUCTION, ArmName
from shadow.thresholds import DEFAULTS, PREFIX_MEASURES, Threshold

ENV_CONFIG: Final = "SHADOW_CONFIG"
ENV_BROKER_URL: Final = "SHADOW_BROKER_URL"
ENV_LEDGER_URL: Final = "SHADOW_LEDGER_URL"

DEFAULT_PATH: Final = "shadow.yaml"
EMBEDDED_BROKER: Final = "embedded"
"""The broker url that makes ``shadow up`` start the embedded broker itself."""

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Rate = Annotated[float, Field(ge=0, le=1)]
EnvName = Annotated[str, Field(pattern=r"^[A-Z][A-Z0-9_]*$")]
MetadataName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,39}$")]


class ConfigError(ValueError):
    """A configuration that cannot be used. ``problems`` holds one line each: file, line, field, what, fix."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


class Section(BaseModel):
    """Base of every part of the file: immutable, and a field it does not know is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class OpenAIAdapter(Section):
    """An endpoint that speaks OpenAI's chat completions, asked in streaming mode."""

    type: Literal["openai"]
    base_url: Annotated[str, Field(pattern=r"^https?://")]
    model: str
    api_key_env: EnvName | None = Field(None, description="Environment variable that holds this arm's own key.")
    params: dict[str, Any] = Field(default={}, description="Sent with each request, over the turn's own.")
    provider: str = Field("openai", description="gen_ai.provider.name of the replies.")


class CallableAdapter(Section):
    """A Python coroutine function ``async def answer(turn: Turn) -> Message``, named ``package.module:function``."""

    type: Literal["callable"]
    target: Annotated[str, Field(pattern=r"^[\w.]+:[\w.]+$")]
    settings: dict[str, Any] = {}


Adapter = Annotated[OpenAIAdapter | CallableAdapter, Field(discriminator="type")]


class Price(Section):
    """What an arm's tokens cost, in US dollars per million."""

    input_usd_per_million: Annotated[float, Field(ge=0)] = 0.0
    output_usd_per_million: Annotated[float, Field(ge=0)] = 0.0


class Limits(Section):
    """What the mirror may do to an arm. Everything is bounded."""

    max_in_flight: Annotated[int, Field(ge=1, le=10_000)] = 16
    timeout_s: Positive = Field(30.0, description="One attempt, until the reply's last byte.")
    max_age_s: Positive = Field(60.0, description="A turn older than this is shed.")
    attempts: Annotated[int, Field(ge=1, le=10)] = Field(3, description="Calls per turn, retries included.")
    deadline_s: Positive = Field(90.0, description="All attempts of one turn together, waiting included.")
    backoff_s: Positive = Field(0.5, description="First wait between attempts; doubles, with full jitter.")
    requests_per_s: Positive | None = None
    usd_per_day: Positive | None = Field(None, description="UTC day; spent: turns are shed until midnight UTC.")
    max_turn_bytes: Annotated[int, Field(ge=1_000)] = Field(500_000, description="A larger turn is shed.")
    max_reply_bytes: Annotated[int, Field(ge=1_000)] = Field(200_000, description="A longer reply is cut, and fails.")
    breaker_failures: Annotated[int, Field(ge=1)] = Field(10, description="Failures in a row that open the breaker.")
    breaker_probe_s: Positive = Field(10.0, description="An open breaker lets one probe through this often.")


class Sampling(Section):
    """Which conversations an arm sees: deterministic by hash, so whole conversations are in or out.

    Arms with the same salt see nested sets: what a control at 0.25 answers, a candidate at 1.0 answers too.
    """

    rate: Rate = 1.0
    salt: str = ""


class Arm(Section):
    """Whom turns are mirrored to, and who answers for it."""

    name: ArmName
    owner: Annotated[str, Field(min_length=1, max_length=40)]
    adapter: Adapter
    price: Price = Price()
    sampling: Sampling = Sampling()
    scope: dict[MetadataName, list[str]] = Field(
        default={}, description="Turn metadata that must match: field to values; every named field must."
    )
    limits: Limits = Limits()
    tools: Literal["record", "strip"] = Field("record", description="strip: tools are not offered to this arm.")

    @property
    def revision(self) -> str:
        """Hash of the arm's whole configuration: 12 hexadecimal digits. Any change makes another revision."""
        canonical = json.dumps(self.model_dump(mode="json"), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()[:12]


class Control(Arm):
    """Production's model asked again in shadow: the noise floor."""

    name: Literal["control"] = CONTROL


class Production(Section):
    """Who answers the customer."""

    owner: Annotated[str, Field(min_length=1, max_length=40)]
    model: str


class Comparator(Section):
    """How replies are joined to turns, and how they are judged."""

    join_window_s: Positive = Field(180.0, description="A turn's missing replies expire this long after its arrival.")
    max_waiting_turns: Annotated[int, Field(ge=100)] = Field(
        150_000, description="Turns that one worker keeps waiting; then it reads no further turns for a while."
    )
    measures: list[str] = Field(
        default=["semantic", "lexical", "facts", "action", "escalation", "length", "language"], min_length=1
    )
    thresholds: dict[str, Threshold] = Field(
        default={}, description="Measure to `{agree, diverge}`: alike at most there, apart above. Over the defaults."
    )
    prefix_measures: list[str] = Field(
        default=list(PREFIX_MEASURES),
        description="Measures that end an arm's part in a conversation where one is above its `diverge`.",
    )

    @property
    def effective_thresholds(self) -> dict[str, Threshold]:
        """The thresholds of the measures in use; an outsider's measure has none unless they are given."""
        known = {**DEFAULTS, **self.thresholds}
        return {name: known[name] for name in self.measures if name in known}

    @property
    def limits(self) -> dict[str, float]:
        """``diverge`` of each measure in use that decides whether the customer could have gone on."""
        known = self.effective_thresholds
        return {name: known[name].diverge for name in self.prefix_measures if name in known}

    @model_validator(mode="after")
    def _measures_are_in_use(self) -> Self:
        for name in self.thresholds:
            if name not in self.measures:
                raise ValueError(f"thresholds names {name!r}, which is not among the measures; {self._instead(name)}")
        if self.prefix_measures == list(PREFIX_MEASURES):  # those of them that are in use
            return self
        for name in self.prefix_measures:
            if name not in self.measures:
                raise ValueError(
                    f"prefix_measures names {name!r}, which is not among the measures; {self._instead(name)}"
                )
            if name not in self.effective_thresholds:
                raise ValueError(
                    f"prefix_measures names {name!r}, which has no thresholds; add thresholds.{name}: "
                    f"{{agree: ..., diverge: ...}}"
                )
        return self

    def _instead(self, name: str) -> str:
        near = [] if name in DEFAULTS else difflib.get_close_matches(name, self.measures, n=1)
        return f"did you mean {near[0]!r}?" if near else f"add it to comparator.measures ({', '.join(self.measures)})"


class Slices(Section):
    """Turn properties that verdicts are split by: 24 at most, all values together."""

    use: list[str] = Field(
        default=["depth", "tone_shift", "language", "long_context", "tool_use", "edge_input", "edge_kind"],
        description="Slicers in use, by entry-point name. The default ones have 19 slices, `edge_kind` 6 of them.",
    )
    metadata: dict[MetadataName, list[str]] = Field(
        default={}, description="Closed metadata fields and their values; a value that is not named is FIELD=other."
    )


class Gate(Section):
    """When a candidate may be promoted."""

    alpha: Annotated[float, Field(gt=0, lt=0.5)] = 0.05


class Broker(Section):
    """Where Kafka stands. ``embedded``: ``shadow up`` starts one itself (memory only)."""

    url: Annotated[str, Field(min_length=1)] = EMBEDDED_BROKER
    port: Annotated[int, Field(ge=1, le=65_535)] = Field(29092, description="Port of the embedded broker.")
    partitions: Annotated[int, Field(ge=1, le=1_000)] = 6
    replication: Annotated[int, Field(ge=1, le=9)] = 1

    @property
    def embedded(self) -> bool:
        """Whether the broker is the one that ``shadow up`` starts."""
        return self.url == EMBEDDED_BROKER

    @property
    def bootstrap(self) -> list[str]:
        """Addresses for Kafka clients, ``host:port``."""
        return [f"127.0.0.1:{self.port}"] if self.embedded else [part.strip() for part in self.url.split(",")]


class Ledger(Section):
    """Where comparisons are stored: ``sqlite:///path`` or ``postgresql://...``."""

    url: Annotated[str, Field(pattern=r"^(sqlite:///.|postgresql(\+psycopg)?://.)")] = "sqlite:///.shadow/ledger.db"


class Metrics(Section):
    """Where each process serves ``/metrics``: ``port`` is the first one's, the next take the numbers after it."""

    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=1, le=65_000)] = 29100


class Config(Section):
    """The whole file."""

    version: Literal[1]
    production: Production
    control: Control | None = None
    candidates: list[Arm] = []
    comparator: Comparator = Comparator()
    slices: Slices = Slices()
    gate: Gate = Gate()
    broker: Broker = Broker()
    ledger: Ledger = Ledger()
    metrics: Metrics = Metrics()

    @property
    def arms(self) -> tuple[Arm, ...]:
        """Everyone that turns are mirrored to: the control arm first, if there is one, then the candidates."""
        return ((self.control,) if self.control else ()) + tuple(self.candidates)

    def arm(self, name: str) -> Arm:
        """The arm of that name. Raises :class:`ConfigError` naming the known ones."""
        for arm in self.arms:
            if arm.name == name:
                return arm
        raise ConfigError([f"no arm is called {name!r}; the configuration has: {', '.join(a.name for a in self.arms)}"])

    @field_validator("candidates")
    @classmethod
    def _names(cls, candidates: list[Arm]) -> list[Arm]:
        seen: set[str] = {PRODUCTION, CONTROL}
        for arm in candidates:
            if arm.name in seen:
                raise ValueError(f"{arm.name!r} is taken; give each candidate a name of its own")
            seen.add(arm.name)
        return candidates

    @model_validator(mode="after")
    def _times_fit(self) -> Self:
        for arm in self.arms:
            needed = arm.limits.max_age_s + arm.limits.deadline_s
            if needed >= self.comparator.join_window_s:
                raise ValueError(
                    f"arm {arm.name!r} may answer up to {needed:g} s after a turn's arrival (limits.max_age_s + "
                    f"limits.deadline_s), but comparator.join_window_s is {self.comparator.join_window_s:g}: "
                    f"raise join_window_s above {needed:g}, or lower the limits"
                )
        return self


def load(path: str | Path | None = None, *, environ: Mapping[str, str]) -> Config:
    """The configuration in ``path``, else in ``$SHADOW_CONFIG``, else in ``shadow.yaml``; overrides applied.

    Raises :class:`ConfigError` with one line per problem.
    """
    file = Path(path or environ.get(ENV_CONFIG) or DEFAULT_PATH)
    try:
        text = file.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(
            [f"{file}: cannot be read ({error.strerror}); name a file with --config or ${ENV_CONFIG}"]
        ) from None
    return override(parse(text, str(file)), environ)


def override(config: Config, environ: Mapping[str, str]) -> Config:
    """``config`` with broker and ledger urls from the environment, where they are set."""
    for variable, section in ((ENV_BROKER_URL, "broker"), (ENV_LEDGER_URL, "ledger")):
        if url := environ.get(variable):
            part = {**getattr(config, section).model_dump(), "url": url}
            try:
                config = Config.model_validate({**config.model_dump(), section: part})
            except ValidationError as error:
                raise ConfigError([f"${variable}={url!r}: {error.errors()[0]['msg']}"]) from None
    return config


def parse(text: str, name: str) -> Config:
    """The configuration in ``text``; ``name`` is the file's name in errors. Raises :class:`ConfigError`."""
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        data = yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = mark.line + 1 if mark else 1
        raise ConfigError([f"{name}:{line}: not YAML: {getattr(error, 'problem', error)}"]) from None
    if not isinstance(data, dict):
        raise ConfigError([f"{name}:1: the file must hold fields such as 'version: 1' and 'production:'"])
    try:
        return Config.model_validate(data)
    except ValidationError as error:
        raise ConfigError([_problem(name, node, dict(item)) for item in error.errors()]) from None


def _problem(name: str, node: yaml.Node | None, error: dict[str, Any]) -> str:
    loc = tuple(part for part in error["loc"] if part not in ("openai", "callable"))
    missing = error["type"] == "missing"
    field = ".".join(str(part) for part in loc) or "(file)"
    line = _line(node, loc[:-1] if missing else loc)
    return f"{name}:{line}: {field}: {_what(error)}"


def _what(error: dict[str, Any]) -> str:
    kind, loc = error["type"], error["loc"]
    if kind == "missing":
        return "is missing; add it"
    if kind == "extra_forbidden":
        known = _known_fields(loc)
        near = difflib.get_close_matches(str(loc[-1]), known, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"known fields: {', '.join(known)}"
        return f"is not a known field; {hint}"
    if kind in ("union_tag_invalid", "union_tag_not_found"):
        return "type must be 'openai' or 'callable'"
    message = str(error["msg"]).removeprefix("Value error, ")
    shown = error.get("input")
    return message if isinstance(shown, (dict, list)) else f"{message}, not {shown!r}"


def _known_fields(loc: Iterable[int | str]) -> list[str]:
    """The fields of the section that ``loc`` points into."""
    known: dict[str, type[BaseModel]] = {
        "thresholds": Threshold,
        "candidates": Arm,
        "control": Control,
        "openai": OpenAIAdapter,
        "callable": CallableAdapter,
    }
    known |= {"production": Production, "comparator": Comparator, "slices": Slices, "gate": Gate, "broker": Broker}
    known |= {"ledger": Ledger, "metrics": Metrics, "limits": Limits, "sampling": Sampling, "price": Price}
    section: type[BaseModel] = Config
    for part in list(loc)[:-1]:
        section = known.get(str(part), section)
    return list(section.model_fields)


def _line(node: yaml.Node | None, loc: tuple[int | str, ...]) -> int:
    """The 1-based line where ``loc`` stands, or that of its nearest parent that stands in the file."""
    line = 1
    for part in loc:
        if isinstance(node, yaml.MappingNode):
            found = next(((k, v) for k, v in node.value if k.value == str(part)), None)
            if found is None:
                break
            line, node = found[0].start_mark.line + 1, found[1]
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
            node = node.value[part]
            line = node.start_mark.line + 1
        else:
            break
    return line
