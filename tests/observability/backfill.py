"""``python -m tests.observability.backfill``: days in a minute, and which alerts fire in them.

Simulated scrapes, recording rules and alerts become blocks that a real Prometheus serves. Rules are backfilled layer by
layer, for a rule sees in a block only what was there when it was made. Alerting rules are not backfilled by promtool:
their expressions are asked over the whole time, and ``for`` and ``keep_firing_for`` applied.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from dashboards import alerts, rules
from dashboards.site import UNITS_MS
from tests.fixtures import prometheus
from tests.observability import history
from tests.observability.history import Shadow, named
from tests.observability.live import Live
from tests.observability.story import DETAIL_S, PAST_S, STEP_S

CHUNK_S: Final = 8 * 3_600
"""Of one import: promtool reads the whole file once for each of its blocks of two hours."""

SHOWN_S: Final = 6 * 3_600.0
"""What dashboards show when they are opened."""

Series = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Past:
    """A server that has seen it all, and when each alert fired: name and labels to times (Unix seconds)."""

    live: Live
    end_s: float
    fired: Mapping[Series, list[float]]


@contextmanager
def past(folder: Path) -> Iterator[Past]:
    """Three days and their last eight hours, up to now."""
    data = folder / "data"
    end_s = float(int(time.time()) // STEP_S * STEP_S)
    begin_s = end_s - DETAIL_S
    shadow = Shadow()
    for chunk_s in range(round(begin_s - PAST_S), round(begin_s), CHUNK_S):
        _import(folder, data, history.past(shadow, chunk_s, min(chunk_s + CHUNK_S, begin_s)))
    _import(folder, data, history.detail(shadow, begin_s, end_s))
    for number, (layer, from_s) in enumerate(zip(layers(), (begin_s - PAST_S, begin_s, begin_s), strict=True)):
        file = folder / f"layer-{number}.yml"
        file.write_text(yaml.safe_dump({"groups": [{"name": "layer", "interval": f"{STEP_S}s", "rules": layer}]}))
        with _serving(folder, data) as address:
            times = (f"--start={from_s:.0f}", f"--end={end_s:.0f}")
            made = folder / f"layer-{number}"
            tool = ("tsdb", "create-blocks-from", "rules", f"--url=http://{address}", *times, f"--output-dir={made}")
            # when within a step a group is evaluated is a hash of its name and its file's: not of a folder by chance
            prometheus.run("promtool", *tool, file.name, cwd=folder)
        for block in made.iterdir():
            block.rename(data / block.name)
    with _serving(folder, data) as address:
        live = Live(address, now=end_s)
        fired = {}
        for rule in (rule for group in [*alerts.groups(), *alerts.gate_groups()] for rule in group["rules"]):
            fired |= firing(live, rule, begin_s, end_s)
    _import(folder, data, _alert_lines(fired))
    with _serving(folder, data) as address:
        live = Live(address, now=end_s, shown_s=SHOWN_S, step_s=STEP_S, range_="6h")
        yield Past(live, end_s, fired)


def layers() -> list[list[dict[str, Any]]]:
    """Rules by what they stand on: scrapes, the first layer, the arms' own divergence."""
    first, *others = rules.groups()
    later = [rule for group in others for rule in group["rules"]]
    noise = {rules.noise(window) for window in ("5m", "1h", "6h")}
    return [
        first["rules"],
        [rule for rule in later if rule["record"] not in noise],
        [rule for rule in later if rule["record"] in noise],
    ]


def _import(folder: Path, data: Path, lines: Iterable[str]) -> None:
    text = folder / "scraped.txt"
    with text.open("w") as file:
        file.writelines(lines)
        file.write("# EOF\n")
    prometheus.run("promtool", "tsdb", "create-blocks-from", "openmetrics", "--quiet", text, data)


@contextmanager
def _serving(folder: Path, data: Path) -> Iterator[str]:
    config = folder / "prometheus.yml"
    config.write_text("global: {}\n")
    arguments = (f"--config.file={config}", f"--storage.tsdb.path={data}", "--log.level=error")
    with prometheus.server("prometheus", folder, *arguments) as address:
        yield address


def firing(live: Live, rule: Mapping[str, Any], begin_s: float, end_s: float) -> dict[Series, list[float]]:
    """When a rule's alerts fired: true for as long as ``for``, and kept for ``keep_firing_for`` after."""
    wait_s, keep_s = (_seconds(rule.get(name, "0s")) for name in ("for", "keep_firing_for"))
    query = {"query": rule["expr"], "start": begin_s, "end": end_s, "step": STEP_S}
    found = {}
    for each in live.ask("query_range", **query)["result"]:
        true = {float(at) for at, _ in each["values"]}
        times, since, last = [], None, None
        for at in (begin_s + STEP_S * number for number in range(round((end_s - begin_s) / STEP_S) + 1)):
            since = (at if since is None else since) if at in true else None
            if since is not None and at - since >= wait_s:
                last = at
            if last is not None and at - last <= keep_s:
                times.append(at)
        labels = {**each["metric"], **rule["labels"], "alertname": rule["alert"]}
        labels.pop("__name__", None)
        if times:
            found[tuple(sorted(labels.items()))] = times
    return found


def _seconds(duration: str) -> float:
    return int(duration[:-1]) * UNITS_MS[duration[-1]] / 1000


def _alert_lines(fired: Mapping[Series, list[float]]) -> Iterator[str]:
    """Prometheus's own series of alerts."""
    for labels, times in fired.items():
        name = named("ALERTS", {**dict(labels), "alertstate": "firing"})
        yield from (f"{name} 1 {at:.0f}\n" for at in times)


def table(found: Past) -> Iterator[str]:
    """Each alert that fired: from and until when, in minutes before the end."""
    for labels, times in sorted(found.fired.items(), key=lambda each: each[1][0]):
        said = dict(labels)
        name, minutes = said.pop("alertname"), [(found.end_s - at) / 60 for at in times]
        about = " ".join(f"{key}={value}" for key, value in said.items() if key not in {"cluster", "severity"})
        yield f"{name:<36}{minutes[0]:6.0f} .. {minutes[-1]:4.0f} min ago  {about}"


def main() -> int:
    """Print which alerts fire, and when."""
    with tempfile.TemporaryDirectory(prefix="shadow-history-") as folder, past(Path(folder)) as found:
        print("\n".join(table(found)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
