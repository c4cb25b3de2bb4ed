"""What a dead letter is, without a broker."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shadow.broker import Stored
from shadow.dead_letters import MAX_KEY_BYTES, DeadLetter, _parse, find, letter, obstacle, printable
from shadow.topology import DEAD_LETTERS, MAX_STORED_BYTES, TURNS


def parsed(key: bytes | None, value: bytes | None, headers: list[tuple[str, bytes]]) -> DeadLetter:
    return _parse(Stored(DEAD_LETTERS, 0, 7, 1_800_000_000.0, key, value, tuple(headers)), dict(headers))


def make(
    topic: str = TURNS, key: bytes | None = b"c1", value: bytes | None = b"{"
) -> tuple[bytes, bytes | None, list[tuple[str, bytes]]]:
    return letter(topic, 2, 41, key, value, reason="not_json", detail="EOF", by="comparator", at_s=1_790_000_000.5)


def test_a_letter_is_the_raw_bytes_under_the_records_place() -> None:
    key, value, headers = make(value=b"\xff\x00{")
    assert (key, value) == (b"support.turns/2/41", b"\xff\x00{")
    assert dict(headers) == {
        "reason": b"not_json",
        "detail": b"EOF",
        "at": b"1790000000.500",
        "by": b"comparator",
        "key": b"c1",
    }


@given(st.binary() | st.none(), st.binary() | st.none(), st.text())
def test_what_is_written_is_what_is_read(key: bytes | None, value: bytes | None, detail: str) -> None:
    name, body, headers = letter(TURNS, 2, 41, key, value, reason="invalid", detail=detail, by="x", at_s=1.79e9)
    item = parsed(name, body, headers)
    assert (item.id, item.topic, item.partition, item.offset) == ("support.turns/2/41", TURNS, 2, 41)
    assert (item.key, body, item.size) == (key, value, len(value or b""))
    assert (item.reason, item.by, item.at_s, item.cut) == ("invalid", "x", 1.79e9, False)
    assert item.detail.isprintable() or printable(item.detail).isprintable()


def test_a_record_too_large_for_the_topic_is_cut_and_says_so() -> None:
    name, body, headers = make(key=b"k" * 100_000, value=b"v" * 10_000_000)
    assert len(body or b"") == MAX_STORED_BYTES
    assert len(dict(headers)["key"]) == MAX_KEY_BYTES
    assert dict(headers)["cut"] == b"10100000"
    assert sum(len(text) + len(data) for text, data in headers) + len(name) < 64_000
    item = parsed(name, body, headers)
    assert item.cut
    assert "--value FILE" in (obstacle(item) or "")
    assert obstacle(item, mended=True) is None


def test_a_letter_is_sent_again_only_when_asked_twice() -> None:
    name, body, headers = make()
    item = parsed(name, body, headers)
    assert obstacle(item) is None
    sent = DeadLetter(**{field: getattr(item, field) for field in item.__slots__} | {"redriven_to": ("2/99",)})
    assert "sent again already, to 2/99; --again" in (obstacle(sent) or "")
    assert obstacle(sent, again=True) is None


@pytest.mark.parametrize("key", [None, b"", b"junk", b"a/b/c", b"\xff/1/2", b"x/1/" + b"9" * 40, b"../1/2\n"])
def test_a_foreign_record_is_shown_and_never_sent_anywhere(key: bytes | None) -> None:
    item = parsed(key, b"x", [("at", b"nan"), ("detail", b"\xff")])
    assert item.id == f"{DEAD_LETTERS}/0/7"
    assert (item.reason, item.at_s) == ("unknown", 1_800_000_000.0)
    assert "somebody else put it there" in (obstacle(item, again=True, mended=True) or "")


def test_a_letter_from_a_topic_outside_the_data_path_is_never_sent() -> None:
    name, body, headers = make(topic="payments")
    assert "comes from no topic that Shadow reads" in (obstacle(parsed(name, body, headers)) or "")


def test_unknown_ids_are_named() -> None:
    with pytest.raises(Exception, match=r"no dead letter is called a\\x1bb; `shadow dead-letters list`"):
        find([], ["a\x1bb"])


@given(st.binary() | st.text())
def test_printable_is_one_line_that_no_terminal_obeys(data: bytes | str) -> None:
    assert printable(data).isprintable()


def test_printable_keeps_what_is_harmless() -> None:
    assert printable("café – 漢字".encode()) == "café – 漢字"
    assert printable(b"\x1b[2J\x07\r\n\xff\x9b\x7f") == r"\x1b[2J\x07\r\n\xff\x9b\x7f"
    assert printable("a\u202eb\u200bc\x85") == r"a\u202eb\u200bc\x85"
