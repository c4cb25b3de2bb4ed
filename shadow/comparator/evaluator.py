"""How replies are judged: the plug-ins in use, and the hash that says so in each comparison."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from shadow.failures import Detector
from shadow.measures import Measure
from shadow.slices import Slicer


@dataclass(frozen=True, slots=True)
class Evaluator:
    """Plug-ins by name, in the order in which they are asked.

    ``limits``: what each measure that decides about agreement must not exceed, see :mod:`.prefix`.
    """

    measures: Mapping[str, Measure] = field(default_factory=dict)
    detectors: Mapping[str, Detector] = field(default_factory=dict)
    slicers: Mapping[str, Slicer] = field(default_factory=dict)
    limits: Mapping[str, float] = field(default_factory=dict)

    def revision(self, settings: Mapping[str, Any]) -> str:
        """Hash of the plug-ins, their versions and ``settings``: 12 hexadecimal digits."""
        families = {"measures": self.measures, "detectors": self.detectors, "slicers": self.slicers}
        used = {
            family: {
                name: [_origin(plugin), getattr(plugin, "version", None)] for name, plugin in sorted(found.items())
            }
            for family, found in families.items()
        }
        canonical = json.dumps({**used, "settings": settings}, sort_keys=True, separators=(",", ":"), default=str)
        return hashlib.sha256(canonical.encode()).hexdigest()[:12]


def _origin(plugin: object) -> str:
    return f"{type(plugin).__module__}:{type(plugin).__qualname__}"
