"""Sections of ``shadow.yaml`` about where things stand: broker, ledger, each process's ``/metrics``, the console."""

from __future__ import annotations

from typing import Annotated, Final

from pydantic import Field

from shadow.section import Section

EMBEDDED_BROKER: Final = "embedded"
"""The broker url that makes ``shadow up`` start the embedded broker itself."""


class Broker(Section):
    """Where Kafka is. ``embedded``: ``shadow up`` starts one itself (memory only)."""

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
    gate_port: Annotated[int, Field(ge=1, le=65_535)] = Field(29099, description="Port of the verdicts, `/gate/NAME`.")


HostName = Annotated[str, Field(pattern=r"^[A-Za-z0-9.-]+$")]
"""Without a port."""


class Console(Section):
    """The pages of `shadow console`. It has no login of its own: who reaches it reads what customers wrote."""

    host: str = Field(
        "127.0.0.1", description="Address to listen on. Beyond this machine: behind your own login alone."
    )
    port: Annotated[int, Field(ge=1, le=65_535)] = 29098
    public_url: Annotated[str, Field(pattern=r"^https?://[A-Za-z0-9.-]+(:[0-9]+)?(/[!-~]*)?$")] | None = Field(
        None, description="Where people reach it through your proxy; requests to its host are answered."
    )
    hosts: list[HostName] = Field([], description="More host names that requests may name. All others are refused.")
    up: bool = Field(default=False, description="Whether `shadow up` starts it.")

    @property
    def answered_hosts(self) -> frozenset[str]:
        """Every host that a request may name, in lower case: another one is a page that plays this one's address."""
        public = (self.public_url or "").partition("://")[2].partition("/")[0].partition(":")[0]
        named = ("127.0.0.1", "localhost", "::1", *self.hosts, *([public] if public else ()))
        return frozenset(each.lower() for each in named)
