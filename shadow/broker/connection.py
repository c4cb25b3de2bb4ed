"""Connections to Kafka: short timeouts everywhere, and errors that one line explains."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from typing import Any, Final

from kafka import KafkaAdminClient, KafkaConsumer
from kafka.errors import (
    KafkaConfigurationError,
    KafkaError,
    RetriableError,
    SaslAuthenticationFailedError,
    UnsupportedSaslMechanismError,
)
from kafka.net.compat import KafkaNetClient

from shadow.broker.errors import BrokerError, LoginError
from shadow.broker.security import security
from shadow.broker.timed import Bounded

ANSWER_S: Final = 5.0
"""How long one question to a broker may take; connecting takes as long again at most."""

PATIENCE_S: Final = 10.0
"""How long a question is asked again while a partition has no leader: Kafka takes 9 s to notice a dead broker."""

CLIENT: Final[dict[str, Any]] = {
    "bootstrap_timeout_ms": int(ANSWER_S * 1000),
    "request_timeout_ms": int(ANSWER_S * 1000),
    "reconnect_backoff_max_ms": 500,
    "client_id": "shadow",
}
"""Settings of every client."""

LIBRARY_LOG: Final = logging.getLogger("kafka.net")
NO_ENTRY: Final = (SaslAuthenticationFailedError, UnsupportedSaslMechanismError)

Partition = tuple[str, int]
"""Topic and partition number."""


class _Refusals(logging.Handler):
    """Why the broker did not let a client in: kafka-python says it in its log alone, and raises a time-out."""

    last: BaseException | None = None

    def emit(self, record: logging.LogRecord) -> None:
        for part in record.args if isinstance(record.args, tuple) else ():
            if isinstance(part, NO_ENTRY) or (isinstance(part, KafkaError) and "[SSL" in str(part)):
                self.last = part


@contextmanager
def talking_to(bootstrap: Sequence[str]) -> Iterator[None]:
    """Every error of the client library inside becomes a :class:`BrokerError` that names the address."""
    address = ",".join(bootstrap)
    try:
        yield
    except (KafkaConfigurationError, ValueError) as error:
        raise BrokerError(f"broker.url {address!r} cannot be used: {error}; write host:port[,host:port]") from None
    except (RetriableError, OSError) as error:
        what = str(error) or type(error).__name__
        raise BrokerError(
            f"no answer from Kafka at {address} ({what}): start it (`shadow up`, `shadow broker`) "
            f"or correct broker.url (or $SHADOW_BROKER_URL)"
        ) from None
    except KafkaError as error:
        raise BrokerError(f"Kafka at {address} refused: {error}") from None


def connect(kind: Callable[..., Any], bootstrap: Sequence[str], **settings: Any) -> Any:
    """A client of that kind, logged in as the environment says. One that cannot connect leaves nothing behind.

    (By itself kafka-python 3.0.12 then leaves a thread and its sockets, at each attempt.)
    """
    settings = {**CLIENT, **security(os.environ), **settings}
    made: list[Any] = []
    refusals = _Refusals()
    LIBRARY_LOG.addHandler(refusals)

    def keep(**configs: Any) -> Any:
        made.append(KafkaNetClient(**configs))
        return made[-1]

    try:
        return kind(bootstrap_servers=list(bootstrap), kafka_client=keep, **settings)
    except BaseException as error:
        for net in made:
            net.close()
            net._net.stop()  # noqa: SLF001 (what the client's own close does)
        if isinstance(error, KafkaError) and (why := refusals.last):
            raise LoginError(
                f"Kafka at {','.join(bootstrap)} does not let this client in ({why}): correct $SHADOW_BROKER_SECURITY "
                f"and the variables that belong to it (docs/configuration.md)"
            ) from None
        raise
    finally:
        LIBRARY_LOG.removeHandler(refusals)


def bounded(kind: Callable[..., Any], bootstrap: Sequence[str], **settings: Any) -> Bounded:
    """The same, and no call of it hangs: a :class:`~shadow.broker.timed.HangsError` ends it, which is an OSError."""
    connect_s = settings.get("bootstrap_timeout_ms", CLIENT["bootstrap_timeout_ms"]) / 1000
    return Bounded(lambda: connect(kind, bootstrap, **settings), connect_s + ANSWER_S)


@contextmanager
def admin(bootstrap: Sequence[str], connect_s: float = ANSWER_S) -> Iterator[Any]:
    """An admin client, closed at the end; errors inside become :class:`BrokerError`."""
    connect_ms = int(connect_s * 1000)
    with (
        talking_to(bootstrap),
        closing(bounded(KafkaAdminClient, bootstrap, bootstrap_timeout_ms=connect_ms)) as client,
    ):
        yield client


def consumer(bootstrap: Sequence[str]) -> Any:
    """A consumer without a group. Sessions are off: each answer then holds every partition's high watermark."""
    return bounded(
        KafkaConsumer,
        bootstrap,
        group_id=None,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        allow_auto_create_topics=False,
        enable_incremental_fetch_sessions=False,
        metrics_enabled=False,
        fetch_max_wait_ms=10,
        max_poll_records=5_000,
        metadata_max_age_ms=int(ANSWER_S * 1000),  # a look-up whose answer went astray is asked again this soon
    )


def wait_ready(bootstrap: Sequence[str], timeout_s: float) -> None:
    """Return as soon as a broker answers a metadata request. Raises :class:`BrokerError` after ``timeout_s``."""
    with admin(bootstrap, timeout_s) as client:
        patiently(client.list_topics)


def patiently(ask: Callable[[], Any]) -> Any:
    """What ``ask`` answers, asked again while the broker says that it is not ready, for :data:`PATIENCE_S`."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        try:
            return ask()
        except RetriableError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)
