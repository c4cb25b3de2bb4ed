"""A whole shadow under watch: real consumers and gate, a real Prometheus and a real Alertmanager, as deploy/ has them.

What ``python -m dashboards.build`` writes from the owners in ``shadow.yaml`` is loaded as it is; addresses are set, and
times are ``faster``. Models are the simulated ones, traffic comes through a Tap whose figures are scraped too.
"""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final

import yaml
from prometheus_client import CollectorRegistry, start_http_server

from dashboards.limits import GATE_JOB, JOB, TAP_JOB
from dashboards.site import quicker
from shadow.events import CONTROL
from shadow.metrics.tap import TapCollector
from shadow.simulate import models
from shadow.simulate.customers import TOOLS
from shadow.tap import Tap
from tests.fixtures import brokers, prometheus
from tests.fixtures.console import Console, console
from tests.fixtures.system import ROOT, System
from tests.fixtures.waiting import until
from tests.observability.live import Live
from tests.observability.webhooks import Inbox, inbox
from tests.pipeline.test_simulate_server import serving

OWNERS: Final = {CONTROL: "support-platform", "better": "team-quality", "leaky": "team-savings"}
MODELS: Final = {CONTROL: "support-prod", "better": "support-better", "leaky": "support-slice-worse"}
CANDIDATES: Final = ("better", "leaky")
TURNS_PER_S: Final = 6.0
READY_S: Final = 240.0
FASTEST_SCRAPES: Final = 15.0
"""Scrapes have a second at least: a busy machine does not answer in less, and what is not scraped is not there."""

GRAFANA: Final = "https://grafana.example"
GATE: Final[dict[str, Any]] = {
    "cycle_s": 0,
    "look_every_s": 2,
    "conversation_idle_s": 5,
    "min_conversations": 10,
    "min_closed_per_open": 0,
    "min_completeness": 0.5,
    "guardrails": [
        {"kind": "failure", "name": "any_failure", "margin": 0.05, "slices": ["tool_use"]},
        {"kind": "excess_divergence", "name": "facts", "measure": "facts", "margin": 0.05},
    ],
}


def arms(base: str) -> list[dict[str, Any]]:
    """Control and candidates, of one owner each."""
    return [
        {
            "name": name,
            "owner": owner,
            "adapter": {"type": "openai", "base_url": f"{base}/v1", "model": MODELS[name], "params": {"seed": 7}},
            "price": {"input_usd_per_million": 0.5, "output_usd_per_million": 1.5},
            "limits": {"timeout_s": 5, "deadline_s": 8, "max_age_s": 20, "max_in_flight": 16, "usd_per_day": 50},
        }
        for name, owner in OWNERS.items()
    ]


class Deployment(System):
    """The processes, what watches them, and who is told."""

    ports: dict[str, int]
    console: Console
    base: str
    inbox: Inbox
    live: Live
    begun_s: float

    def launch(self) -> None:
        """Every consumer and the gate, each with its own port for ``/metrics``; returns once all are ready."""
        names = ("recorder", "comparator", *(f"mirror.{name}" for name in OWNERS), "gate")
        self.ports = dict(zip(names, brokers.free_ports(len(names)), strict=True))
        for name, port in self.ports.items():
            kind, _, arm = name.partition(".")
            command = [sys.executable, "-m", "consumers", kind, "--config", str(self.file), "--metrics-port", str(port)]
            with (self.folder / f"{name}.log").open("ab") as log:
                self.processes[name] = subprocess.Popen(
                    command + (["--arm", arm] if arm else []), stdout=log, stderr=log, cwd=ROOT
                )
        for name in names:
            until(lambda name=name: self._ready(name), timeout_s=READY_S, why=lambda name=name: self.log(name))

    def _ready(self, name: str) -> bool:
        assert self.processes[name].poll() is None, self.log(name)
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.ports[name]}/readyz", timeout=60) as response:
                return bool(response.status == 200)
        except OSError:
            return False

    def switch(self, faults: dict[str, dict[str, float]]) -> None:
        """These faults of the simulated models, and no others, from now on."""
        body = json.dumps(faults).encode()
        request = urllib.request.Request(f"{self.base}/faults", data=body, method="PUT")  # noqa: S310
        with urllib.request.urlopen(request, timeout=60) as response:  # noqa: S310 (http, of the loopback)
            assert response.status == 200


@contextmanager
def deployed(folder: Path, *, faster: float) -> Iterator[Deployment]:
    """All of it, with traffic under way, and every alert's first zero in Prometheus."""
    with ExitStack() as stack:
        base, _ = stack.enter_context(serving("--port", "0", "--latency", "0.05"))
        bootstrap = stack.enter_context(brokers.embedded_broker(folder))
        [gate_port] = brokers.free_ports(1)
        made = Deployment(
            folder,
            bootstrap,
            arms(base),
            production={"owner": OWNERS[CONTROL], "model": MODELS[CONTROL]},
            gate=GATE,
            comparator={"join_window_s": 30},
            metrics={"gate_port": gate_port},
        )
        stack.callback(made.close)
        made.base = base
        made.switch({})
        made.launch()
        made.console = stack.enter_context(console(made.file, folder))
        made.inbox = stack.enter_context(inbox())
        tap_port = stack.enter_context(_traffic(bootstrap))
        manager = stack.enter_context(_alertmanager(folder, made, faster))
        address = stack.enter_context(_prometheus(folder, made, manager, tap_port, faster))
        made.live = Live(address, candidates=CANDIDATES)
        until(lambda: _watched(made), timeout_s=READY_S, why=made.logs)  # scraped, and pairs are compared
        yield made


def _watched(made: Deployment) -> bool:
    """Whether all targets are up, rules run, failures stand at 0, and comparisons come in."""
    live = made.live.again()
    up = live.values("sum(up)")
    compared = live.values('sum by (candidate) (rate(shadow_outcomes_total{outcome="compared"}[1m])) > 0')
    zero = live.values('count_over_time(shadow_failures_total{kind="pii_leak"}[1m]) > 2')
    watchdog = live.values('ALERTS{alertname="ShadowWatchdog",alertstate="firing"}')
    counted = len(made.ports) + 1
    return bool(up and float(up[0]["value"][1]) == counted and len(compared) == len(OWNERS) == len(zero) and watchdog)


def _build(folder: Path, made: Deployment, faster: float) -> None:
    """The command, as an SRE runs it."""
    command = [sys.executable, "-m", "dashboards.build", "--config", str(made.file), "--out", str(folder / "built")]
    command += ["--webhook", made.inbox.url, "--grafana", GRAFANA, "--faster", str(faster)]
    command += ["--console", made.console.url]
    subprocess.run(command, check=True, cwd=ROOT)


@contextmanager
def _alertmanager(folder: Path, made: Deployment, faster: float) -> Iterator[str]:
    _build(folder, made, faster)
    arguments = (f"--storage.path={folder / 'alertmanager'}", "--cluster.listen-address=")
    file = folder / "built" / "alertmanager.yml"
    with prometheus.server("alertmanager", folder, f"--config.file={file}", *arguments) as address:
        yield address


@contextmanager
def _prometheus(folder: Path, made: Deployment, manager: str, tap_port: int, faster: float) -> Iterator[str]:
    """With the file of deploy/prometheus, in which addresses are set and times are ``faster``."""
    document = yaml.safe_load((ROOT / "deploy" / "prometheus" / "prometheus.yml").read_text(encoding="utf-8"))
    document["rule_files"] = [f"{folder}/built/{Path(name).name}" for name in document["rule_files"]]
    document["alerting"]["alertmanagers"][0]["static_configs"][0]["targets"] = [manager]
    ports = {GATE_JOB: [made.ports["gate"]], TAP_JOB: [tap_port]}
    ports[JOB] = [port for name, port in made.ports.items() if name != "gate"]
    document["scrape_configs"].append({**document["scrape_configs"][0], "job_name": TAP_JOB})
    document["scrape_configs"] = [
        {**job, "static_configs": [{**job["static_configs"][0], "targets": targets}]}
        for job in document["scrape_configs"]
        if (targets := [f"127.0.0.1:{port}" for port in ports[job["job_name"]]])
    ]
    file = folder / "prometheus.yml"
    file.write_text(yaml.safe_dump(quicker(document, min(faster, FASTEST_SCRAPES))))
    arguments = (f"--storage.tsdb.path={folder / 'data'}", "--enable-feature=exemplar-storage", "--log.level=warn")
    with prometheus.server("prometheus", folder, f"--config.file={file}", *arguments) as address:
        yield address


@contextmanager
def _traffic(bootstrap: str) -> Iterator[int]:
    """Turns through a Tap until the end, each with a trace; the port of production's own ``/metrics``."""
    stop = threading.Event()
    [port] = brokers.free_ports(1)
    with Tap(bootstrap) as tap:
        registry = CollectorRegistry()
        registry.register(TapCollector(tap))
        server, serving_thread = start_http_server(port, addr="127.0.0.1", registry=registry)
        thread = threading.Thread(target=_talk, args=(tap, stop))
        thread.start()
        try:
            yield port
        finally:
            stop.set()
            thread.join()
            server.shutdown()
            serving_thread.join()
            server.server_close()


def _talk(tap: Tap, stop: threading.Event) -> None:
    for number in itertools.count():
        if stop.wait(1 / TURNS_PER_S):
            return
        text = f"I want a refund of ${number % 90 + 10}.90 for order AB-{10_000 + number}."
        messages = [{"role": "user", "content": text}]
        with tap.call(
            conversation_id=f"c{number // 2}",
            turn_index=number % 2,
            messages=messages,
            tools=TOOLS,
            trace_id=f"{number + 1:032x}",
        ) as call:
            call.first_token()
            call.reply(_production(messages, number))


def _production(messages: list[dict[str, str]], seed: int) -> dict[str, Any]:
    """What production's own model says, in the form of OpenAI."""
    said = models.answer(MODELS[CONTROL], messages, seed=seed, tools=TOOLS, response_format=None)
    calls = [
        {"id": f"call-{number}", "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
        for number, call in enumerate(said.calls)
    ]
    return {"role": "assistant", "content": said.text, **({"tool_calls": calls} if calls else {})}
