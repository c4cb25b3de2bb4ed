"""A runbook helps at night: the same parts each time, and commands and expressions that there are."""

from __future__ import annotations

import re
from pathlib import Path

import click
import pytest

from dashboards import alerts, check, rules
from dashboards.panels import ASKED
from dashboards.site import RUNBOOKS
from shadow.addresses import SERVED
from shadow.cli import main as shadow_command

ROOT = Path(__file__).parents[2]
FILES = sorted((ROOT / RUNBOOKS).glob("*.md"))
RECORDED = check.recorded_labels(rules.groups())
PARTS = ["Meaning", "Impact", "Diagnosis", "Action", "Escalation"]


@pytest.fixture(params=FILES, ids=lambda path: path.stem)
def book(request: pytest.FixtureRequest) -> str:
    return str(request.param.read_text(encoding="utf-8"))


def test_a_runbook_has_its_parts_and_none_is_empty(book: str) -> None:
    found = re.findall(r"^## (.+)\n\n(?=[^#\s])", book, re.MULTILINE)
    assert found == PARTS
    assert re.match(r"# Shadow\w+\n", book)


def test_its_expressions_are_right(book: str) -> None:
    found = re.findall(r"```promql\n(.*?)\n```", book, re.DOTALL)
    assert found
    assert [fault for each in found for fault in check.expression(each, RECORDED)] == []


def test_the_doctor_is_asked_first(book: str) -> None:
    assert "## Diagnosis\n\nFirst: `shadow doctor`" in book


def commands(text: str) -> list[str]:
    blocks = re.findall(r"```sh\n(.*?)\n```", text, re.DOTALL)
    return [line for block in blocks for line in block.splitlines()] + re.findall(r"`((?:shadow|python) [^`]+)`", text)


def test_its_commands_exist(book: str) -> None:
    for line in commands(book):
        words = line.split()
        if words[0] == "shadow":
            known(shadow_command, words[1:])
        else:
            assert words[:3] == ["python", "-m", "consumers"] or words[0] == "curl", line


def known(command: click.Command, words: list[str]) -> None:
    """Each word is a command, an option that it has, or a value."""
    context = click.Context(command)
    while words and isinstance(command, click.Group):
        found = command.get_command(context, words[0])
        assert found is not None, f"{command.name}: {words[0]}"
        command, words = found, words[1:]
    options = {name for parameter in command.params for name in parameter.opts}
    assert {word for word in words if word.startswith("--")} <= options, words


def pages(text: str) -> list[tuple[str, set[str]]]:
    """The console's pages that a text names, with their parameters."""
    return [(path, set(re.findall(r"(\w+)=", query))) for path, query in re.findall(r"`(/pairs?)\?([^`]*)`", text)]


def test_the_consoles_pages_are_those_that_it_serves(book: str) -> None:
    assert [each for each in pages(book) if not each[1] <= set(SERVED[each[0]])] == []


def test_the_runbooks_of_alerts_that_lead_to_pairs_name_their_list() -> None:
    texts = {path.stem: path.read_text(encoding="utf-8") for path in FILES}
    leading = {each.name: {ASKED[name] for name in each.pairs} for each in alerts.CANDIDATES if "kind" in each.pairs
               or "measure" in each.pairs}  # fmt: skip
    assert leading
    for name, asked in leading.items():
        assert ("/pairs", asked) in pages(texts[name])


def test_a_command_that_is_not_there_is_noticed() -> None:
    for line in (["ledgers"], ["control", "pause", "ARM", "--forever"]):
        with pytest.raises(AssertionError):
            known(shadow_command, line)


@pytest.mark.parametrize("name", alerts.NAMES)
def test_rules_stand_on_the_catalogue(name: str) -> None:
    groups = [*alerts.groups(), *alerts.gate_groups()]
    of = [{**group, "rules": [rule for rule in group["rules"] if rule["alert"] == name]} for group in groups]
    assert check.rules(of, RECORDED) == []


def test_recording_rules_stand_on_the_catalogue() -> None:
    assert check.rules(rules.groups(), RECORDED) == []
