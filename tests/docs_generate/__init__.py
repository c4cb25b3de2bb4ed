"""Writes the pages of docs/ that repeat what the code says: ``python -m tests.docs_generate``.

A test compares each page with what is generated, so that none can go stale.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from tests.docs_generate.commands import commands
from tests.docs_generate.configuration import configuration
from tests.docs_generate.data_format import data_format
from tests.docs_generate.metrics import metrics

PAGES: Final[dict[str, Callable[[], str]]] = {
    "configuration.md": configuration,
    "commands.md": commands,
    "data-format.md": data_format,
    "metrics.md": metrics,
}
