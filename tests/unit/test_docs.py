"""Docs cannot lie: generated pages are equal, diagram and examples are the code's own, and what is named exists."""

from __future__ import annotations

import ast
import json
import re
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import click
import pytest
from pydantic import BaseModel

from shadow import config, control, events, topology
from shadow.cli import main as shadow_command
from shadow.config import parse
from shadow.gate.settings import BY_KIND
from shadow.metrics.catalogue import CATALOGUE
from shadow.text import pseudonyms
from tests import docs_generate

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = {path: path.read_text(encoding="utf-8") for path in sorted((ROOT / "docs").rglob("*.md"))}
DOCS = "\n".join(PAGES.values())
ALL = {ROOT / "README.md": README, **PAGES}


@pytest.mark.parametrize("name", list(docs_generate.PAGES))
def test_a_generated_page_is_what_the_code_says(name: str) -> None:
    assert PAGES[ROOT / "docs" / name] == docs_generate.PAGES[name](), "run: python -m tests.docs_generate"


def test_the_diagram_is_the_topology() -> None:
    between = re.search(r"<!-- diagram -->\n```text\n(.*?)\n```\n<!-- /diagram -->", README, re.DOTALL)
    assert between is not None
    assert between[1] == topology.diagram()


def commands(command: click.Command = shadow_command, path: str = "shadow") -> Iterator[str]:
    yield path
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            found = command.get_command(context, name)
            assert found is not None
            yield from commands(found, f"{path} {name}")


@pytest.mark.parametrize("path", list(commands()))
def test_every_command_has_its_help_page(path: str) -> None:
    assert f"## `{path}`" in DOCS


@pytest.mark.parametrize("name", shadow_command.list_commands(click.Context(shadow_command)))
def test_every_command_is_in_the_readmes_overview(name: str) -> None:
    assert f"`shadow {name}" in README


def sections(model: type[BaseModel]) -> Iterator[type[BaseModel]]:
    """Every section of the file, each once."""
    found, waiting = {}, [model]
    while waiting:
        section = waiting.pop()
        if section not in found:
            found[section] = None
            waiting += [kind for field in section.model_fields.values() for kind in models(field.annotation)]
    yield from found


def models(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in get_args(annotation):
        yield from models(inner)


@pytest.mark.parametrize(
    ("section", "field"),
    [(section.__name__, field) for section in sections(config.Config) for field in section.model_fields],
)
def test_every_setting_is_documented(section: str, field: str) -> None:
    page = PAGES[ROOT / "docs" / "configuration.md"]
    heading = {"Config": "The file", "Arm": "candidates", "Control": "control", "CallableAdapter": "callable"}
    heading |= {"OpenAIAdapter": "openai", "AnthropicAdapter": "anthropic", "HTTPAdapter": "http"}
    heading |= {model.__name__: f"kind: {kind}" for kind, model in BY_KIND.items()}
    heading["Gate"] = "`gate`"
    name = heading.get(section, section.lower())
    [body] = [part for part in page.split("\n## ")[1:] if name in part.partition("\n")[0]]
    assert f"| `{field}` |" in body


@pytest.mark.parametrize("family", CATALOGUE, ids=lambda family: family.name)
def test_every_metric_is_documented_and_means_something(family: Any) -> None:
    assert f"`{family.name}{'_total' if family.kind == 'counter' else ''}`" in DOCS
    assert family.help.endswith(".")


@pytest.mark.parametrize(
    ("page", "words"),
    [
        ("operations.md", events.OUTCOME_KINDS),
        ("operations.md", events.SHED_REASONS),
        ("operations.md", events.EXPIRED_REASONS),
        ("operations.md", events.BrokenRecordError.REASONS),
        ("operations.md", get_args(control.State)),
        ("operations.md", [topic.name for topic in topology.TOPOLOGY]),
        ("data-format.md", events.FAILURE_KINDS),
        ("tap.md", ("queue_full", "too_large", "invalid", "not_redacted", "unsure", "delivery_failed", "closed")),
        ("tap.md", pseudonyms.LABELS.values()),
    ],
)
def test_every_word_of_a_closed_set_is_explained(page: str, words: Any) -> None:
    text = PAGES[ROOT / "docs" / page]
    assert [word for word in words if f"`{word}`" not in text] == []


def test_every_environment_variable_is_documented() -> None:
    code = [*ROOT.glob("shadow/**/*.py"), *ROOT.glob("consumers/*.py"), *ROOT.glob("deploy/**/*.py")]
    code += [*ROOT.glob("tests/**/*.py"), ROOT / "Makefile", ROOT / ".ci" / "run"]
    used = {name for path in code for name in re.findall(r"\bSHADOW_[A-Z_]+\b", path.read_text(encoding="utf-8"))}
    used -= {"SHADOW_"}
    assert sorted(name for name in used if f"`{name}`" not in DOCS) == []


@pytest.mark.parametrize("event", list(events.EVENTS))
def test_every_event_has_a_valid_example(event: str) -> None:
    model = events.EVENTS[event]
    blocks = re.findall(r"```json\n(.*?)```", PAGES[ROOT / "docs" / "data-format.md"], re.DOTALL)
    [example] = [found for found in map(json.loads, blocks) if found["type"] == event]
    key = example.get("conversation_id", "").encode()
    record = events.decode(model, json.dumps(example).encode(), key)
    assert json.loads(record.to_json()) == example


def test_yaml_in_the_docs_is_a_valid_configuration() -> None:
    found = [(path, text) for path, page in ALL.items() for text in re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)]
    assert found
    for path, text in found:
        parse(text, str(path))


def test_python_in_the_docs_compiles_and_calls_what_there_is() -> None:
    """Imports of the snippets work; the Tap's snippets run, with a Tap that has no broker to talk to."""
    for path, page in ALL.items():
        for text in re.findall(r"```python\n(.*?)```", page, re.DOTALL):
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                tree = ast.parse(text, str(path))
            for node in ast.walk(tree):
                if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("shadow"):
                    module = __import__(node.module or "", fromlist=["*"])
                    assert all(hasattr(module, name.name) for name in node.names), (path, node.module)


def test_the_readmes_snippet_records_a_turn_and_a_reply(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is run as it stands, with production's own call replaced by an answer."""
    from shadow.tap import Tap  # noqa: PLC0415 (beside what is replaced)
    from shadow.tap.sender import Sender  # noqa: PLC0415

    monkeypatch.setattr(Sender, "start", lambda _: None)
    [text] = [found for found in re.findall(r"```python\n(.*?)```", README, re.DOTALL) if "Tap(" in found]
    scope: dict[str, Any] = {}
    exec(compile(text, "README.md", "exec"), scope)  # noqa: S102 (our own README)
    scope["ask_model"] = lambda _: "It arrives on Tuesday."
    assert scope["answer"]("conv-7", 0, [{"role": "user", "content": "Where is my order?"}]) == "It arrives on Tuesday."
    [tap] = [value for value in scope.values() if isinstance(value, Tap)]
    stats = tap.stats()
    assert (stats.queued, stats.dropped) == (2, {})
    tap.close(0)


def test_every_test_that_is_named_exists() -> None:
    named = {(path, found) for path, page in ALL.items() for found in re.findall(r"`(tests/[\w./]+\.py)`", page)}
    assert named
    assert sorted(str(found) for found in named if not (ROOT / found[1]).is_file()) == []
    promises = re.findall(r"^\| (P\d+) .*$", README, re.MULTILINE)
    assert promises == [f"P{number}" for number in range(1, 11)]


def test_every_file_that_is_linked_exists() -> None:
    for path, page in ALL.items():
        for link in re.findall(r"\]\((?!https?:)([^)#]+)(?:#[^)]*)?\)", page):
            assert (path.parent / link).exists(), f"{path.name}: {link}"
