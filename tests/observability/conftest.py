"""One Prometheus for all: loaded with two simulated hours, running the generated rules once a second."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
import yaml

from dashboards import rules
from dashboards.build import DEMO, files
from shadow.config import load
from tests.fixtures import prometheus
from tests.observability import simulated
from tests.observability.live import Live

LAST = (rules.noise("1h"), rules.evaluated("3d"), 'ALERTS{alertname="ShadowWatchdog"}')
"""What is there once every layer of rules has run."""


@pytest.fixture(scope="session")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    """A server that has seen what a shadow of four arms exports."""
    folder = tmp_path_factory.mktemp("prometheus")
    text, data = folder / "simulated.txt", folder / "data"
    with text.open("w") as file:
        file.writelines(simulated.openmetrics(float(int(time.time()))))
    prometheus.run("promtool", "tsdb", "create-blocks-from", "openmetrics", text, data)
    written = dict(files(load(DEMO, environ={})))
    for name in ("rules.yml", "rules-gate.yml"):
        document = yaml.safe_load(written[name])
        for group in document["groups"]:
            group["interval"] = "1s"
        (folder / name).write_text(yaml.safe_dump(document))
    config = folder / "prometheus.yml"
    config.write_text(yaml.safe_dump({"global": {"evaluation_interval": "1s"}, "rule_files": ["rules*.yml"]}))
    arguments = (f"--config.file={config}", f"--storage.tsdb.path={data}", "--log.level=warn")
    with prometheus.server("prometheus", folder, *arguments) as address:
        deadline = time.monotonic() + 60
        asked = Live(address)
        while not all(asked.values(name) for name in LAST):
            assert time.monotonic() < deadline, "the rules do not get through"
            time.sleep(0.5)
            asked = Live(address)
        yield asked
