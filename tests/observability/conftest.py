"""One Prometheus for all: three days of simulated scrapes, the rules backfilled, the alerts as they fired."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.observability import backfill
from tests.observability.backfill import Past
from tests.observability.live import Live

PAST_S = 900
"""Whichever test comes first waits until the days are made, which takes a minute where nothing else runs."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "past" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.timeout(PAST_S))


@pytest.fixture(scope="session")
def past(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Past]:
    """A server that has seen what a shadow of four arms exports, and when which alert fired."""
    with backfill.past(tmp_path_factory.mktemp("prometheus")) as made:
        yield made


@pytest.fixture(scope="session")
def live(past: Past) -> Live:
    """That server, asked at its last moment."""
    return past.live
