"""Simulated support: models that answer, customers who ask, recorded conversations that are played again.

``models`` (what a support model says) and ``faults`` (what goes wrong with it) are pure; ``server`` puts them behind
an OpenAI-compatible endpoint; ``traffic`` and ``replay`` drive conversations through the Tap. ``demo.yaml`` is the
configuration of the demo, ``samples/support.jsonl`` its recorded conversations. Nothing here is a measurement.
"""

from importlib import resources
from typing import Final

__all__ = ["DEFAULT_PORT", "JUDGES", "MODELS", "demo_config", "sample_path"]

DEFAULT_PORT: Final = 29080

MODELS: Final = ("support-prod", "support-better", "support-slice-worse", "support-flaky")
"""The simulated models, by the name that a request gives."""

JUDGES: Final = ("judge-first", "judge-facts")
"""The simulated judges; see :mod:`shadow.simulate.judges`."""


def demo_config() -> str:
    """The text of the packaged configuration for the demo."""
    return resources.files(__name__).joinpath("demo.yaml").read_text(encoding="utf-8")


def sample_path() -> str:
    """Where the packaged sample conversations lie."""
    return str(resources.files(__name__).joinpath("samples", "support.jsonl"))
