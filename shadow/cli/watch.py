"""``shadow watch``: the running system in the terminal, from the ledger and the broker's offsets."""

from __future__ import annotations

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
from shadow.events import OUTCOME_KINDS
from shadow.ledger import Ledger, LedgerError
from shadow.topology import ARM_REPLIES, COMPARATOR_GROUP, COMPARISONS, RECORDER_GROUP, REPLIES, TURNS, mirror_group

REFRESH_S = 1.0


@click.command()
@click.option("--seconds", type=float, help="Stop after so long.")
@click.option("--json", "as_json", is_flag=True, help="One snapshot, for programs.")
@click.pass_context
def watch(ctx: click.Context, *, seconds: float | None, as_json: bool) -> None:
    """Show turns a second, each arm's outcomes, divergence and failures, and how far the consumers are behind."""
    config, console = configuration(ctx), Console()
    try:
        with Ledger(config.ledger.url) as ledger:
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

    def snapshot(self) -> dict[str, Any]:
        """The system now: turns a second, lag per group in records, and the ledger's stats per arm."""
        address = self.config.broker.bootstrap
        now, turns = time.monotonic(), sum(broker.end_offsets(address, [TURNS]).values())
        rate = (turns - self._before[1]) / (now - self._before[0]) if self._before else None
        self._before = (now, turns)
        groups = {mirror_group(arm.name): (TURNS,) for arm in self.config.arms}
        groups |= {COMPARATOR_GROUP: (TURNS, REPLIES, ARM_REPLIES), RECORDER_GROUP: (COMPARISONS,)}
        lags = {group: sum(broker.lag(address, group, topics).values()) for group, topics in groups.items()}
        return {"turns": turns, "turns_per_s": rate, "lag": lags, **self.ledger.stats()}


def render(snapshot: dict[str, Any]) -> Group:
    """The snapshot as two tables for the terminal."""
    rate = snapshot["turns_per_s"]
    head = Text(f"{snapshot['turns']} turns mirrored to {len(snapshot['lag']) - 2} arms", style="bold")
    if rate is not None:
        head.append(f"   {rate:.1f} turns/s")
    return Group(head, _arms(snapshot["arms"]), _lag(snapshot["lag"]))


def _arms(arms: dict[str, Any]) -> Table:
    table = Table(title="Arms: outcomes, divergence from production, failures")
    table.add_column("arm")
    for heading in ("comparisons", *(kind.replace("_", " ") for kind in OUTCOME_KINDS)):
        table.add_column(heading, justify="right")
    for heading in ("semantic", "lexical", "p95 s", "usd"):
        table.add_column(heading, justify="right")
    table.add_column("failures")
    for name in sorted(arms, key=lambda arm: (arm != "control", arm)):
        arm = arms[name]
        outcomes = [str(arm["outcomes"].get(kind, 0)) for kind in OUTCOME_KINDS]
        scores = [_number((arm["measures"].get(measure) or {}).get("mean")) for measure in ("semantic", "lexical")]
        latency = _number((arm["candidate_latency_s"] or {}).get("p95"), 2)
        failures = ", ".join(f"{kind} {count}" for kind, count in sorted(arm["failures"].items(), key=lambda f: -f[1])[:4])
        table.add_row(
            name, str(arm["comparisons"]), *outcomes, *scores, latency, _number(arm["cost_usd"], 4), failures or "-"
        )
    return table


def _lag(lags: dict[str, int]) -> Table:
    table = Table(title="Records not yet done")
    for group in lags:
        table.add_column(group.removeprefix("shadow."), justify="right")
    table.add_row(*(str(lag) for lag in lags.values()))
    return table


def _number(value: float | None, digits: int = 3) -> str:
    """A number, or a dash: no data is not zero."""
    return "-" if value is None else f"{value:.{digits}f}"
