"""Fixtures of every test: brokers. ``embedded`` and ``broker`` are fresh for each test, ``kafka`` is one for all.

Properties are tried with the same examples every time, however long one takes: a run is red because the code changed,
not by chance or because the machine is busy. ``--hypothesis-profile=search`` looks for counter-examples by chance, and
tries 2,000 examples where a test sets no number.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)  # kafka-python's own: importlib.resources.read_text
    from deploy.kafka.run import KafkaCluster
    from tests.fixtures import brokers

OF_THE_TESTS = {"SHADOW_REQUIRE_ALL", "SHADOW_DATA_DIR", "SHADOW_KAFKA_DIR"}
for variable in [name for name in os.environ if name.startswith("SHADOW_") and name not in OF_THE_TESTS]:
    del os.environ[variable]  # what somebody has exported for his own Shadow is not what is tested

settings.register_profile("suite", derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("search", settings.get_profile("suite"), derandomize=False, max_examples=2_000)
settings.load_profile("suite")


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


@pytest.fixture
def nowhere() -> Iterator[str]:
    """An address where nobody listens as long as the test runs."""
    with brokers.refusing() as address:
        yield address
