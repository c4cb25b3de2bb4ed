"""Seals what a verdict rests on: the rows that the gate read up to its last look, and all that follows from them.

| member | what it holds |
|---|---|
| `seal.json` | candidate, revisions, experiment, the instant, tool versions |
| `config.json` | the configuration's parts that a verdict depends on; no addresses of broker and ledger |
| `comparisons.jsonl`, `outcomes.jsonl` | every row that the gate reads, without texts |
| `worst.json` | the pairs to look at first: a copy, from scores that the other rows do not repeat |
| `course.json`, `report.json`, `report.html` | what follows from the above: made again by ``shadow verify`` |

A bundle is sealed as of the last look, so whoever seals between two looks gets the same bytes.
"""

from __future__ import annotations

import json
import platform
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Final
from urllib.parse import urlsplit

from shadow import __version__
from shadow.config import Config, address_of
from shadow.events import CONTROL
from shadow.gate.doubts import of_the_future
from shadow.gate.experiment import Experiment, judge_revision
from shadow.gate.report import canonical, report
from shadow.gate.rows import LedgerRow, OutcomeRow
from shadow.gate.session import Session
from shadow.gate.settings import ExcessGuardrail
from shadow.gatekeeper import VISIBLE_S
from shadow.ledger import Cursor, Ledger
from shadow.promotion import columns
from shadow.promotion.bundle import BundleError, pack
from shadow.promotion.course import course
from shadow.promotion.page import page
from shadow.promotion.worst import worst

TOOLS: Final = ("numpy", "orjson", "pydantic", "rapidfuzz", "wordllama")
PARTS: Final = ("version", "production", "comparator", "slices", "gate")

Rows = tuple[list[LedgerRow], list[OutcomeRow]]


@dataclass(frozen=True)
class Case:
    """All that a verdict is a function of."""

    experiment: Experiment
    until: float
    """The last look, or where none was taken yet when the bundle was sealed."""
    causes: tuple[str, ...]
    """What only the clock of who sealed it could tell."""
    rows: list[LedgerRow]
    outcomes: list[OutcomeRow]


@dataclass(frozen=True)
class Sealed:
    """A bundle and the report that it holds."""

    data: bytes
    report: dict[str, Any]
    page: bytes


def seal(config: Config, ledger: Ledger, candidate: str, evaluator_revision: str, now: float) -> Sealed:
    """The evidence on ``candidate`` as of the last look before ``now``, Unix seconds.

    Raises :class:`~shadow.config.ConfigError` for an unknown arm, :class:`~shadow.ledger.LedgerError`, and
    :class:`~shadow.promotion.bundle.BundleError` where the configuration would carry a password into the bundle.
    """
    experiment = Experiment.of(config, candidate, evaluator_revision)
    settings = _settings(config, candidate)
    (rows, outcomes), causes = _read(ledger, experiment, now)
    session = Session(experiment)
    session.feed(rows)
    session.feed(outcomes)
    session.advance(now - VISIBLE_S)
    until = now - VISIBLE_S if session.looked_at is None else session.looked_at
    rows = sorted((row for row in rows if row.recorded_at <= until), key=lambda row: row.order)
    outcomes = sorted((row for row in outcomes if row.recorded_at <= until), key=lambda row: row.order)
    case = Case(experiment, until, causes, _needed(experiment, rows), outcomes)
    members = {
        "seal.json": canonical(_seal(case, config)),
        "config.json": canonical(settings),
        "comparisons.jsonl": columns.dump(LedgerRow._fields, case.rows),
        "outcomes.jsonl": columns.dump(OutcomeRow._fields, case.outcomes),
        "worst.json": canonical(worst(experiment, rows)),
    }
    members |= derived(case, members)
    return Sealed(pack(members), json.loads(members["report.json"]), members["report.html"])


def derived(case: Case, given: dict[str, bytes]) -> dict[str, bytes]:
    """The members that follow from the others: the gate's own code runs over the rows, from the first to the last."""
    session = Session(case.experiment)
    session.feed(case.rows)
    session.feed(case.outcomes)
    changes = session.advance(case.until)
    found = report(session, session.ruling(*case.causes))
    facts, pairs = json.loads(given["seal.json"]), json.loads(given["worst.json"])
    return {
        "course.json": canonical(course(session, changes)),
        "report.json": canonical(found),
        "report.html": page(found, facts, pairs).encode(),
    }


def opened(members: dict[str, bytes]) -> Case:
    """The case in a bundle's members. Raises :class:`~shadow.promotion.bundle.BundleError`."""
    try:
        facts, settings = json.loads(members["seal.json"]), json.loads(members["config.json"])
        config = Config.model_validate(settings)
        experiment = Experiment(
            facts["candidate"],
            facts["revision"],
            facts["evaluator_revision"],
            config.gate,
            config.comparator.join_window_s,
            facts["control_revision"],
            judge_revision(config),
        )
        until, causes = float(facts["until"]), tuple(map(str, facts["causes"]))
        comparisons, outcomes = members["comparisons.jsonl"], members["outcomes.jsonl"]
    except (ValueError, KeyError, TypeError) as error:
        raise BundleError([f"seal.json or config.json cannot be read: {error!r}"]) from None
    rows = [LedgerRow._make(row) for row in columns.load("comparisons.jsonl", LedgerRow._fields, comparisons)]
    later = [OutcomeRow._make(row) for row in columns.load("outcomes.jsonl", OutcomeRow._fields, outcomes)]
    return Case(experiment, until, causes, rows, later)


def _read(ledger: Ledger, experiment: Experiment, now: float) -> tuple[Rows, tuple[str, ...]]:
    wanted = {experiment.candidate, *((CONTROL,) if experiment.control else ())}
    arm, recorded_at = LedgerRow._fields.index("arm"), LedgerRow._fields.index("recorded_at")
    rows: list[LedgerRow] = []
    outcomes: list[OutcomeRow] = []
    newest = float("-inf")
    for batch in ledger.read_on(Cursor(), LedgerRow._fields, OutcomeRow._fields):
        newest = max([newest, *(row[recorded_at] for row in batch.comparisons)])
        rows += [LedgerRow._make(row) for row in batch.comparisons if row[arm] in wanted]
        outcomes += map(OutcomeRow._make, batch.outcomes)
    newest = max([newest, *(row.recorded_at for row in outcomes)])
    cause = of_the_future(newest, now)
    return (rows, outcomes), ((cause,) if cause else ())


def _needed(experiment: Experiment, rows: list[LedgerRow]) -> list[LedgerRow]:
    """The rows with the scores that a guardrail rests on, and no others: scores are most of a row's bytes."""
    used = {each.measure for each in experiment.gate.guardrails if isinstance(each, ExcessGuardrail)}
    return [_with(row, used) for row in rows]


def _with(row: LedgerRow, used: set[str]) -> LedgerRow:
    if row.measures is None:
        return row
    if not used:
        return row._replace(measures=None, scores=None)
    pairs = zip(json.loads(row.measures), json.loads(row.scores or "[]"), strict=True)
    kept = [(name, score) for name, score in pairs if name in used]
    if not kept:
        return row._replace(measures=None, scores=None)
    return row._replace(
        measures=json.dumps([name for name, _ in kept], separators=(",", ":")),
        scores=json.dumps([score for _, score in kept], separators=(",", ":")),
    )


def _seal(case: Case, config: Config) -> dict[str, Any]:
    experiment = case.experiment
    return {
        "candidate": experiment.candidate,
        "owner": config.arm(experiment.candidate).owner,
        "revision": experiment.revision,
        "control_revision": experiment.control,
        "evaluator_revision": experiment.evaluator_revision,
        "experiment": experiment.id,
        "until": case.until,
        "causes": list(case.causes),
        "versions": {
            "shadow": __version__,
            "python": platform.python_version(),
            "machine": f"{platform.system()} {platform.machine()}",
            **{name: _version(name) for name in TOOLS},
        },
    }


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _settings(config: Config, candidate: str) -> dict[str, Any]:
    """What a verdict depends on. Keys never stand in a configuration, but urls may hold a password."""
    whole, arm = config.model_dump(mode="json"), config.arm(candidate)
    judge = config.judge if judge_revision(config) else None
    for each in (arm, *((config.control,) if config.control else ()), *((judge.arm,) if judge else ())):
        place = urlsplit(address_of(each.adapter) or "")
        if "@" in place.netloc or place.query:
            what = f"the address of {each.name!r} holds a user's name, a password or a query"
            raise BundleError([f"{what}: put secrets into api_key_env's variable"])
    found = {name: whole[name] for name in PARTS}
    if config.control:
        found["control"] = whole["control"]
    if judge:
        found["judge"] = whole["judge"]
    if arm.name == CONTROL:
        return found
    return found | {"candidates": [arm.model_dump(mode="json")]}
