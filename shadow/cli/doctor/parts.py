"""Looks at broker, ledger, plug-ins, disk and processes: gathers facts, and lets :mod:`shadow.doctor` decide."""

from __future__ import annotations

import re
import shutil
import time
from collections.abc import Mapping, Sequence
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Final, Literal

from shadow import __version__, plugins
from shadow.adapters import AdapterConfigError, create
from shadow.adapters.anthropic import VERSION
from shadow.broker import BrokerError, LoginError, look
from shadow.cli.doctor.http import Answer, NoAnswerError, get
from shadow.config import AnthropicAdapter, Arm, CallableAdapter, Config, HTTPAdapter, OpenAIAdapter, unsecret
from shadow.dead_letters import printable
from shadow.doctor import Finding, brokers, clocks, endpoints, failed, fine, ledgers, machine, processes
from shadow.ledger import LedgerError
from shadow.ledger.look import look as ledger_look
from shadow.ledger.schema import REVISION
from shadow.processes import consumer_parts

BUILD: Final = re.compile(r'^shadow_build_info\{process="([^"]*)",version="([^"]*)"\}|'
                          r'^shadow_build_info\{version="([^"]*)",process="([^"]*)"\}', re.MULTILINE)  # fmt: skip
LINES: Final = 5
"""Of a body's reasons, as many as are shown."""

ABOVE: Final = "see the broker's line here first"


def plug_ins(config: Config) -> list[Finding]:
    """Whether every plug-in that is in use can be loaded, and gives the slices that the gate names."""
    try:
        evaluator, revision = plugins.evaluator(config)
    except plugins.PluginError as error:
        return [
            failed("plug-ins", str(error), "install what is missing, or take it out; `shadow plugins list` shows all")
        ]
    problems = plugins.unknown_slices(config, evaluator)
    if problems:
        remedy = "correct gate.guardrails or slices; `shadow check` names the lines"
        return [failed("plug-ins", what, remedy) for what in problems.values()]
    broken = [each for each in plugins.listing() if each.error]
    count = len(evaluator.measures) + len(evaluator.detectors) + len(evaluator.slicers)
    found = [fine("plug-ins", f"{count} in use, evaluator {revision}")]
    return found + [failed("plug-ins", str(each.error), "repair or remove that package") for each in broken]


def disks(config: Config) -> list[Finding]:
    """Room where the ledger and the logs lie, as far as that is on this machine."""
    places = {"logs": Path()}
    scheme, _, path = config.ledger.url.partition(":///")
    if scheme == "sqlite":
        places["ledger"] = Path(path).parent
    found = []
    for what, place in places.items():
        there = next(folder for folder in (place.absolute(), *place.absolute().parents) if folder.is_dir())
        usage = shutil.disk_usage(there)
        found.append(machine.on_disk(what, str(there), free=usage.free, total=usage.total))
    return found


def broker(config: Config, address: str) -> list[Finding]:
    """One address of ``broker.url``."""
    try:
        return [brokers.on_address(address, look.cluster(address))]
    except BrokerError as error:
        return [brokers.no_answer(address, str(error), config, login=isinstance(error, LoginError))]


def topics(config: Config, shadow: str) -> list[Finding]:
    """Every topic of the topology."""
    try:
        return brokers.on_topics(config, look.topics(config.broker.bootstrap), shadow)
    except BrokerError:
        return [failed("topics", "could not be looked at: the broker does not answer", ABOVE)]


def groups(config: Config) -> list[Finding]:
    """Every consumer group's lag."""
    wanted = brokers.groups(config)
    try:
        there = look.topics(config.broker.bootstrap)
        known = {group: [topic for topic in read_by if topic in there] for group, read_by in wanted.items()}
        return brokers.on_groups(look.groups(config.broker.bootstrap, known), time.time())
    except BrokerError:
        return [failed("groups", "could not be looked at: the broker does not answer", ABOVE)]


def broker_clock(config: Config) -> list[Finding]:
    """The broker's clock, as far as records betray it."""
    try:
        seen = look.newest(config.broker.bootstrap, look.topics(config.broker.bootstrap))
    except BrokerError:
        return [failed("clock broker", "could not be looked at: the broker does not answer", ABOVE)]
    return [clocks.of_broker(seen, time.time(), clocks.slack_s(config))]


def ledger(config: Config, shadow: str) -> list[Finding]:
    """The ledger, and the clocks that it knows."""
    try:
        found = ledger_look(config.ledger.url)
    except LedgerError as error:
        remedy = "`shadow up` makes it" if "no such file" in str(error) else "start or repair it, or correct ledger.url"
        return [failed("ledger", str(error), remedy)]
    now_s, limit_s = time.time(), clocks.slack_s(config)
    findings = ledgers.on_ledger(found, head=REVISION, now_s=now_s, stale_s=config.gate.max_age_s, shadow=shadow)
    findings += clocks.of_rows(found.newest_s, now_s, limit_s)
    if found.clock_s is not None:
        findings.append(clocks.skew("clock ledger", found.clock_s, found.took_s, limit_s))
    return findings


def wanted_console(config: Config) -> list[processes.Wanted]:
    """The console, if ``shadow up`` starts it."""
    address = f"{_reached(config.console.host)}:{config.console.port}"
    started = processes.Wanted("console", address, "start it: `shadow console`, or all parts: `shadow up`")
    return [started] if config.console.up else []


def console(wanted: processes.Wanted) -> list[Finding]:
    """Whether it answers."""
    try:
        answer = get(f"http://{wanted.address}/healthz")
    except NoAnswerError as error:
        return [processes.on_silence(wanted, error.how, printable(str(error)))]
    return [processes.on_console(wanted, answer.status, answer.body[:100].decode(errors="replace"))]


def _reached(host: str) -> str:
    return "127.0.0.1" if host in {"0.0.0.0", "::"} else host  # noqa: S104 (every address)


def wanted_processes(config: Config, path: str | None) -> list[processes.Wanted]:
    """Where ``shadow up`` lets each process serve."""
    host = _reached(config.metrics.host)
    arms = [arm.name for arm in config.arms]
    parts = consumer_parts(arms, judge=config.judge is not None, config=path, metrics_port=config.metrics.port)
    return [
        processes.Wanted(
            part.name,
            f"{host}:{config.metrics.port + index}",
            f"start it: `python {' '.join(part.command[1:])}`, or all parts: `shadow up`",
        )
        for index, part in enumerate(parts)
    ]


def process(wanted: processes.Wanted, limit_s: float) -> list[Finding]:
    """One process's three pages."""
    try:
        health, ready, metrics = (get(f"http://{wanted.address}{path}") for path in ("/healthz", "/readyz", "/metrics"))
    except NoAnswerError as error:
        return [processes.on_silence(wanted, error.how, printable(str(error)))]
    match = BUILD.search(metrics.body.decode(errors="replace"))
    name, version = (match[1] or match[4], match[2] or match[3]) if match else ("", "")
    ahead = _ahead_s(health)
    served = processes.Served(
        _reasons(health), _reasons(ready), printable(name), printable(version), ahead, 0.5 + health.took_s / 2
    )
    return processes.on_process(wanted, served, version=__version__, limit_s=limit_s)


def _reasons(answer: Answer) -> tuple[str, ...]:
    lines = answer.body.decode(errors="replace").splitlines()[:LINES]
    return () if answer.status < 300 else tuple(printable(line[:300]) for line in lines) or ("it does not say why",)  # noqa: PLR2004


def _ahead_s(answer: Answer) -> float | None:
    """By its Date, which is in whole seconds, cut: so half a second is added, and half a second is unsure."""
    try:
        return parsedate_to_datetime(answer.date or "").timestamp() + 0.5 - answer.at_s
    except ValueError:
        return None


def arm(who: Arm, environ: Mapping[str, str]) -> list[Finding]:
    """An arm's adapter, key and endpoint; the key's value is sent to its endpoint and shown to nobody."""
    adapter = who.adapter
    variable = None if isinstance(adapter, CallableAdapter) else adapter.api_key_env
    key = environ.get(variable, "").strip() if variable else ""
    if variable and not key:
        return [endpoints.no_key(who.name, variable)]
    try:
        create(who, environ=environ)
    except AdapterConfigError as error:
        return [endpoints.not_made(who.name, printable(str(error)))]
    if isinstance(adapter, CallableAdapter):
        return [endpoints.in_process(who.name, adapter.target)]
    url, headers, method = _question(adapter, key)
    where = unsecret(url)
    try:
        answer = get(url, headers, method=method)
    except (NoAnswerError, ValueError) as error:
        how = error.how if isinstance(error, NoAnswerError) else "broken"
        return [endpoints.on_silence(who.name, where, how, printable(str(error)))]
    return [endpoints.on_answer(who.name, where, answer.status, answer.took_s, variable)]


def _question(
    adapter: OpenAIAdapter | AnthropicAdapter | HTTPAdapter, key: str
) -> tuple[str, dict[str, str], Literal["GET", "OPTIONS"]]:
    """What costs nothing and is no turn: the list of models, or what an endpoint of one's own allows."""
    bearer = {"Authorization": f"Bearer {key}"} if key else {}
    if isinstance(adapter, HTTPAdapter):
        return adapter.url, bearer, "OPTIONS"
    if isinstance(adapter, AnthropicAdapter):
        headers = {"anthropic-version": VERSION} | ({"x-api-key": key} if key else {})
        return f"{adapter.base_url.rstrip('/')}/v1/models", headers, "GET"
    return f"{adapter.base_url.rstrip('/')}/models", bearer, "GET"


def asked(config: Config) -> Sequence[Arm]:
    """Everybody whom the shadow asks: the arms, and the judge."""
    return (*config.arms, *((config.judge.arm,) if config.judge else ()))
