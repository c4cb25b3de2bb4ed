"""What full exporters cost: a scrape, the loop while it is scraped, counting a pair, and Prometheus's rules over them.

``python -m tests.benchmarks.exporter`` needs no broker; the rules need Debian's package ``prometheus``. Eight
comparators and a gate, real processes, every closed set full (:mod:`tests.benchmarks.exporter_process`).
"""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any, Final

import yaml

from dashboards.build import DEMO, files
from dashboards.limits import SAMPLE_LIMIT
from shadow.config import load
from shadow.metrics.catalogue import series_bound
from tests.benchmarks.exporter_process import BOUNDS
from tests.benchmarks.figure import Figure, Scale
from tests.fixtures import prometheus
from tests.fixtures.brokers import free_ports

WORKERS: Final = 8
GOAL_SCRAPE_MS: Final = 100.0
GOAL_STALL_MS: Final = 10.0
GOAL_SHARE: Final = 0.2
"""Of the time that judging a pair takes, at most this for counting it, with 17 arms and 24 slices."""

OPENMETRICS: Final = "application/openmetrics-text;version=1.0.0"
"""What Prometheus asks for."""

EVALUATION_S: Final = 10
RULES_S: Final = 70.0


@dataclass(slots=True)
class Exporter:
    """One process, what it wrote at its end, and when it was scraped (Unix seconds)."""

    kind: str
    port: int
    process: subprocess.Popen[bytes]
    file: Path
    scrapes: list[tuple[float, float]]


def scrape(port: int) -> tuple[float, float, bytes]:
    """Beginning and end (Unix seconds), and the body, as Prometheus asks for it: OpenMetrics, packed."""
    headers = {"Accept": OPENMETRICS, "Accept-Encoding": "gzip"}
    connection = HTTPConnection("127.0.0.1", port, timeout=30)
    begun = time.time()
    connection.request("GET", "/metrics", headers=headers)
    packed = connection.getresponse().read()
    ended = time.time()
    connection.close()
    return begun, ended, gzip.decompress(packed) if packed[:2] == b"\x1f\x8b" else packed


@contextmanager
def exporters(folder: Path, workers: int, *more: str) -> Iterator[list[Exporter]]:
    """So many comparators and one gate, serving; ended by pid."""
    kinds = ["comparator"] * workers + ["gate"]
    with ExitStack() as stack:
        running = []
        for kind, port in zip(kinds, free_ports(len(kinds)), strict=True):
            file = folder / f"{kind}-{port}.json"
            command = [
                sys.executable,
                "-W",
                "ignore",
                "-m",
                "tests.benchmarks.exporter_process",
                kind,
                str(port),
                str(file),
                *more,
            ]
            process = subprocess.Popen(command)
            stack.callback(process.wait, 30)
            stack.callback(process.terminate)
            running.append(Exporter(kind, port, process, file, []))
        for each in running:
            _await(each)
        yield running


def _await(exporter: Exporter) -> None:
    deadline = time.monotonic() + 300
    while True:
        try:
            scrape(exporter.port)
        except OSError:
            assert exporter.process.poll() is None, "the exporter ended"
            assert time.monotonic() < deadline, "the exporter does not serve"
            time.sleep(0.2)
        else:
            return


def figures(scale: Scale) -> Iterator[Figure]:
    """The scrapes of one process of each kind alone, then Prometheus over all of them."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with exporters(folder, 1, "measure") as alone:
            for each in alone:
                yield from _scraped(each, rounds=10 * scale.rounds)
        for each in alone:
            yield from _cost(each)
        with exporters(folder, WORKERS) as running:
            yield from _evaluated(folder, running)


def _scraped(exporter: Exporter, rounds: int) -> Iterator[Figure]:
    body = b""
    for _ in range(rounds):
        time.sleep(0.3)
        begun, ended, body = scrape(exporter.port)
        exporter.scrapes.append((begun, ended))
    series = sum(not line.startswith(b"#") for line in body.splitlines())
    bound = series_bound(exporter.kind, BOUNDS)  # type: ignore[arg-type]
    yield Figure(
        f"{exporter.kind}, full: series",
        f"{series:,}",
        f"catalogue's bound {bound:,}",
        f"{series / bound:.2f} of it; {SAMPLE_LIMIT / series:.1f} times as many are allowed",
    )
    took = sorted(1000 * (ended - begun) for begun, ended in exporter.scrapes)
    yield Figure(
        f"{exporter.kind}, full: scrape",
        f"{took[0]:.0f} ms (median {median(took):.0f}, longest {took[-1]:.0f})",
        f"{len(body) / 1e6:.1f} MB of OpenMetrics",
        f"goal <= {GOAL_SCRAPE_MS:.0f} ms",
    )


def _cost(exporter: Exporter) -> Iterator[Figure]:
    """What it wrote of itself: what a page and a counted pair take, and the loop while it was scraped."""
    found: dict[str, Any] = json.loads(exporter.file.read_text())
    assert found["missing"] == [], f"not full: {found['missing']}"
    yield Figure(
        f"{exporter.kind}, full: making the page, CPU",
        f"{found['page_ms']:.0f} ms",
        f"prometheus-client's own {found['library_ms']:.0f} ms",
        f"{found['page_ms'] / found['library_ms']:.2f} of it",
    )
    if "observe_us" in found:
        yield Figure(
            "counting a pair (7 measures, 5 slices), CPU",
            f"{found['observe_us']:.0f} us",
            f"judging it {found['pair_us']:.0f} us",
            f"{found['observe_us'] / found['pair_us']:.2f} of it; goal <= {GOAL_SHARE}",
        )
        yield _loop(exporter, found["late"])


def _loop(exporter: Exporter, late: list[tuple[float, float]]) -> Figure:
    """How late the loop's timer was at most in each scrape, and in as long a time between two."""
    windows = pairwise(exporter.scrapes)
    quiet = [(end + 0.05, min(end + 0.05 + end - begin, following)) for (begin, end), (following, _) in windows]
    during = [_latest(late, *window) for window in exporter.scrapes]
    between = [_latest(late, *window) for window in quiet]
    return Figure(
        f"{exporter.kind}, full: event loop while scraped",
        f"{median(during):.1f} ms late (most {max(during):.1f})",
        f"between scrapes {median(between):.1f} ms (most {max(between):.1f})",
        f"goal <= {GOAL_STALL_MS:.0f} ms more",
    )


def _latest(late: list[tuple[float, float]], begin: float, end: float) -> float:
    """Milliseconds: of the timers that were due in this time."""
    return 1000 * max((by for at, by in late if begin <= at and at - by <= end), default=0.0)


def _evaluated(folder: Path, running: list[Exporter]) -> Iterator[Figure]:
    rules = folder / "rules"
    rules.mkdir()
    for name, text in files(load(DEMO, environ={})):
        if name.startswith("rules"):
            (rules / name).write_text(text.replace("interval: 30s", f"interval: {EVALUATION_S}s"))
    jobs = {"shadow": "comparator", "shadow-gate": "gate"}
    scrapes = [
        {
            "job_name": job,
            "sample_limit": SAMPLE_LIMIT,
            "static_configs": [
                {"targets": [f"127.0.0.1:{e.port}" for e in running if e.kind == kind], "labels": {"cluster": "bench"}}
            ],
        }
        for job, kind in jobs.items()
    ]
    every = {"scrape_interval": "5s", "evaluation_interval": f"{EVALUATION_S}s"}
    document = {"global": every, "rule_files": [f"{rules}/*.yml"], "scrape_configs": scrapes}
    (folder / "prometheus.yml").write_text(yaml.safe_dump(document))
    arguments = (
        f"--config.file={folder / 'prometheus.yml'}",
        f"--storage.tsdb.path={folder / 'data'}",
        "--log.level=warn",
    )
    with prometheus.server("prometheus", folder, *arguments) as address:
        time.sleep(RULES_S)
        body = urllib.request.urlopen(f"http://{address}/metrics", timeout=30).read().decode()
        took = _samples(body, "prometheus_rule_group_last_duration_seconds")
        [head] = _samples(body, "prometheus_tsdb_head_series").values()
        asked = "query?query=max(scrape_duration_seconds)"
        found = json.load(urllib.request.urlopen(f"http://{address}/api/v1/{asked}", timeout=30))
    slowest = max(took, key=took.__getitem__)
    yield Figure(
        f"Prometheus: all rules over {len(running)} exporters",
        f"{sum(took.values()):.2f} s ({slowest}: {took[slowest]:.2f} s)",
        f"{head:,.0f} series; every 30 s",
        f"{sum(took.values()) / 30:.1%} of the interval",
    )
    longest = float(found["data"]["result"][0]["value"][1])
    yield Figure(
        "Prometheus: longest scrape, all at once",
        f"{1000 * longest:.0f} ms",
        f"{len(running)} exporters on 2 cores",
        "time-out 10 s",
    )


def _samples(body: str, name: str) -> dict[str, float]:
    """Value by the last path of its first label (a rule group's file and name)."""
    found = {}
    for line in body.splitlines():
        if line.startswith(name) and line[len(name)] in "{ ":
            labels, _, value = line.rpartition(" ")
            found[labels.rpartition(";")[2].strip('"}')] = float(value)
    return found


if __name__ == "__main__":
    for figure in figures(Scale()):
        print(figure, flush=True)
