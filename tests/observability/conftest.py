"""One Prometheus for all: three days of simulated scrapes, the rules backfilled, the alerts as they fired."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.observability import backfill
from tests.observability.backfill import Past
from tests.observability.live import Live


@pytest.fixture(scope="session")
def past(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Past]:
    """A server that has seen what a shadow of four arms exports, and when which alert fired."""
    with backfill.past(tmp_path_factory.mktemp("prometheus")) as made:
        yield made


@pytest.fixture(scope="session")
def live(past: Past) -> Live:
    """That server, asked at its last moment."""
    return past.live
