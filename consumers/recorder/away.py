"""Waiting for a part that is away: before there is a client, and with one, which keeps its place in the group."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any, Final

import structlog
from kafka import TopicPartition
from kafka.errors import KafkaError

from consumers.health import Health
from consumers.recorder.client import Client
from shadow.broker import BrokerError, HangsError, SecurityError
from shadow.ledger import LedgerUnavailableError

BACKOFF_S: Final = (0.25, 5.0)
"""First and longest wait between two tries of a part that is away."""

log = structlog.get_logger()


def patiently(part: str, make: Callable[[], Any], stop: threading.Event, health: Health) -> Any:
    """What ``make`` gives, tried until it does; None if ``stop`` was set first. One line per change of state."""
    pause_s, longest_s = BACKOFF_S
    away = False
    while not stop.is_set():
        try:
            made = make()
        except SecurityError:
            raise
        except (LedgerUnavailableError, KafkaError, BrokerError, HangsError) as error:
            if not away:
                log.warning("part_away", part=part, error=str(error))
            away = True
            health.part(part, str(error))
            stop.wait(pause_s)
            pause_s = min(2 * pause_s, longest_s)
        else:
            if away:
                log.info("part_back", part=part)
                health.part(part, None)
            return made
    return None


def rest_until_back(
    part: str,
    client: Client,
    first: dict[TopicPartition, int],
    stop: threading.Event,
    health: Health,
    *,
    error: Exception,
    probe: Callable[[], object],
) -> None:
    """Wind back to the batch's beginning and poll without taking records until ``probe`` returns."""
    log.warning("part_away", part=part, error=str(error))
    health.part(part, str(error))
    client.wind_back(first)
    pause_s, longest_s = BACKOFF_S
    while not stop.is_set():
        _rest(client, pause_s, stop)
        try:
            probe()
        except (BrokerError, LedgerUnavailableError):
            pause_s = min(2 * pause_s, longest_s)
        else:
            log.info("part_back", part=part)
            health.part(part, None)
            break
    client.go_on()


def _rest(client: Client, seconds: float, stop: threading.Event) -> None:
    """Poll for so long; a rebalance may bring partitions that do not rest, whose records are given back."""
    client.rest()
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and not stop.is_set():
        taken = client.poll(int(seconds * 1000))
        client.wind_back({partition: records[0].offset for partition, records in taken.items()})
        client.rest()
