"""The console in a real Chromium: what models and customers wrote is text, whatever it says."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from dashboards.render.browser import Shot
from tests.fixtures.chromium import Look, chromium
from tests.fixtures.console import TURN, Console, console, filled
from tests.fixtures.models import HOSTILE

__all__ = ["chromium"]

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Console]:
    folder = tmp_path_factory.mktemp("browser")
    with filled(folder) as system, console(system.file, folder) as made:
        yield made


def test_a_hostile_reply_is_text_in_a_real_browser(chromium: Look, running: Console, tmp_path: Path) -> None:
    """Nothing of it runs, nothing is loaded, and the page stays small enough to be read."""
    paths = [f"/pair?turn={TURN}&arm=hostile&guardrail=leak", "/pairs?candidate=hostile", "/"]
    seen = chromium([Shot(f"{running.url}{path}", tmp_path / f"{n}.png", plain=True) for n, path in enumerate(paths)])
    for page in seen:
        assert (page["error"], page["complaints"], page["said"]) == (None, [], [])
        assert page["requests"] == [page["url"]]
    text = seen[0]["text"]
    for line in HOSTILE[:-1]:
        assert line in text
    assert r"\u202eecalper" in text
    assert r"\x1b[2J" in text
    assert "more characters]" in text
    assert "Would call (nothing was executed)" in text
    assert len(running.get(paths[0]).text) < 400_000


def test_a_page_that_ran_something_would_be_seen(chromium: Look, tmp_path: Path) -> None:
    """The browser's test can fail: the same words as markup do run, and do load."""
    file = tmp_path / "page.html"
    file.write_text(f"<html><body>{HOSTILE[0]}{HOSTILE[1]}</body></html>")
    [page] = chromium([Shot(file.as_uri(), plain=True)])
    assert page["error"] == "ran"
    assert len(page["requests"]) > 1
