"""Plug-ins of the families, found by entry point: the built-in ones come in by the outsiders' door.

A name that is not installed, or that two packages claim, stops start-up and lists what there is.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Final

from shadow.comparator.evaluator import Evaluator
from shadow.config import Config
from shadow.failures import Detector
from shadow.measures import Measure
from shadow.slices import MAX_SLICES, Slicer
from shadow.slices.metadata import Metadata

FAMILIES: Final[dict[str, type]] = {
    "shadow.measures": Measure,
    "shadow.failures": Detector,
    "shadow.slices": Slicer,
}

FIELDS: Final = {"shadow.measures": "comparator.measures", "shadow.slices": "slices.use"}
"""Where a configuration names the plug-ins of a family."""


class PluginError(Exception):
    """A plug-in that cannot be used; the message is one line that names it and what there is instead."""


@dataclass(frozen=True, slots=True)
class Listed:
    """An installed plug-in; ``error`` says why it cannot be loaded, and ``version`` and ``summary`` are then empty."""

    family: str
    name: str
    target: str
    package: str
    package_version: str
    version: str = ""
    summary: str = ""
    error: str | None = None


def installed(family: str) -> dict[str, EntryPoint]:
    """The family's plug-ins by name. Raises :class:`PluginError` where two packages claim one name."""
    found: dict[str, EntryPoint] = {}
    for point in entry_points(group=family):
        other = found.get(point.name)
        if other is not None and other.value != point.value:
            raise PluginError(f"{family}: {point.name!r} is claimed by {other.value} and {point.value}; remove one")
        found[point.name] = point
    return found


def listing() -> list[Listed]:
    """Every installed plug-in of every family, loaded to see that it can be. Raises :class:`PluginError`."""
    return [
        _listed(family, name, known) for family in FAMILIES for known in [installed(family)] for name in sorted(known)
    ]


def in_use(config: Config) -> dict[str, frozenset[str]]:
    """The names that ``config`` uses, by family: of failure detectors all that are installed."""
    return {
        "shadow.measures": frozenset(config.comparator.measures),
        "shadow.failures": frozenset(installed("shadow.failures")),
        "shadow.slices": frozenset(config.slices.use),
    }


def load(family: str, names: Iterable[str]) -> dict[str, Any]:
    """An instance of each named plug-in, in the order of ``names``. Raises :class:`PluginError`."""
    known = installed(family)
    return {name: _instance(family, name, known) for name in names}


def measures(names: Iterable[str]) -> dict[str, Measure]:
    """The named measures. Raises :class:`PluginError`."""
    return load("shadow.measures", names)


def detectors() -> dict[str, Detector]:
    """All installed failure detectors. Raises :class:`PluginError`."""
    return load("shadow.failures", sorted(installed("shadow.failures")))


def slicers(names: Iterable[str], metadata: Mapping[str, Sequence[str]]) -> dict[str, Slicer]:
    """The named slicers, and ``metadata`` where it has fields.

    Raises :class:`PluginError`, also where they have more than 24 slices together, or one name twice.
    """
    found: dict[str, Slicer] = load("shadow.slices", names)
    if metadata:
        found["metadata"] = Metadata(metadata)
    every = [name for slicer in found.values() for name in slicer.names]
    if double := {name for name in every if every.count(name) > 1}:
        raise PluginError(f"shadow.slices: {min(double)!r} comes from two slicers, or twice from one; rename a value")
    if len(every) > MAX_SLICES:
        raise PluginError(
            f"shadow.slices: {len(every)} slices, {MAX_SLICES} at most; leave out a slicer (slices.use) or values "
            f"(slices.metadata): {', '.join(every)}"
        )
    return found


def evaluator(config: Config) -> tuple[Evaluator, str]:
    """What ``config`` says of judging, loaded, and its revision. Raises :class:`PluginError`."""
    made = Evaluator(
        measures=measures(config.comparator.measures),
        detectors=detectors(),
        slicers=slicers(config.slices.use, config.slices.metadata),
        limits=config.comparator.limits,
    )
    thresholds = {name: each.model_dump() for name, each in config.comparator.effective_thresholds.items()}
    return made, made.revision(
        {"slices": config.slices.metadata, "thresholds": thresholds, "limits": config.comparator.limits}
    )


def unknown_slices(config: Config, evaluator: Evaluator) -> dict[tuple[str | int, ...], str]:
    """What is wrong with the slices that the gate names: place in the file to a line that says what there is."""
    known = {name for slicer in evaluator.slicers.values() for name in slicer.names}
    return {
        ("gate", "guardrails", index, "slices", at): (
            f"no slicer in use gives {name!r}; there are: {', '.join(sorted(known)) or 'none'}"
        )
        for index, each in enumerate(config.gate.guardrails)
        for at, name in enumerate(getattr(each, "slices", ()))
        if name not in known
    }


def _instance(family: str, name: str, known: dict[str, EntryPoint]) -> Any:
    if name not in known:
        field = FIELDS.get(family, family)
        raise PluginError(f"{field}: {name!r} is not installed; there are: {', '.join(sorted(known)) or 'none'}")
    try:
        plugin = known[name].load()()
    except Exception as error:
        raise PluginError(f"{family}: {name!r} ({known[name].value}) cannot be loaded: {error!r}") from error
    if not isinstance(plugin, FAMILIES[family]):
        raise PluginError(f"{family}: {name!r} ({known[name].value}) is no {FAMILIES[family].__name__}")
    return plugin


def _listed(family: str, name: str, known: dict[str, EntryPoint]) -> Listed:
    point = known[name]
    package = (point.dist.name, point.dist.version) if point.dist else ("?", "?")
    try:
        plugin = _instance(family, name, known)
    except PluginError as error:
        return Listed(family, name, point.value, *package, error=str(error))
    summary = (inspect.getdoc(type(plugin)) or "").partition("\n")[0]
    return Listed(family, name, point.value, *package, str(getattr(plugin, "version", "")), summary)
