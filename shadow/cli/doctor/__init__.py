"""``shadow doctor``: looks at every part, says what is wrong and what to do. It changes nothing and sends no turn."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Final

import click

from shadow import logs
from shadow.cli.doctor import parts, prometheus
from shadow.cli.doctor.runner import Check, run
from shadow.cli.root import config_file, print_json
from shadow.config import Config, ConfigError, load
from shadow.doctor import Finding, clocks, failed, fine, healthy
from shadow.doctor.processes import Wanted

MARKS: Final = {"ok": "ok  ", "warn": "WARN", "fail": "FAIL"}
WIDTH: Final = 24
Look = Callable[[], Sequence[Finding]]
BROKER_LOG: Final = "is it up, and not stopped? its log says; `shadow broker` starts one on this machine"


@click.command()
@click.option("--prometheus", "url", metavar="URL", help="Also look at this Prometheus: rules, targets, clock.")
@click.option(
    "--rules", type=click.Path(path_type=Path, exists=True, file_okay=False), help="Folder of generated rules."
)
@click.option(
    "--process",
    "elsewhere",
    multiple=True,
    metavar="NAME=HOST:PORT",
    help="Where this process serves /metrics, if not where `shadow up` would put it; may be repeated.",
)
@click.option(
    "--seconds", type=click.FloatRange(1, 300), default=20.0, show_default=True, help="How long one check may take."
)
@click.option("--json", "as_json", is_flag=True, help="For programs.")
@click.pass_context
def doctor(
    ctx: click.Context,
    *,
    url: str | None,
    rules: Path | None,
    elsewhere: tuple[str, ...],
    seconds: float,
    as_json: bool,
) -> None:
    """Check every part of the installation; for each fault, say what to do. Exit code 1 if something failed.

    Looks at broker, topics, groups, clocks, ledger, processes, arms, plug-ins, disk. Changes nothing; sends no turn.
    """
    logs.configure("doctor")
    asked = Asked(ctx.find_root().obj, config_file(ctx), url, rules, dict(map(_place, elsewhere)), seconds)
    findings = []
    for finding in _findings(asked):
        findings.append(finding)
        if not as_json:
            _print(finding)
    if as_json:
        print_json({"healthy": healthy(findings), "findings": [asdict(finding) for finding in findings]})
    elif healthy(findings):
        click.echo("nothing failed")
    ctx.exit(0 if healthy(findings) else 1)


@dataclass(frozen=True, slots=True)
class Asked:
    """What the command was given; ``path``: of the configuration, if it was named; ``file``: the one that is read."""

    path: str | None
    file: Path
    prometheus: str | None
    rules: Path | None
    places: Mapping[str, str]
    seconds: float

    @property
    def shadow(self) -> str:
        """How to call the command again with this configuration."""
        return f"shadow --config {self.path}" if self.path else "shadow"

    def placed(self, wanted: Sequence[Wanted]) -> list[Wanted]:
        """Processes where ``--process`` says they are."""
        return [replace(each, address=self.places.get(each.name, each.address)) for each in wanted]


def _place(given: str) -> tuple[str, str]:
    name, equals, address = given.partition("=")
    if not equals or not address.rpartition(":")[2].isdecimal():
        raise click.BadParameter(
            f"{given!r} is not NAME=HOST:PORT, such as recorder=10.0.0.7:9100", param_hint="--process"
        )
    return name, address


def _correct(file: Path) -> str:
    return f"correct {file}" if file.exists() else f"write {file} (README, Connect candidates), or name another file"


def _findings(asked: Asked) -> Iterator[Finding]:
    try:
        config = load(asked.path, environ=os.environ)
    except ConfigError as error:
        for problem in error.problems:
            yield failed("configuration", problem, f"{_correct(asked.file)}; then `{asked.shadow} check`")
        return
    wanted, consoles = parts.wanted_processes(config, asked.path), parts.wanted_console(config)
    if unknown := set(asked.places) - {each.name for each in (*wanted, *consoles)}:
        raise click.BadParameter(f"the configuration has no process {min(unknown)!r}", param_hint="--process")
    arms = ", ".join(arm.name for arm in config.arms) or "none"
    yield fine("configuration", f"{asked.file}: arms {arms}; broker {','.join(config.broker.bootstrap)}")
    checks = [*_checks(asked, config, asked.placed(wanted))]
    checks += [(f"process {each.name}", partial(parts.console, each), each.start) for each in asked.placed(consoles)]
    yield from run([Check(*each, asked.seconds) for each in checks])


def _checks(asked: Asked, config: Config, wanted: Sequence[Wanted]) -> Iterator[tuple[str, Look, str]]:
    """Each check's name, what it does, and what to do if it hangs."""
    shadow, limit_s = asked.shadow, clocks.slack_s(config)
    yield "plug-ins", partial(parts.plug_ins, config), f"which one hangs? `{shadow} plugins list`"
    yield "disk", partial(parts.disks, config), "is a network file system away? `df -h`"
    for address in config.broker.bootstrap:
        yield f"broker {address}", partial(parts.broker, config, address), BROKER_LOG
    yield "topics", partial(parts.topics, config, shadow), parts.ABOVE
    yield "groups", partial(parts.groups, config), parts.ABOVE
    yield "clock broker", partial(parts.broker_clock, config), parts.ABOVE
    yield "ledger", partial(parts.ledger, config, shadow), "is its database up, and is the way open?"
    for each in wanted:
        yield f"process {each.name}", partial(parts.process, each, limit_s), each.start
    for arm in parts.asked(config):
        remedy = "is the model's server up, and its name known? until then turns end as timeout"
        yield f"arm {arm.name}", partial(parts.arm, arm, os.environ), remedy
    if asked.prometheus:
        look = partial(prometheus.look, asked.prometheus, asked.rules, len(wanted), limit_s)
        yield "prometheus", look, "is it up, and the way to it open?"


def _print(finding: Finding) -> None:
    click.echo(f"{MARKS[finding.status]} {finding.check:<{WIDTH}} {finding.says}")
    if finding.remedy:
        click.echo(f"{'':{len(MARKS['ok'])}} {'':<{WIDTH}} -> {finding.remedy}")
