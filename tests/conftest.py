"""Fixtures of every test: brokers. ``embedded`` and ``broker`` are fresh for each test, ``kafka`` is one for all."""

from __future__ import annotations

import gc
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)  # kafka-python's own: importlib.resources.read_text
    from deploy.kafka.run import KafkaCluster
    from tests.fixtures import brokers


def pytest_configure(config: pytest.Config) -> None:
    """Warnings are errors, but for two of kafka-python's own: a message loaded by a deprecated call, a socket whose
    connection was still under way when its client was closed."""
    config.addinivalue_line("filterwarnings", "ignore:read_text is deprecated:DeprecationWarning")
    config.addinivalue_line(
        "filterwarnings", "ignore:Exception ignored in. <socket:pytest.PytestUnraisableExceptionWarning"
    )


@pytest.fixture(scope="session", autouse=True)
def _leftovers() -> Iterator[None]:
    """Collect kafka-python's unclosed sockets while the filter above still holds: it does not when pytest ends."""
    yield
    gc.collect()


@pytest.fixture
def embedded(tmp_path: Path) -> Iterator[str]:
    """Bootstrap address of an embedded broker of this test's own."""
    with brokers.embedded_broker(tmp_path) as bootstrap:
        yield bootstrap


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KafkaCluster]:
    """One Apache Kafka node for the whole run: use topics and groups of your own, or the ``broker`` fixture."""
    with brokers.kafka(tmp_path_factory.mktemp("kafka"), nodes=1) as cluster:
        yield cluster


@pytest.fixture(params=["embedded", "kafka"])
def broker(request: pytest.FixtureRequest) -> str:
    """Bootstrap address of an empty broker: once the embedded one, once Apache Kafka."""
    if request.param == "embedded":
        return str(request.getfixturevalue("embedded"))
    cluster: KafkaCluster = request.getfixturevalue("kafka")
    [bootstrap] = cluster.bootstrap
    brokers.wipe(bootstrap)
    return bootstrap
