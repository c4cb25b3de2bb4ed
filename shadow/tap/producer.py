"""The Kafka client that the Tap sends with: its settings, and how it is made, closed and given up."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from kafka import KafkaProducer

PRODUCER: Final[dict[str, Any]] = {
    "acks": "all",
    "enable_idempotence": True,
    "linger_ms": 5,
    "batch_size": 65_536,
    "allow_auto_create_topics": False,  # partition counts are the topology's, not the broker's default
    "max_block_ms": 500,
    "bootstrap_timeout_ms": 5_000,
    "request_timeout_ms": 15_000,
    "delivery_timeout_ms": 60_000,
    "reconnect_backoff_ms": 100,
    "reconnect_backoff_max_ms": 2_000,
    "metrics_enabled": False,
}


def made(settings: Mapping[str, Any]) -> Any:
    """A producer that is connected. Raises whatever kafka-python raises if no broker answers."""
    producer = KafkaProducer(**settings)
    unregister_exit = getattr(producer, "_unregister_cleanup", None)
    if unregister_exit:
        unregister_exit()  # the Tap closes it at exit, after sending what waits
    return producer


def ended(producer: Any, timeout_s: float) -> None:
    """Close a producer for good: what it could not deliver fails now, so that nothing of it arrives later."""
    try:
        producer.close(timeout=timeout_s)
    except Exception:  # noqa: BLE001 - kafka-python leaves its thread running if the flush within close times out
        given_up(producer)
        producer._sender.join(timeout_s)  # noqa: SLF001


def given_up(producer: Any) -> None:
    """Ask its thread to end, if it still hears, and wait for nothing. It is not used again."""
    producer._closed = True  # noqa: SLF001 - its finaliser would wait for the thread
    producer._sender.force_close()  # noqa: SLF001 - there is no public way to give up
