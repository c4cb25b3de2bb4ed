"""Sections of ``shadow.yaml`` about who answers: production, and the arms with their adapters, prices and limits."""

from __future__ import annotations

import hashlib
import json
from typing import Annotated, Any, Final, Literal

from pydantic import Field

from shadow.events import CONTROL, ArmName
from shadow.section import Positive, Rate, Section

EnvName = Annotated[str, Field(pattern=r"^[A-Z][A-Z0-9_]*$")]
MetadataName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,39}$")]


class OpenAIAdapter(Section):
    """An endpoint that speaks OpenAI's chat completions, asked in streaming mode."""

    type: Literal["openai"]
    base_url: Annotated[str, Field(pattern=r"^https?://")]
    model: str
    api_key_env: EnvName | None = Field(None, description="Environment variable that holds this arm's own key.")
    params: dict[str, Any] = Field(default={}, description="Sent with each request; overrides the turn's own.")
    provider: str = Field("openai", description="gen_ai.provider.name of the replies.")


class AnthropicAdapter(Section):
    """An endpoint that speaks Anthropic's messages, asked in streaming mode."""

    type: Literal["anthropic"]
    base_url: Annotated[str, Field(pattern=r"^https?://")] = "https://api.anthropic.com"
    model: str
    api_key_env: EnvName | None = Field(None, description="Environment variable that holds this arm's own key.")
    max_tokens: Annotated[int, Field(ge=1)] = Field(1_024, description="Used where the turn's own params name none.")
    params: dict[str, Any] = Field(default={}, description="Sent with each request; overrides the turn's own.")


class HTTPAdapter(Section):
    """Any HTTP service: the turn is posted as JSON, the reply is JSON."""

    type: Literal["http"]
    url: Annotated[str, Field(pattern=r"^https?://")]
    api_key_env: EnvName | None = Field(None, description="Environment variable with the arm's own bearer token.")
    settings: dict[str, Any] = Field(default={}, description="Sent with each turn, as `settings`.")


class CallableAdapter(Section):
    """A Python coroutine function ``async def answer(turn: Turn) -> Message``, named ``package.module:function``."""

    type: Literal["callable"]
    target: Annotated[str, Field(pattern=r"^[\w.]+:[\w.]+$")]
    settings: dict[str, Any] = Field({})


ADAPTERS: Final[dict[str, type[Section]]] = {
    "openai": OpenAIAdapter,
    "anthropic": AnthropicAdapter,
    "http": HTTPAdapter,
    "callable": CallableAdapter,
}

Adapter = Annotated[OpenAIAdapter | AnthropicAdapter | HTTPAdapter | CallableAdapter, Field(discriminator="type")]


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
    """An arm that turns are mirrored to, and the team that is responsible for it."""

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


def model_of(adapter: Adapter) -> str | None:
    """The model that the adapter names, if it names one."""
    return adapter.model if isinstance(adapter, (OpenAIAdapter, AnthropicAdapter)) else None


def address_of(adapter: Adapter) -> str | None:
    """Where the adapter asks, if not in this process."""
    if isinstance(adapter, CallableAdapter):
        return None
    return adapter.url if isinstance(adapter, HTTPAdapter) else adapter.base_url


def who(adapter: Adapter) -> tuple[str, ...]:
    """Who answers behind an adapter."""
    if isinstance(adapter, CallableAdapter):
        return (adapter.target,)
    place = (address_of(adapter) or "").rstrip("/").lower()
    model = model_of(adapter)
    return (model, place) if model else (place,)
