"""Kafka from the outside: start the embedded broker, create the topics, ask for offsets, read and write records.

For everything that is neither on a consumer's path nor in the Tap: the command line, the audit, the tests. Every call
has a short timeout, and what the user can put right is a :class:`BrokerError` of one line.
"""

from shadow.broker.connection import Partition, bounded, connect, wait_ready
from shadow.broker.embedded import bound_to_parent, is_embedded, last_line, start_embedded
from shadow.broker.errors import BrokerError, LoginError, SecurityError
from shadow.broker.offsets import beginning_offsets, committed, end_offsets, lag, lags
from shadow.broker.records import Headers, Stored, producer, publish, read
from shadow.broker.security import security
from shadow.broker.timed import HangsError
from shadow.broker.topics import TopicState, ensure_topics

__all__ = [
    "BrokerError",
    "HangsError",
    "Headers",
    "LoginError",
    "Partition",
    "SecurityError",
    "Stored",
    "TopicState",
    "beginning_offsets",
    "bound_to_parent",
    "bounded",
    "committed",
    "connect",
    "end_offsets",
    "ensure_topics",
    "is_embedded",
    "lag",
    "lags",
    "last_line",
    "producer",
    "publish",
    "read",
    "security",
    "start_embedded",
    "wait_ready",
]
