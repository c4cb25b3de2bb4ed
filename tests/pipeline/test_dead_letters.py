"""``shadow dead-letters`` on the embedded broker: nothing is changed, nothing reaches the terminal."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from shadow.broker import publish, read
from shadow.cli import main
from shadow.dead_letters import contents, letter, listing
from shadow.topology import DEAD_LETTERS, TURNS
from tests.fixtures.brokers import config_for, prepared

NASTY = b'\x1b[2J\x1b]0;owned\x07{"turn_id": \xff\x00\r\n\xe2\x80\xae'
ID = f"{TURNS}/1/5"


class Desk:
    """The command line against one broker."""

    def __init__(self, bootstrap: str, directory: Path) -> None:
        self.bootstrap = [bootstrap]
        self.file = directory / "shadow.yaml"
        self.file.write_text(
            f"version: 1\nproduction: {{owner: support, model: m}}\nbroker: {{url: '{bootstrap}', partitions: 3}}\n"
        )
        prepared(config_for(bootstrap))

    def run(self, *arguments: str) -> Result:
        return CliRunner().invoke(main, ["--config", str(self.file), "dead-letters", *arguments])

    def add(self, offset: int, value: bytes | None, *, key: bytes | None = b"c1", reason: str = "not_json") -> None:
        record = letter(
            TURNS, 1, offset, key, value, reason=reason, detail="bad \x1b[31m", by="comparator", at_s=time.time()
        )
        publish(self.bootstrap, DEAD_LETTERS, [record])


@pytest.fixture
def desk(embedded: str, tmp_path: Path) -> Desk:
    return Desk(embedded, tmp_path)


def test_a_letter_delivered_twice_is_listed_once_and_escaped(desk: Desk) -> None:
    desk.add(5, NASTY)
    desk.add(5, NASTY)
    desk.add(6, None, key=None, reason="invalid")
    assert [item.id for item in listing(desk.bootstrap)] == [ID, f"{TURNS}/1/6"]
    listed = desk.run("list")
    assert listed.exit_code == 0
    assert "\x1b" not in listed.output
    assert ID in listed.output
    found = json.loads(desk.run("list", "--json").stdout)["dead_letters"]
    assert [(row["id"], row["reason"], row["size"], row["key"]) for row in found] == [
        (ID, "not_json", len(NASTY), "c1"),
        (f"{TURNS}/1/6", "invalid", 0, None),
    ]


def test_show_escapes_what_a_terminal_would_obey_and_raw_gives_the_bytes(desk: Desk) -> None:
    desk.add(5, NASTY)
    for shown in (desk.run("show", ID), desk.run("show", ID, "--json")):
        assert shown.exit_code == 0
        assert all(char.isprintable() or char == "\n" for char in shown.output)
        assert "turn_id" in shown.output
    assert "not_json" in desk.run("show", ID).output
    assert desk.run("show", ID, "--raw").stdout_bytes == NASTY


def test_redrive_writes_the_bytes_unchanged_under_their_key_and_only_once(desk: Desk) -> None:
    desk.add(5, NASTY)
    first = desk.run("redrive", ID)
    [copy] = read(desk.bootstrap, TURNS)
    assert (first.exit_code, first.stdout) == (0, f"{ID} -> {TURNS}/{copy.partition}/{copy.offset}\n")
    assert (copy.key, copy.value) == (b"c1", NASTY)
    assert f"sent again: {copy.partition}/{copy.offset}" in desk.run("list").output
    second = desk.run("redrive", ID)
    assert (second.exit_code, "--again" in second.output) == (1, True)
    assert desk.run("redrive", "--all").exit_code == 0
    assert len(list(read(desk.bootstrap, TURNS))) == 1
    assert desk.run("redrive", ID, "--again").exit_code == 0
    assert len(list(read(desk.bootstrap, TURNS))) == 2
    [item] = listing(desk.bootstrap)
    assert len(item.redriven_to) == 2
    assert contents(desk.bootstrap, item) == NASTY


def test_a_record_without_key_returns_to_its_partition(desk: Desk) -> None:
    desk.add(5, b"x", key=None)
    desk.run("redrive", ID)
    assert [(copy.partition, copy.key) for copy in read(desk.bootstrap, TURNS)] == [(1, None)]


def test_a_mended_record_is_sent_in_its_place(desk: Desk, tmp_path: Path) -> None:
    desk.add(5, NASTY)
    (tmp_path / "mended.json").write_bytes(b'{"mended": true}')
    assert desk.run("redrive", ID, "--value", str(tmp_path / "mended.json"), "--key", "c2").exit_code == 0
    assert [(copy.key, copy.value) for copy in read(desk.bootstrap, TURNS)] == [(b"c2", b'{"mended": true}')]


def test_all_of_one_reason(desk: Desk) -> None:
    desk.add(5, b"five")
    desk.add(6, b"six", reason="invalid")
    publish(desk.bootstrap, DEAD_LETTERS, [(b"junk", b"foreign", [])])
    assert desk.run("redrive", "--all", "--reason", "invalid").exit_code == 0
    assert [copy.value for copy in read(desk.bootstrap, TURNS)] == [b"six"]
    assert desk.run("redrive", "--all").exit_code == 0
    assert sorted(copy.value or b"" for copy in read(desk.bootstrap, TURNS)) == [b"five", b"six"]


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        (["redrive"], 2),
        (["redrive", "a", "--all"], 2),
        (["redrive", "a", "--reason", "invalid"], 2),
        (["redrive", "a", "b", "--key", "c"], 2),
        (["redrive", "a", "--value", "/nowhere"], 2),
        (["show", "a\x1b[2J"], 1),
        (["redrive", "a\x1b[2J"], 1),
    ],
)
def test_wrong_use_is_two_and_a_missing_letter_is_one(desk: Desk, arguments: list[str], status: int) -> None:
    result = desk.run(*arguments)
    assert result.exit_code == status
    assert "\x1b" not in result.output
    assert "Traceback" not in result.output


def test_an_unknown_id_among_known_ones_sends_nothing(desk: Desk) -> None:
    desk.add(5, b"x")
    assert desk.run("redrive", ID, "nope/0/0").exit_code == 1
    assert list(read(desk.bootstrap, TURNS)) == []
