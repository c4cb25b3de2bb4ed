"""The demo's models and customers before the whole shadow and a Prometheus of its own, on free ports of loopback."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any, Final

import yaml

from dashboards.build import DEMO, files
from dashboards.limits import GATE_JOB, JOB
from dashboards.render.programs import path
from shadow.config import load

SCRAPE_S: Final = 5
RATE: Final = 12.0
"""Turns a second."""

BUDGET_USD: Final = 5.0
SEED: Final = 1
READY_S: Final = 90.0
STOP_S: Final = 30.0
MODELS: Final = "http://127.0.0.1:29080"
"""As the demo's configuration has it."""


@dataclass(frozen=True)
class Running:
    """Where it all is: the configuration's file, Prometheus and the console as ``http://host:port``."""

    config: Path
    prometheus: str
    console: str


def free_ports(count: int) -> list[int]:
    """That many consecutive ports of loopback, none of them in use now."""
    for first in range(29_500, 32_000, count):
        with ExitStack() as stack:
            try:
                for port in range(first, first + count):
                    stack.enter_context(socket.socket()).bind(("127.0.0.1", port))
            except OSError:
                continue
            return list(range(first, first + count))
    raise RuntimeError(f"no {count} free ports")


@contextmanager
def running(folder: Path, seconds: float) -> Iterator[Running]:
    """Everything, with ``seconds`` of customers, who begin when it is up; files and logs in ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    arms = len(load(DEMO, environ={}).arms)
    models, broker, prometheus, gate, console, *metrics = free_ports(5 + arms + 3)
    text = resources.files("shadow.simulate").joinpath("demo.yaml").read_text(encoding="utf-8")
    document = yaml.safe_load(text.replace(MODELS, f"http://127.0.0.1:{models}"))
    document |= {
        "broker": {"port": broker},
        "metrics": {"port": metrics[0], "gate_port": gate},
        "console": {"port": console, "up": True},
        "ledger": {"url": f"sqlite:///{folder.absolute() / 'ledger.db'}"},
    }
    for arm in document["candidates"]:
        arm["limits"] = {**arm["limits"], "usd_per_day": BUDGET_USD}  # the demo sets none, and a panel shows it
    config = folder / "shadow.yaml"
    config.write_text(yaml.safe_dump(document, sort_keys=False), encoding="utf-8")
    for old in folder.glob("ledger.db*"):
        old.unlink()
    shadow = [sys.executable, "-m", "shadow.cli", "--config", str(config)]
    with ExitStack() as stack:

        def start(name: str, command: Sequence[str]) -> None:
            stack.enter_context(_process(name, command, folder))

        start("models", [*shadow, "simulate", "serve", "--port", str(models)])
        start("prometheus", _prometheus(folder, prometheus, metrics))
        start("up", [*shadow, "up", "--log-dir", str(folder / "logs")])
        _await(f"http://127.0.0.1:{prometheus}/-/ready")
        for port in metrics:
            _await(f"http://127.0.0.1:{port}/readyz")
        _await(f"http://127.0.0.1:{console}/healthz")
        customers = ["simulate", "traffic", "--production", f"http://127.0.0.1:{models}/v1"]
        amount = ["--rate", f"{RATE:g}", "--seconds", f"{seconds:g}", "--seed", str(SEED)]
        start("traffic", [*shadow, *customers, *amount])
        yield Running(config, f"http://127.0.0.1:{prometheus}", f"http://127.0.0.1:{console}")


def _prometheus(folder: Path, port: int, metrics: Sequence[int]) -> list[str]:
    """Its command line; scraping and rules are faster than in deploy/, for minutes must show what hours would."""
    jobs = {JOB: metrics[:-1], GATE_JOB: metrics[-1:]}
    document: dict[str, Any] = {
        "global": {"scrape_interval": f"{SCRAPE_S}s", "evaluation_interval": f"{SCRAPE_S}s"},
        "rule_files": ["rules*.yml"],
        "scrape_configs": [
            {
                "job_name": job,
                "static_configs": [{"targets": [f"127.0.0.1:{each}" for each in those], "labels": {"cluster": "demo"}}],
            }
            for job, those in jobs.items()
        ],
    }
    (folder / "prometheus.yml").write_text(yaml.safe_dump(document), encoding="utf-8")
    for name, text in files(load(DEMO, environ={})):
        if name.startswith("rules"):
            rules = yaml.safe_load(text)
            for group in rules["groups"]:
                group["interval"] = f"{SCRAPE_S}s"
            (folder / name).write_text(yaml.safe_dump(rules), encoding="utf-8")
    program, data = path("prometheus"), folder / f"prometheus-{int(time.time())}"
    options = [f"--config.file={folder / 'prometheus.yml'}", f"--storage.tsdb.path={data}", "--log.level=warn"]
    return [program, *options, f"--web.listen-address=127.0.0.1:{port}"]


@contextmanager
def _process(name: str, command: Sequence[str], folder: Path) -> Iterator[None]:
    with (folder / f"{name}.log").open("wb") as log:
        process = subprocess.Popen(  # noqa: S603 (our own command line)
            command, stdout=log, stderr=log, env={**os.environ, "SHADOW_LOG_FORMAT": "console"}
        )
    try:
        yield
    finally:
        process.terminate()
        try:
            process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _await(url: str) -> None:
    deadline = time.monotonic() + READY_S
    while time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(url, timeout=2):  # noqa: S310 (loopback)
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.3)
    raise RuntimeError(f"{url} is not ready after {READY_S:.0f} s")
