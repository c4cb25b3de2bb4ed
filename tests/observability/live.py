"""Runs a dashboard's queries as Grafana would, in a real Prometheus, and says what a person would see that is wrong."""

from __future__ import annotations

import itertools
import json
import math
import re
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from dashboards.panels import LEGEND
from tests.observability.story import CANDIDATES

BUILT_IN = {"__rate_interval": "5m", "__interval": "1m"}
SHOWN_S = 300.0
STEP_S = 15.0
ANSWER_S = 120.0
"""As long as Prometheus itself lets a query take."""

VARIABLE = re.compile(r"\$\{?(\w+)(?::\w+)?\}?")
PLACE = re.compile(r"\{\{\s*(\w+)\s*\}\}")
MAY_BE_WELL = ("Lost by arm", "Overflown labels")
"""Panels of what is wrong, with nothing to say of the last minutes of the story."""

MAY_BE_EMPTY = re.compile(r"(> 0|== [12])\)*$|^(sum|max) by [^{]*ALERTS\{")
"""A panel of what is wrong says nothing of an arm with which nothing is."""


class Live:
    """One server, at ``host:port``, asked at one time; a course is that of the ``shown_s`` seconds before it."""

    def __init__(
        self,
        address: str,
        *,
        now: float | None = None,
        candidates: Sequence[str] = CANDIDATES,
        shown_s: float = SHOWN_S,
        step_s: float = STEP_S,
        range_: str = "1h",
    ) -> None:
        self.address = address
        self.now = time.time() if now is None else now
        self._candidates = candidates
        self._shown_s = shown_s
        self._step_s = step_s
        self._range = range_

    def again(self) -> Live:
        """The same, asked now."""
        return self.at(time.time())

    def at(self, now: float, *, shown_s: float | None = None) -> Live:
        """The same, asked at another time, and of another length of time."""
        shown_s = self._shown_s if shown_s is None else shown_s
        range_ = self._range if shown_s == self._shown_s else f"{shown_s:.0f}s"
        more: dict[str, Any] = {"candidates": self._candidates, "step_s": self._step_s, "range_": range_}
        return Live(self.address, now=now, shown_s=shown_s, **more)

    def answers(self, document: Mapping[str, Any]) -> Iterator[tuple[str, list[Any]]]:
        """Each panel's title and what one of its targets brings, for all candidates together."""
        variables, _ = self._variables(document)
        for panel in document["panels"]:
            for target in panel.get("targets", ()):
                yield panel["title"], self._series(target, filled(target["expr"], variables))

    def labels(self, document: Mapping[str, Any], target: Mapping[str, Any]) -> list[dict[str, str]]:
        """The labels of every series that a target brings, for all candidates together."""
        variables, _ = self._variables(document)
        return [each["metric"] for each in self._series(target, filled(target["expr"], variables))]

    def annotations(self, document: Mapping[str, Any]) -> dict[str, list[Any]]:
        """The series of each annotation, by its name."""
        variables, _ = self._variables(document)
        listed = document["annotations"]["list"]
        return {each["name"]: self._series({}, filled(each["expr"], variables)) for each in listed}

    def ask(self, path: str, **query: Any) -> Any:
        """The answer's data. Raises :class:`ValueError` with Prometheus's own words."""
        url = f"http://{self.address}/api/v1/{path}?{urllib.parse.urlencode(query)}"
        try:
            with urllib.request.urlopen(url, timeout=ANSWER_S) as response:
                return json.load(response)["data"]
        except urllib.error.HTTPError as error:
            with error:
                raise ValueError(json.load(error)["error"]) from None

    def values(self, expression: str) -> list[Any]:
        """The series of an instant query."""
        return list(self.ask("query", query=expression, time=self.now)["result"])

    def faults(self, document: Mapping[str, Any], *, calm: bool = False) -> list[str]:
        """What is wrong with a dashboard, for all candidates together and for each alone.

        ``calm``: nothing is wrong with any of them now, so panels of what is wrong may be empty for all, too.
        """
        variables, found = self._variables(document)
        chosen = [variables]
        if "candidate" in variables:
            chosen += [{**variables, "candidate": candidate} for candidate in self._candidates]
        for panel in document["panels"]:
            for number, each in enumerate(chosen if panel["type"] != "row" else ()):
                who = each.get("candidate", "") if number else "All"
                found += [
                    f"{panel['title']} ({who}): {fault}"
                    for fault in self._panel(panel, each, single=calm or number > 0)
                ]
        for annotation in document["annotations"]["list"]:
            found += [f"annotation {annotation['name']}: {fault}" for fault in self._annotation(annotation, variables)]
        return found

    def _variables(self, document: Mapping[str, Any]) -> tuple[dict[str, str], list[str]]:
        """Each variable's value for All: its options, as one regular expression."""
        values = {"__range": self._range}
        found = []
        for each in document["templating"]["list"]:
            if each["type"] != "query":
                continue
            match = re.fullmatch(r"label_values\((.+),\s*(\w+)\)", filled(each["query"], values))
            options = self.ask(f"label/{match[2]}/values", **{"match[]": match[1]}) if match else []
            if not options:
                found.append(f"variable {each['name']}: has no values")
            values[each["name"]] = "(" + "|".join(map(re.escape, options)).replace("\\", "\\\\") + ")"
        return values, found

    def _panel(self, panel: Mapping[str, Any], variables: Mapping[str, str], *, single: bool) -> Iterator[str]:
        names: list[str] = []
        columns = units(panel)
        for target in panel["targets"]:
            expression, ref = filled(target["expr"], variables), target["refId"]
            unit = columns.get(ref, panel["fieldConfig"]["defaults"].get("unit"))
            try:
                series = self._series(target, expression)
            except ValueError as error:
                yield f"{ref}: {error}"
                continue
            well = single or panel["title"] in MAY_BE_WELL
            if not series and not (well and MAY_BE_EMPTY.search(expression)):
                yield f"{ref}: no data"
            wanted = PLACE.findall(target.get("legendFormat", ""))
            for label in wanted:
                if any(label not in each["metric"] for each in series):
                    yield f"{ref}: the legend names {label}, and the series have none"
            if panel["type"] != "table":
                names += [legend(target, each["metric"]) for each in series]
            yield from (f"{ref}: {fault}" for fault in implausible(unit, series))
            if panel["type"] == "timeseries" and crowded(series):
                yield f"{ref}: more than {LEGEND} lines at once"
        if len(set(names)) < len(names):
            yield f"series share a legend: {sorted(name for name in set(names) if names.count(name) > 1)}"

    def _series(self, target: Mapping[str, Any], expression: str) -> list[Any]:
        if target.get("instant"):
            return self.values(expression)
        span = {"start": self.now - self._shown_s, "end": self.now, "step": self._step_s}
        return list(self.ask("query_range", query=expression, **span)["result"])

    def _annotation(self, annotation: Mapping[str, Any], variables: Mapping[str, str]) -> Iterator[str]:
        try:
            series = self._series({}, filled(annotation["expr"], variables))
        except ValueError as error:
            yield str(error)
            return
        if annotation.get("useValueForTime"):
            if not series:
                yield "no data"
            if any(abs(value / 1000 - self.now) > 86_400 for value in numbers(series)):
                yield "its value is no time of this day in milliseconds"
        for label, each in itertools.product(PLACE.findall(annotation["titleFormat"]), series):
            if label not in each["metric"]:
                yield f"the title names {label}, and the series have none"


def units(panel: Mapping[str, Any]) -> dict[str, str]:
    """Of a table's targets that are columns, the unit of each."""
    headings = {
        name.removeprefix("Value").removeprefix(" #") or "A": heading
        for each in panel.get("transformations", ())
        for name, heading in each["options"].get("renameByName", {}).items()
    }
    own = {
        each["matcher"]["options"]: value["value"]
        for each in panel["fieldConfig"]["overrides"]
        for value in each["properties"]
        if value["id"] == "unit"
    }
    return {ref: own[heading] for ref, heading in headings.items()}


def filled(text: str, variables: Mapping[str, str]) -> str:
    """A query with its variables; one that is not there stays as it is."""
    return VARIABLE.sub(lambda found: BUILT_IN.get(found[1]) or variables.get(found[1], found[0]), text)


def legend(target: Mapping[str, Any], metric: Mapping[str, str]) -> str:
    text = target.get("legendFormat", "")
    return PLACE.sub(lambda found: metric.get(found[1], ""), text) if text != "__auto" else json.dumps(metric)


def numbers(series: list[Any]) -> list[float]:
    return [float(value[1]) for each in series for value in each.get("values") or [each["value"]]]


def implausible(unit: str | None, series: list[Any]) -> Iterator[str]:
    """Numbers that this unit cannot mean."""
    found = numbers(series)
    if found and all(math.isnan(value) for value in found):
        yield "is not a number"
    found = [value for value in found if math.isfinite(value)]
    if unit == "percentunit" and any(abs(value) > 1.0001 for value in found):
        yield f"a share of {max(found, key=abs):g}"
    if unit == "s" and any(not -1 <= value <= 1e6 for value in found):
        yield f"a duration of {max(found, key=abs):g} s"
    if unit in {"reqps", "bytes", "currencyUSD"} and any(value < 0 for value in found):
        yield f"{unit} below zero"


def crowded(series: list[Any]) -> bool:
    """Whether there are more lines at one time than a person can tell apart."""
    times: dict[float, int] = {}
    for each in series:
        for at, _ in each.get("values", ()):
            times[at] = times.get(at, 0) + 1
    return any(count > LEGEND for count in times.values())
