"""Looks a page's facts up in the ledger: bounded, whatever its size. It opens it for each page, and only to read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from shadow.config import Config
from shadow.console.asked import List
from shadow.console.ranking import Ranked, Window, ranked
from shadow.events import CONTROL, Comparison
from shadow.gate.rows import LedgerRow
from shadow.gate.settings import JUDGE_SAME, JUDGE_WORSE, JUDGED, ExcessGuardrail, GuardrailSettings, ScoreGuardrail
from shadow.gate.turn_values import names
from shadow.ledger import Reader

LOOKED_AT: Final = 20_000
"""Rows of an arm that one page looks at, the newest first."""

JOINED: Final = 5_000
"""The same where each needs to be looked up elsewhere too: control's row of the turn, what became of it."""

SHOWN: Final = 50
"""Pairs of a page."""


@dataclass(frozen=True, slots=True)
class Worst:
    """The pairs of a page: ``shown`` with their records by turn; ``counted``: how many the guardrail counts, of all.

    ``looked_at``: rows of the arm; ``others``: of them, those of another revision or judged by another evaluator, and
    ``off``: those of this one that are not on the slice. ``older``: rows before ``oldest`` were not looked at.
    ``instead``: the guardrail says something of none, so they are sorted without it.
    """

    shown: Sequence[Ranked]
    records: Mapping[str, Comparison]
    counted: int
    ranked: int
    looked_at: int
    others: Mapping[str, int]
    off: int
    newest: float | None
    oldest: float | None
    older: bool
    instead: bool


@dataclass(frozen=True, slots=True)
class Latest:
    """An arm's newest pair: when its turn arrived, and of which revision it is."""

    arrived_at: float
    revision: str


def latest(config: Config) -> dict[str, Latest]:
    """Each arm's newest pair, if it has any. Raises :class:`~shadow.ledger.LedgerError`."""
    with Reader(config.ledger.url) as ledger:
        found = {arm.name: ledger.newest(arm.name, ("turn_arrived_at", "arm_revision"), count=1) for arm in config.arms}
    return {name: Latest(*rows[0]) for name, rows in found.items() if rows}


def worst(config: Config, asked: List, evaluator_revision: str, *, most: int | None = None) -> Worst:
    """The worst pairs of the newest that there are; ``most``: rows of the arm that are looked at.

    Raises :class:`~shadow.ledger.LedgerError`.
    """
    arm, revision = asked.arm.name, asked.arm.revision
    looked_at = most or (JOINED if isinstance(asked.settings, ExcessGuardrail | ScoreGuardrail) else LOOKED_AT)
    with Reader(config.ledger.url) as ledger:
        rows = [
            LedgerRow(*row) for row in ledger.newest(arm, LedgerRow._fields, count=looked_at + 1, until=asked.until)
        ]
        older = len(rows) > looked_at
        rows = rows[:looked_at]
        own, others = _own(rows, revision, evaluator_revision)
        wanted = [row for row in own if asked.slice_ is None or asked.slice_ in names(row.slices)]
        window = _window(ledger, config, asked.settings, arm, wanted)
        found = ranked(asked.settings, arm, window)
        instead = not found and asked.settings is not None
        found = ranked(None, arm, window) if instead else found
        shown = found[:SHOWN]
        records = _records(ledger, shown, arm, revision)
    return Worst(
        shown,
        records,
        0 if instead else sum(each.counts for each in found),
        len(wanted),
        len(rows),
        others,
        len(own) - len(wanted),
        rows[0].turn_arrived_at if rows else None,
        rows[-1].turn_arrived_at if rows else None,
        older and rows[0].turn_arrived_at > rows[-1].turn_arrived_at,
        instead,
    )


def _own(rows: Iterable[LedgerRow], revision: str, evaluator_revision: str) -> tuple[list[LedgerRow], dict[str, int]]:
    """The rows of this revision, judged as of now; and how many are of another, by what is other."""
    own, others = [], dict[str, int]()
    for row in rows:
        if row.arm_revision != revision:
            what = f"of revision {row.arm_revision or '(none)'}"
        elif (row.evaluator_revision or "") != evaluator_revision:
            what = f"judged by evaluator {row.evaluator_revision or '(unknown)'}"
        else:
            own.append(row)
            continue
        others[what] = others.get(what, 0) + 1
    return own, others


def _window(
    ledger: Reader, config: Config, settings: GuardrailSettings | None, arm: str, rows: Sequence[LedgerRow]
) -> Window:
    """With what the guardrail needs besides the arm's own rows."""
    turns = [row.turn_id for row in rows]
    control: dict[str, LedgerRow] = {}
    if isinstance(settings, ExcessGuardrail) and config.control and arm != CONTROL:
        found = ledger.of_turns(turns, CONTROL, config.control.revision, LedgerRow._fields)
        control = {row.turn_id: row for row in map(LedgerRow._make, found)}
    return Window(rows, control, _outcomes(ledger, settings, turns))


def _outcomes(
    ledger: Reader, settings: GuardrailSettings | None, turns: Sequence[str]
) -> dict[str, dict[tuple[str, str], float]]:
    """As the gate takes them: numbers in 0..1, the first recorded of each."""
    if isinstance(settings, ScoreGuardrail):
        wanted = [settings.outcome]
    elif isinstance(settings, ExcessGuardrail) and settings.measure == JUDGED:
        wanted = [JUDGE_WORSE, JUDGE_SAME]
    else:
        return {}
    found: dict[str, dict[tuple[str, str], float]] = {}
    for turn, arm, name, number in ledger.outcomes_of_turns(turns, wanted, ("turn_id", "arm", "name", "value_number")):
        if number is not None and 0 <= number <= 1:
            found.setdefault(turn, {}).setdefault((arm, name), number)
    return found


def _records(ledger: Reader, shown: Sequence[Ranked], arm: str, revision: str) -> dict[str, Comparison]:
    """The whole records of what is shown: columns have no causes."""
    found: list[tuple[Any, ...]] = ledger.of_turns([each.row.turn_id for each in shown], arm, revision, ("payload",))
    records = (Comparison.model_validate_json(payload) for (payload,) in found)
    return {record.turn_id: record for record in records}
