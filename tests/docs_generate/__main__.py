"""``python -m tests.docs_generate``: write every page."""

from pathlib import Path

from tests.docs_generate import PAGES

for name, page in PAGES.items():
    (Path(__file__).resolve().parents[2] / "docs" / name).write_text(page(), encoding="utf-8")
