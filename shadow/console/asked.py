"""What a request asks for, checked against the configuration. Pure; what cannot be answered names what there is."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from shadow.addresses import CHOICE, EVERY_TURN, ONE_OF, PAIR, PAIRS, SERVED
from shadow.config import Arm, Config
from shadow.events import FAILURE_KINDS
from shadow.gate.settings import JUDGED, ExcessGuardrail, FailureGuardrail, GuardrailSettings
from shadow.markup import visible

BAD_REQUEST, NOT_FOUND = 400, 404
LONGEST: Final = 240
"""Characters of a value that are said again."""


class RefusedError(Exception):
    """A request that is not answered: its status, one line for people, and what there is instead."""

    def __init__(self, status: int, what: str, there_is: Iterable[str] = ()) -> None:
        super().__init__(what)
        self.status = status
        self.there_is = tuple(there_is)


@dataclass(frozen=True, slots=True)
class List:
    """A list of pairs. ``settings``: how bad a turn is; None: by failures, then by mean divergence.

    ``choice``: the parameters that chose it, for links; ``slice_``: None is every turn; ``until``: Unix seconds.
    """

    arm: Arm
    settings: GuardrailSettings | None
    slice_: str | None
    until: float | None
    choice: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Pair:
    """One pair; ``choice``: the list that it was reached from."""

    turn: str
    arm: str
    revision: str | None
    choice: Mapping[str, str]


def parameters(path: str, query: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Each parameter once. Raises :class:`RefusedError` for one that is unknown or that stands there twice."""
    found: dict[str, str] = {}
    for name, value in query:
        if name not in SERVED[path]:
            raise RefusedError(BAD_REQUEST, f"there is no parameter {_said(name)}", SERVED[path])
        if name in found:
            raise RefusedError(BAD_REQUEST, f"parameter {name!r} stands there twice: name one value")
        if "\0" in value:  # which PostgreSQL takes nowhere
            raise RefusedError(BAD_REQUEST, f"parameter {name!r} holds a NUL character")
        found[name] = value
    return found


def a_list(config: Config, slices: Collection[str], query: Iterable[tuple[str, str]]) -> List:
    """What ``/pairs`` is asked for; ``slices``: the names that slicers in use give."""
    given = parameters(PAIRS, query)
    if not given.get("candidate"):
        raise RefusedError(BAD_REQUEST, "parameter 'candidate' is missing: name one", _arms(config))
    arm = next((each for each in config.arms if each.name == given["candidate"]), None)
    if arm is None:
        raise _unknown("arm", given["candidate"], _arms(config))
    slice_ = None if given.get("slice", "") in EVERY_TURN else given["slice"]
    if slice_ is not None and slice_ not in slices:
        raise _unknown("slice", slice_, sorted(slices))
    choice = {name: value for name, value in given.items() if name in CHOICE and value}
    return List(arm, _settings(config, choice), slice_, _until(given.get("until")), choice)


def a_pair(query: Iterable[tuple[str, str]]) -> Pair:
    """What ``/pair`` is asked for; whether there is such a pair, the ledger says."""
    given = parameters(PAIR, query)
    for name in ("turn", "arm"):
        if not given.get(name):
            raise RefusedError(BAD_REQUEST, f"parameter {name!r} is missing: /pair?turn=TURN&arm=ARM")
    choice = {name: value for name, value in given.items() if name in CHOICE and value}
    return Pair(given["turn"], given["arm"], given.get("revision"), choice)


def measures(config: Config) -> list[str]:
    """What pairs can be sorted by: the measures that are computed, and the judge's verdicts."""
    return [*config.comparator.measures, *([JUDGED] if config.judge else [])]


def _settings(config: Config, choice: Mapping[str, str]) -> GuardrailSettings | None:
    named = [name for name in ONE_OF if name in choice]
    if len(named) > 1:
        raise RefusedError(BAD_REQUEST, f"{' and '.join(named)} exclude one another: name one", ONE_OF)
    if not named:
        return None
    [kind] = named
    name = choice[kind]
    if kind == "guardrail":
        found = next((each for each in config.gate.guardrails if each.name == name), None)
        if found is None:
            raise _unknown("guardrail", name, (each.name for each in config.gate.guardrails))
        return found
    if kind == "failure":
        if name not in FAILURE_KINDS:
            raise _unknown("kind of failure", name, FAILURE_KINDS)
        return FailureGuardrail.model_validate({"kind": "failure", "name": name, "failures": [name]})
    if name not in measures(config):
        raise _unknown("measure", name, measures(config))
    return ExcessGuardrail(kind="excess_divergence", name=name, measure=name)


def _until(text: str | None) -> float | None:
    if not text:
        return None
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise RefusedError(BAD_REQUEST, f"until is {_said(text)}: it is a time in Unix seconds")
    return value


def _arms(config: Config) -> list[str]:
    return [arm.name for arm in config.arms]


def _unknown(what: str, name: str, there_is: Iterable[str]) -> RefusedError:
    return RefusedError(NOT_FOUND, f"there is no {what} {_said(name)}", there_is)


def _said(text: str) -> str:
    return f"'{visible(text[:LONGEST])}'"
