"""Sections of ``shadow.yaml`` about where things stand: broker, ledger, and each process's ``/metrics``."""

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
