"""Conservation: every sampled (turn, arm) is in the ledger exactly once, or on its way, or it is named as missing.

Reads the turns from the broker, works out who had to answer them, and looks each one up in the ledger. Offsets are
taken first and the ledger is read last, so a running system balances too: what has not been resolved is in flight.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Final

from shadow import broker, dead_letters
from shadow.config import Config
from shadow.events import BrokenRecordError, Comparison, Turn, decode
from shadow.ledger import Ledger, Row
from shadow.mirror.sampling import Sampler
from shadow.topology import COMPARATOR_GROUP, COMPARISONS, RECORDER_GROUP, TURNS

NAMED: Final = 20
"""How many missing or double turns are named per arm; all are counted."""


@dataclass(slots=True)
class ArmAudit:
    """One arm's account: ``sampled = stored + in_flight + missing``."""

    sampled: int = 0
    stored: int = 0
    in_flight: int = 0
    missing: int = 0
    double: int = 0
    unexpected: int = 0
    outcomes: dict[str, int] = field(default_factory=dict)
    missing_turns: list[str] = field(default_factory=list)
    double_turns: list[str] = field(default_factory=list)
    unexpected_turns: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Report:
    """The whole account."""

    arms: dict[str, ArmAudit]
    turns: int = 0
    turn_records: int = 0
    broken: int = 0
    dead_letters_missing: list[str] = field(default_factory=list)

    @property
    def balanced(self) -> bool:
        """Whether nothing is missing, double or unexpected; what is in flight may be."""
        wrong = sum(arm.missing + arm.double + arm.unexpected for arm in self.arms.values())
        return wrong == 0 and not self.dead_letters_missing

    @property
    def in_flight(self) -> int:
        """Sampled (turn, arm) pairs that are not in the ledger yet."""
        return sum(arm.in_flight for arm in self.arms.values())

    def to_dict(self) -> dict[str, Any]:
        """For ``--json``."""
        return {**asdict(self), "balanced": self.balanced, "in_flight": self.in_flight}


@dataclass(slots=True)
class _Known:
    """A turn in the broker: where it lies, who must answer it, who is in the ledger or on the way there."""

    partition: int
    offset: int
    expected: Mapping[str, str]
    stored: list[str] = field(default_factory=list)


def audit(config: Config, ledger: Ledger, *, since_s: float = 0.0, until_s: float = float("inf")) -> Report:
    """The account of the turns that arrived in [since_s, until_s), Unix seconds by the broker's clock.

    Raises :class:`shadow.broker.BrokerError` or :class:`shadow.ledger.LedgerError` if either cannot be read.
    """
    address = config.broker.bootstrap
    # 1. How far the consumers have come: taken first, so that all below it must be found later.
    resolved = broker.committed(address, COMPARATOR_GROUP)
    recorded = broker.committed(address, RECORDER_GROUP)
    # 2. The turns, and who must answer them.
    report = Report({arm.name: ArmAudit() for arm in config.arms})
    known, first = _turns(config, report, resolved, since_s, until_s)
    # 3. Comparisons that the recorder has not committed yet.
    awaiting = _awaiting(config, recorded)
    # 4. The ledger, last.
    oldest_s = min((arrived_s for _, arrived_s in first.values()), default=float("inf"))
    for row in ledger.keys(since=max(since_s, oldest_s) - 1.0):
        turn = known.get(row.turn_id)
        if turn is not None and row.arm in turn.expected:
            _store(report.arms[row.arm], turn, row.turn_id, row.arm, row.outcome)
        elif row.arm in report.arms and since_s <= row.turn_arrived_at < until_s and _still_there(row, first):
            _name(report.arms[row.arm], "unexpected", row.turn_id)
    _balance(report, known, resolved, awaiting)
    return report


def _turns(
    config: Config, report: Report, resolved: Mapping[tuple[str, int], int], since_s: float, until_s: float
) -> tuple[dict[str, _Known], dict[int, tuple[int, float]]]:
    """The turns by id, and each partition's first record that the broker still has: offset and time."""
    sampler, known = Sampler(config.arms), dict[str, _Known]()
    first: dict[int, tuple[int, float]] = {}
    broken: dict[str, bool] = {}
    for record in broker.read(config.broker.bootstrap, TURNS):
        first.setdefault(record.partition, (record.offset, record.timestamp_s))
        if not since_s <= record.timestamp_s < until_s:
            continue
        report.turn_records += 1
        try:
            turn = decode(Turn, record.value, record.key, arrived_s=record.timestamp_s)
        except BrokenRecordError:
            passed = record.offset < resolved.get((TURNS, record.partition), 0)
            broken[f"{record.topic}/{record.partition}/{record.offset}"] = passed
            continue
        if turn.turn_id not in known:
            known[turn.turn_id] = _Known(record.partition, record.offset, sampler.expected(turn))
    report.turns, report.broken = len(known), len(broken)
    if any(broken.values()):
        written = {letter.id for letter in dead_letters.listing(config.broker.bootstrap)}
        report.dead_letters_missing = [where for where, passed in broken.items() if passed and where not in written]
    return known, first


def _still_there(row: Row, first: Mapping[int, tuple[int, float]]) -> bool:
    """Whether the broker must still have the row's turn: it has older ones of that partition.

    By offset and by time: an embedded broker begins at offset 0 again, and its earlier turns are gone.
    """
    offset, arrived_s = first.get(row.turn_partition, (0, float("inf")))
    return row.turn_offset >= offset and row.turn_arrived_at >= arrived_s


def _awaiting(config: Config, recorded: Mapping[tuple[str, int], int]) -> set[tuple[str, str]]:
    """(turn, arm) of the comparisons beyond the recorder's committed offsets."""
    start = {number: recorded.get((COMPARISONS, number), 0) for number in range(config.broker.partitions)}
    found = set()
    for record in broker.read(config.broker.bootstrap, COMPARISONS, start=start):
        try:
            comparison = decode(Comparison, record.value, record.key)
        except BrokenRecordError:
            continue  # the recorder writes its dead letter; its turn will be named as missing
        found.add((comparison.turn_id, comparison.arm))
    return found


def _store(account: ArmAudit, turn: _Known, turn_id: str, arm: str, outcome: str) -> None:
    if arm in turn.stored:
        _name(account, "double", turn_id)
        return
    turn.stored.append(arm)
    account.stored += 1
    account.outcomes[outcome] = account.outcomes.get(outcome, 0) + 1


def _balance(
    report: Report,
    known: Mapping[str, _Known],
    resolved: Mapping[tuple[str, int], int],
    awaiting: set[tuple[str, str]],
) -> None:
    for turn_id, turn in known.items():
        for arm in turn.expected:
            account = report.arms[arm]
            account.sampled += 1
            if arm in turn.stored:
                continue
            passed = turn.offset < resolved.get((TURNS, turn.partition), 0)
            if passed and (turn_id, arm) not in awaiting:
                _name(account, "missing", turn_id)
            else:
                account.in_flight += 1


def _name(account: ArmAudit, fault: str, turn_id: str) -> None:
    setattr(account, fault, getattr(account, fault) + 1)
    named: list[str] = getattr(account, f"{fault}_turns")
    if len(named) < NAMED:
        named.append(turn_id)
