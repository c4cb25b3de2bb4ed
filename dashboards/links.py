"""Proves the data links of dashboards: each leads to what there is, and says what was clicked. Each fault is a line."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final
from urllib.parse import quote, urlsplit

from dashboards.labels import kept
from dashboards.panels import ASKED
from shadow.addresses import ONE_OF, PAIRS, SERVED

PLACE: Final = re.compile(r"\$\{__(data\.fields|field\.labels)\.(\w+)\}")
SEPARATED: Final = re.compile(r"[?&]([\w-]+)=([^&]*)")


def links(panel: Mapping[str, Any]) -> list[str]:
    """The addresses of a panel's data links."""
    config = panel.get("fieldConfig", {})
    own = [value for each in config.get("overrides", ()) for value in each["properties"] if value["id"] == "links"]
    found = [*(config.get("defaults", {}).get("links") or ()), *(link for each in own for link in each["value"])]
    return [link["url"] for link in found]


def filled(url: str, labels: Mapping[str, str]) -> str:
    """A link as Grafana makes it of a click on a series with these labels."""
    return PLACE.sub(lambda found: quote(labels[found[2]], safe=""), url)


def faults(document: Mapping[str, Any], boards: Mapping[str, frozenset[str]], console: str) -> list[str]:
    """What is wrong with a dashboard's links; ``boards``: the variables of each, ``console``: where it stands."""
    return [
        f"{panel['title']}: {fault}"
        for panel in document["panels"]
        for url in links(panel)
        for fault in [*_leads(url, boards, console), *_carries(url, panel)]
    ]


def _leads(url: str, boards: Mapping[str, frozenset[str]], console: str) -> Iterator[str]:
    """To a dashboard with these variables, or to a page of the console with these parameters."""
    given = dict(SEPARATED.findall(url))
    if url.startswith("/d/"):
        uid = urlsplit(url).path.removeprefix("/d/")
        if uid not in boards:
            yield f"there is no dashboard {uid}"
            return
        for name in given:
            if name.removeprefix("var-") not in boards[uid]:
                yield f"{uid} has no variable {name}"
        return
    path = urlsplit(url.removeprefix(console)).path
    if not url.startswith(f"{console}/") or path not in SERVED:
        yield f"nothing answers at {url.partition('?')[0]}"
        return
    for name, value in given.items():
        if name not in SERVED[path]:
            yield f"{path} takes no {name}"
        found = PLACE.fullmatch(value)
        if found is None or ASKED.get(found[2]) != name:
            yield f"{name} of {path} is {value}"
    if path == PAIRS and ("candidate" not in given or len(given.keys() & set(ONE_OF)) > 1):
        yield f"{path} wants a candidate, and one of {', '.join(ONE_OF)} at most"


def _carries(url: str, panel: Mapping[str, Any]) -> Iterator[str]:
    """Whatever it says of a click is a label that every series of the panel has."""
    wanted = "data.fields" if panel["type"] == "table" else "field.labels"
    for place, name in PLACE.findall(url):
        if place != wanted:
            yield f"a {panel['type']} has no __{place}"
        for target in panel["targets"]:
            if name not in kept(target["expr"]):
                yield f"target {target['refId']} has no {name}, and a link says one"
    if left := PLACE.sub("", url).count("${__") - url.count("${__url_time_range}"):
        yield f"{left} variables of a link are unknown"
