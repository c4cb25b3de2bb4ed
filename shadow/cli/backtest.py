"""``shadow backtest``: try a candidate on history, and end with the gate's verdict: 0 PROMOTE, 2 HOLD, 3 REJECT.

1 is an error, wrong use included: elsewhere that is 2, which would say HOLD.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from shadow import broker, plugins
from shadow.adapters import AdapterConfigError, create
from shadow.backtest import BacktestError
from shadow.backtest.budget import Budget
from shadow.backtest.history import History, Line
from shadow.backtest.journal import Journal
from shadow.backtest.run import Backtest, Done
from shadow.backtest.run import Progress as State
from shadow.backtest.work import Setup, places, setup
from shadow.broker import BrokerError
from shadow.cli.gate import EXIT, Verdicts
from shadow.cli.gate_report import SAID, estimate
from shadow.cli.root import Unavailable, print_json
from shadow.config import ENV_CONFIG, Config, ConfigError, load
from shadow.ledger import Ledger, LedgerError
from shadow.simulate import sample_path
from shadow.spool import lines
from shadow.topology import OUTCOMES, REPLIES, TURNS

PLAIN_EVERY_S: Final = 5.0
POSITIVE: Final = click.FloatRange(min=0, min_open=True)
FILE: Final = click.Path(exists=True, dir_okay=False, readable=True)
WHY: Final = {"max_turns": "--max-turns", "max_cost": "--max-cost", "max_seconds": "--max-seconds"}


@click.command(cls=Verdicts)
@click.argument("candidate")
@click.argument("files", nargs=-1, type=FILE, metavar="[HISTORY]...")
@click.option("--sample", is_flag=True, help="Take the packaged sample conversations as history.")
@click.option("--from-broker", is_flag=True, help="Take the turns, replies and outcomes that the broker still holds.")
@click.option("--replies", type=FILE, help="The candidate's replies, and control's, as recorded: nobody is asked.")
@click.option(
    "--ledger", type=click.Path(dir_okay=False, path_type=Path), help="SQLite file [default: one of its own]."
)
@click.option("--max-turns", type=click.IntRange(min=1), help="In whole conversations; all runs together.")
@click.option("--max-cost", type=POSITIVE, help="US dollars, all runs together [default: limits.usd_per_day].")
@click.option("--max-seconds", type=POSITIVE, help="Of this run; calls under way are waited for.")
@click.option("--until-decided", is_flag=True, help="Stop asking as soon as the verdict is PROMOTE or REJECT.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")
@click.pass_context
def backtest(
    ctx: click.Context,
    candidate: str,
    files: Sequence[str],
    *,
    sample: bool,
    from_broker: bool,
    replies: str | None,
    ledger: Path | None,
    max_turns: int | None,
    max_cost: float | None,
    max_seconds: float | None,
    until_decided: bool,
    as_json: bool,
) -> None:
    """Ask CANDIDATE what production was asked, judge the replies as live, and say what the gate says.

    HISTORY are JSON Lines (also .gz): recorded conversations, or events as they stand on the wire. The same command
    goes on where an earlier run ended. Exit code 0 PROMOTE, 2 HOLD, 3 REJECT, 1 error.
    """
    files = [*files, *([sample_path()] if sample else [])]
    if not files and not from_broker:
        raise click.UsageError("name a file of history, or use --from-broker or --sample")
    budget = Budget(max_turns, max_cost, max_seconds)
    try:
        config = load(ctx.find_root().obj or os.environ.get(ENV_CONFIG), environ=os.environ)
        given = [*files, *([replies] if replies else [])]
        history = History(_read(config, given, from_broker=from_broker))
        for problem in history.problems:
            click.echo(problem, err=True)
        chosen = setup(config, candidate, replies)
        done, where = _run(chosen, history, _priced(chosen, budget), ledger, until_decided=until_decided)
    except (ConfigError, AdapterConfigError, plugins.PluginError, LedgerError, BacktestError, BrokerError) as error:
        raise Unavailable(str(error)) from None
    except (OSError, ValueError) as error:
        raise Unavailable(str(error)) from None
    except KeyboardInterrupt:
        raise Unavailable("interrupted; start the same command again to go on") from None
    found = {**done.report, "backtest": _summary(done, history, where)}
    if as_json:
        print_json(found)
    else:
        for line in _words(found):
            click.echo(line)
    ctx.exit(EXIT[found["verdict"]])


def _read(config: Config, files: Sequence[str], *, from_broker: bool) -> Iterator[Line]:
    for file in files:
        for number, line in enumerate(lines(file), 1):
            yield Line(f"{file}:{number}", line)
    for topic in (TURNS, REPLIES, OUTCOMES) if from_broker else ():
        for record in broker.read(config.broker.bootstrap, topic):
            yield Line(f"{topic}/{record.partition}/{record.offset}", record.value or b"")


def _priced(chosen: Setup, budget: Budget) -> Budget:
    """``budget`` with the arm's daily one where no other is given. Raises :class:`BacktestError` without a price."""
    arm = chosen.arm
    if chosen.replies:
        return Budget(budget.turns, None, budget.seconds)
    usd = arm.limits.usd_per_day if budget.usd is None else budget.usd
    if usd is not None and not (arm.price.input_usd_per_million or arm.price.output_usd_per_million):
        raise BacktestError(f"{arm.name!r} has no price, so what it costs cannot be kept: set price in shadow.yaml")
    return Budget(budget.turns, usd, budget.seconds)


def _run(
    chosen: Setup, history: History, budget: Budget, ledger: Path | None, *, until_decided: bool
) -> tuple[Done, tuple[Path, Path]]:
    logging.getLogger("alembic").setLevel(logging.WARNING)  # a new ledger is nothing to report
    file, kept = places(chosen, history, ledger)
    adapters = {arm.name: create(arm, environ=os.environ) for arm in chosen.config.arms}
    with Journal(kept, history.digest) as journal, Ledger(f"sqlite:///{file}") as book, _progress() as show:
        made = Backtest(
            chosen,
            history,
            journal,
            book,
            adapters=adapters,
            budget=budget,
            until_decided=until_decided,
            on_progress=show,
        )
        if not made.progress.conversations:
            raise BacktestError(
                f"history holds no turn that {chosen.experiment.candidate!r} could be tried on: "
                f"{_counted(history)}; a turn needs production's reply, and metadata within the candidate's scope"
            )
        return asyncio.run(made.run()), (file, kept)


@contextmanager
def _progress() -> Iterator[Callable[[State], None]]:
    """A bar on a terminal, else a line now and then; on the side of errors, as the verdict goes to the other."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield _plain()
        return
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("turns", total=None)

        def show(state: State) -> None:
            bar.update(task, total=state.turns, completed=state.written, description=f"turns{_spent(state)}")

        yield show


def _plain() -> Callable[[State], None]:
    said_at = time.monotonic()

    def show(state: State) -> None:
        nonlocal said_at
        if time.monotonic() - said_at >= PLAIN_EVERY_S:
            said_at = time.monotonic()
            click.echo(f"backtest: {state.written} of {state.turns} turns{_spent(state)}", err=True)
            sys.stderr.flush()

    return show


def _spent(state: State) -> str:
    return f", {state.spent.usd:.2f} USD" if state.spent.usd else ""


def _summary(done: Done, history: History, where: tuple[Path, Path]) -> dict[str, Any]:
    state = done.progress
    return {
        "history": {
            "conversations": state.conversations,
            "turns": state.turns,
            "unanswered": history.unanswered,
            "strays": history.strays,
            "repeated_lines": history.repeated,
            "bad_lines": history.bad,
            "problems": history.problems,
            "digest": history.digest,
        },
        "recorded": {"conversations": state.written_conversations, "turns": state.written},
        "left": {
            "conversations": state.conversations - state.written_conversations,
            "turns": state.turns - state.written,
        },
        "stopped_by": done.why,
        "asked": done.asked,
        "answered_before": done.kept,
        "cost_usd": round(state.spent.usd, 6),
        "plugin_errors": state.plugin_errors,
        "decided_after": None if done.decided is None else {"conversations": done.decided[0], "turns": done.decided[1]},
        "ledger": str(where[0]),
        "replies": str(where[1]),
    }


def _words(found: dict[str, Any]) -> Iterator[str]:
    own, verdict, name = found["backtest"], found["verdict"], found["candidate"]
    of = f"revision {found['revision']}, experiment {found['experiment']}"
    yield f"{verdict}: {name} {SAID[verdict]} (backtest, {of})"
    for each in found["reasons"]:
        yield f"  {each['why']}: {each['detail']}"
    for each in found["cells"]:
        if each["name"] in found["culprits"] and each["estimate"] is not None:
            yield f"  {each['name']}: {estimate(each)}"
    if own["decided_after"]:
        yield "  decided after {conversations} conversations, {turns} turns".format(**own["decided_after"])
    if verdict == "HOLD" and (more := found["ahead"]["conversations"]):
        yield f"  about {more:,} conversations more would do, if they were like these"
    yield (
        f"on {own['recorded']['conversations']} of {own['history']['conversations']} conversations, "
        f"{own['recorded']['turns']} of {own['history']['turns']} turns; asked {sum(own['asked'].values())}"
        f"{_usd(own['cost_usd'])}"
    )
    if own["left"]["turns"]:
        why = WHY.get(own["stopped_by"] or "", "the verdict" if own["stopped_by"] else "failures")
        yield (
            f"stopped by {why}: {own['left']['conversations']} conversations, {own['left']['turns']} turns are left; "
            f"the same command goes on, with a larger budget if it is spent"
        )
    yield from _passed_over(own["history"])
    for error in own["plugin_errors"]:
        yield f"plug-in failed: {error}"
    yield f"ledger: {own['ledger']}; replies: {own['replies']}"


def _passed_over(history: dict[str, Any]) -> Iterator[str]:
    for key, what in (
        ("bad_lines", "lines could not be used, see above"),
        ("unanswered", "turns have no reply of production's: nothing to compare with"),
        ("strays", "replies or outcomes belong to no turn"),
        ("repeated_lines", "lines repeat earlier ones"),
    ):
        if history[key]:
            yield f"passed over: {history[key]} {what}"


def _counted(history: History) -> str:
    found = ", ".join(f"{count} {kind}" for kind, count in history.counts.items()) or "nothing"
    return f"{found}, {history.unanswered} turns unanswered, {history.bad} bad lines"


def _usd(usd: float) -> str:
    return f", {usd:.2f} USD in all" if usd else ""
