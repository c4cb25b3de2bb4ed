"""Where a backtest's evidence lies, and that nothing else lies there."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from shadow import plugins
from shadow.adapters.recorded import TARGET, Recorded, recorded
from shadow.backtest.clock import setting
from shadow.backtest.history import History
from shadow.backtest.lines import BacktestError
from shadow.comparator.evaluator import Evaluator
from shadow.config import Arm, CallableAdapter, Config, ConfigError, Limits
from shadow.gate.experiment import Experiment
from shadow.ledger import Cursor, Ledger

FOLDER: Final = Path(".shadow/backtest")

AT_ONCE: Final = 64
"""Recorded replies that are looked up at the same time."""

NEVER_OPENS: Final = 10**9
"""What failed when it was recorded failed then: no reason to leave anybody alone now."""


@dataclass(frozen=True, slots=True)
class Setup:
    """What is tried: the configuration of the backtest, the candidate's experiment, and how replies are judged."""

    config: Config
    experiment: Experiment
    evaluator: Evaluator
    evaluator_revision: str
    replies: Mapping[str, Recorded]
    """By arm, what was recorded; empty: the arms are asked."""

    @property
    def arm(self) -> Arm:
        """The candidate."""
        return self.config.arm(self.experiment.candidate)


def setup(config: Config, candidate: str, replies: str | None = None) -> Setup:
    """Raises :class:`ConfigError`, :class:`~shadow.plugins.PluginError`, and :class:`OSError` of ``replies``."""
    arms = [] if replies is None else [_recorded(arm, replies) for arm in config.arms]
    own = setting(config, candidate, arms)
    evaluator, revision = plugins.evaluator(own)
    if problems := plugins.unknown_slices(own, evaluator):
        raise ConfigError([f"{'.'.join(map(str, loc))}: {what}" for loc, what in problems.items()])
    found = {} if replies is None else {arm.name: recorded(**_settings(arm)) for arm in own.arms}
    for name, said in found.items():
        if not len(said):
            raise BacktestError(f"{replies} holds no reply of {name!r}: each line needs type 'reply' and arm {name!r}")
    return Setup(own, Experiment.of(own, candidate, revision), evaluator, revision, found)


def places(chosen: Setup, history: History, ledger: Path | None) -> tuple[Path, Path]:
    """The ledger's file, ``ledger`` if it is given, and the journal's.

    By themselves both are named by what they rest on: the same command finds them again; another gate gets another
    ledger and the same replies; another history, candidate or revision gets both anew.
    """
    if ledger is not None:
        return ledger, ledger.with_name(f"{ledger.name}.replies.jsonl")
    asked = [history.digest, *(arm.revision for arm in chosen.config.arms)]
    name = chosen.experiment.candidate
    return (
        FOLDER / f"{name}-{_short([history.digest, chosen.experiment.id])}.db",
        FOLDER / f"{name}-{_short(asked)}.replies.jsonl",
    )


def recorded_turns(ledger: Ledger, chosen: Setup) -> set[tuple[str, str]]:
    """Turn and arm of each comparison that is there. Raises :class:`BacktestError` if one is not this backtest's."""
    revisions = {arm.name: arm.revision for arm in chosen.config.arms}
    found = set()
    columns = ("turn_id", "arm", "arm_revision", "evaluator_revision")
    for batch in ledger.read_on(Cursor(), columns, ("outcome_id",)):
        for turn_id, arm, revision, evaluator in batch.comparisons:
            if revisions.get(arm) != revision or evaluator != chosen.evaluator_revision:
                raise BacktestError(
                    f"the ledger holds a comparison of {arm!r}, revision {revision}, evaluator {evaluator}: it is not "
                    f"this backtest's, and evidence is never mixed; name another --ledger"
                )
            found.add((turn_id, arm))
    return found


def _recorded(arm: Arm, file: str) -> Arm:
    """``arm`` as the recorded replies' file answers for it: another revision for each content of the file."""
    settings = {"file": file, "arm": arm.name, "sha256": _digest(file)}
    limits = Limits(
        max_in_flight=AT_ONCE, attempts=1, breaker_failures=NEVER_OPENS, max_turn_bytes=arm.limits.max_turn_bytes
    )
    adapter = CallableAdapter(type="callable", target=TARGET, settings=settings)
    return arm.model_copy(update={"adapter": adapter, "limits": limits})


def _digest(file: str) -> str:
    with Path(file).open("rb") as raw:
        return hashlib.file_digest(raw, "sha256").hexdigest()


def _settings(arm: Arm) -> dict[str, str]:
    assert isinstance(arm.adapter, CallableAdapter)  # noqa: S101 (narrows the type: _recorded made it)
    return arm.adapter.settings


def _short(parts: list[str]) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:12]
