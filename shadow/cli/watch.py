"""``shadow watch``: the running system in the terminal, from the ledger and the broker's offsets."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field
from typing import Any

import click
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from shadow import broker
from shadow.cli.root import Unavailable, configuration, print_json
from shadow.config import Config
from shadow.events import CONTROL, OUTCOME_KINDS
from shadow.gate.guardrails import OVERALL
from shadow.ledger import Ledger, LedgerError
from shadow.topology import ARM_REPLIES, COMPARATOR_GROUP, COMPARISONS, RECORDER_GROUP, REPLIES, TURNS, mirror_group

REFRESH_S = 1.0
NOISE_FLOOR_S = 15.0
"""How often the noise floor is worked out: it takes twice as long as all the rest."""


@click.command()
@click.option("--seconds", type=float, help="Stop after this many seconds.")
@click.option("--json", "as_json", is_flag=True, help="One snapshot, for programs.")
@click.pass_context
def watch(ctx: click.Context, *, seconds: float | None, as_json: bool) -> None:
    """Show turns a second, each arm's outcomes, divergence and failures, and how far the consumers are behind."""
    config, console = configuration(ctx), wide_console()
    try:
        with Ledger(config.ledger.url, create=False) as ledger:
            view = View(config, ledger)
            if as_json:
                print_json(view.snapshot())
                return
            ends_at = time.monotonic() + seconds if seconds else float("inf")
            with Live(console=console, auto_refresh=False) as live:
                while time.monotonic() < ends_at:
                    live.update(render(view.snapshot()), refresh=True)
                    time.sleep(REFRESH_S)
    except (broker.BrokerError, LedgerError) as error:
        raise Unavailable(str(error)) from None
    except KeyboardInterrupt:
        return


@dataclass(slots=True)
class View:
    """What is shown, and what it must remember to tell a rate."""

    config: Config
    ledger: Ledger
    _before: tuple[float, int] | None = field(default=None)
    _floors: dict[str, Any] = field(default_factory=dict)
    _floors_until: float = field(default=-math.inf)

    def snapshot(self) -> dict[str, Any]:
        """The system now: turns a second, lag per group in records, and the ledger's stats per arm."""
        address = self.config.broker.bootstrap
        now, turns = time.monotonic(), sum(broker.end_offsets(address, [TURNS]).values())
        rate = (turns - self._before[1]) / (now - self._before[0]) if self._before else None
        self._before = (now, turns)
        groups: dict[str, tuple[str, ...]] = {mirror_group(arm.name): (TURNS,) for arm in self.config.arms}
        groups |= {COMPARATOR_GROUP: (TURNS, REPLIES, ARM_REPLIES), RECORDER_GROUP: (COMPARISONS,)}
        behind = {group: sum(lag.values()) for group, lag in broker.lags(address, groups).items()}
        return {"turns": turns, "turns_per_s": rate, "lag": behind, **self._stats(now)}

    def _stats(self, now: float) -> dict[str, Any]:
        """The ledger's stats; each arm's noise floor is up to NOISE_FLOOR_S old."""
        due = now >= self._floors_until
        stats = self.ledger.stats(noise_floor=due, alpha=self.config.gate.alpha)
        if due:
            self._floors = {name: arm["noise_floor"] for name, arm in stats["arms"].items()}
            self._floors_until = now + NOISE_FLOOR_S
        for name, arm in stats["arms"].items():
            arm["noise_floor"] = self._floors.get(name)
        return stats


def wide_console() -> Console:
    """Standard output; where it is no terminal, wide enough for the table."""
    console = Console()
    return console if console.is_terminal else Console(width=120)


def render(snapshot: dict[str, Any]) -> Group:
    """The snapshot as two tables for the terminal."""
    rate = snapshot["turns_per_s"]
    head = Text(f"{snapshot['turns']} turns mirrored to {len(snapshot['lag']) - 2} arms", style="bold")
    if rate is not None:
        head.append(f"   {rate:.1f} turns/s")
    return Group(head, _arms(snapshot["arms"]), _lag(snapshot["lag"]))


def _arms(arms: dict[str, Any]) -> Table:
    table = Table(title="Arms: how turns ended, share that diverged from production, largest excess over the control")
    table.add_column("arm", no_wrap=True)
    for heading in ("turns", "compared", "failed", "shed", "expired", "diverged", "p95 s", "USD"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("excess", overflow="fold")
    table.add_column("failures", overflow="fold")
    for name in sorted(arms, key=lambda arm: (arm != CONTROL, arm)):
        arm = arms[name]
        ended = arm["outcomes"]
        failed = sum(ended.get(kind, 0) for kind in OUTCOME_KINDS if kind.endswith("failed"))
        failures = sorted(arm["failures"].items(), key=lambda item: -item[1])
        table.add_row(
            name,
            str(arm["comparisons"]),
            str(ended.get("compared", 0)),
            str(failed),
            str(ended.get("shed", 0)),
            str(ended.get("expired", 0)),
            "-" if arm["agreement"]["share"] is None else f"{1 - arm['agreement']['share']:.1%}",
            _number((arm["candidate_latency_s"] or {}).get("p95"), 2),
            _number(arm["cost_usd"], 4),
            largest_excess(arm["noise_floor"]),
            ", ".join(f"{kind} {count}" for kind, count in failures[:4]) or "-",
        )
    return table


def largest_excess(floor: dict[str, Any] | None) -> str:
    """The measure that exceeds the control's by most, with its call; of those that are different, if any is."""
    overall = [each for each in (floor or {}).get("measures", ()) if each["slice"] == OVERALL]
    known = [each for each in overall if each["excess"] is not None]
    if not known:
        return overall[0]["reason"] if overall else "-"
    most = max(known, key=lambda each: (each["call"] == "different", each["excess"]))
    return f"{most['measure']} {most['excess']:+.3f} {most['call'].replace('_', ' ')}"


def _lag(lags: dict[str, int]) -> Text:
    return Text(
        "records not yet done: " + ", ".join(f"{group.removeprefix('shadow.')} {n}" for group, n in lags.items())
    )


def _number(value: float | None, digits: int) -> str:
    """A number, or a dash: no data is not zero."""
    return "-" if value is None else f"{value:.{digits}f}"
