"""What cannot be redacted is not sent: whatever goes wrong, the record is dropped, and counted."""

from __future__ import annotations

from typing import Any

import pytest

from shadow.tap import Tap, redaction
from shadow.tap.redaction import MIN_KEY_BYTES, NotRedactedError, Redaction, redaction_for
from tests.fixtures.redaction import (
    KEY,
    LIMIT,
    MAIL,
    ON,
    STRICT,
    environment,
    redacted,
    sends,
    turn_of,
)

__all__ = ["environment"]


@pytest.mark.parametrize("strict", [ON, STRICT])
@pytest.mark.parametrize(
    "fields", [{"conversation_id": "ada@mail.example"}, {"turn_id": "whatsapp:+4915123456789:3"}], ids=str
)
def test_an_id_that_is_personal_data_is_not_sent(fields: dict[str, str], strict: Redaction) -> None:
    with pytest.raises(NotRedactedError, match="opaque id") as caught:
        strict.apply(turn_of("hi", **fields), limit=LIMIT)
    assert caught.value.reason == "not_redacted"


@pytest.mark.parametrize(
    "text", ["my number is 5547848968", [{"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}]]
)
def test_strict_drops_what_it_is_not_sure_of_and_on_sends_it(text: Any) -> None:
    assert redacted(text) == text
    with pytest.raises(NotRedactedError) as caught:
        STRICT.apply(turn_of(text), limit=LIMIT)
    assert caught.value.reason == "unsure"
    assert "5547848968" not in str(caught.value)
    assert redacted(f"order 5547848968 of {MAIL}", STRICT).startswith("order 5547848968 of <EMAIL_")


@pytest.mark.usefixtures("environment")
def test_strict_drops_are_counted() -> None:
    def calls(tap: Tap) -> None:
        tap.turn(conversation_id="c", messages=[{"role": "user", "content": "my number is 5547848968"}])
        tap.reply(conversation_id="c", turn_id="c:0", message="Thank you")

    records, dropped = sends(calls, "strict")
    assert len(records) == 1
    assert dropped == {"unsure": 1}


@pytest.mark.usefixtures("environment")
@pytest.mark.parametrize("mode", ["on", "strict"])
@pytest.mark.parametrize(
    "broken", ["shadow.text.pii._read", "shadow.tap.redaction.pseudonym", "shadow.tap.redaction._known"]
)
def test_a_crash_sends_nothing_and_is_counted(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, broken: str, mode: str
) -> None:
    def crash(*_: Any, **__: Any) -> Any:
        raise RuntimeError(f"secret {MAIL}")

    monkeypatch.setattr(broken, crash)
    records, dropped = sends(
        lambda tap: tap.turn(conversation_id="c", messages=[{"role": "user", "content": f"I am {MAIL}"}]), mode
    )
    assert (records, dropped) == ([], {"not_redacted": 1})
    assert "RuntimeError" in caplog.text
    assert MAIL not in caplog.text


@pytest.mark.parametrize(
    ("mode", "key", "named"),
    [
        ("on", "", "SHADOW_TAP_KEY holds no key"),
        ("strict", "short", "no key of 16 bytes"),
        ("yes", KEY.decode(), "must be off, on or strict, not 'yes'"),
        (True, KEY.decode(), "must be off, on or strict"),
    ],
)
def test_a_setting_that_cannot_be_used_raises_nothing_and_sends_nothing(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, mode: Any, key: str, named: str
) -> None:
    monkeypatch.setenv("SHADOW_TAP_KEY", key)
    records, dropped = sends(
        lambda tap: tap.turn(conversation_id="c", messages=[{"role": "user", "content": "hello"}]), mode
    )
    assert (records, dropped) == ([], {"not_redacted": 1})
    assert named in caplog.text
    assert len(KEY) >= MIN_KEY_BYTES


def test_the_environment_says_it_where_the_program_does_not() -> None:
    environ = {"SHADOW_TAP_REDACTION": "strict", "OUR_KEY": KEY.decode()}
    assert redaction_for(None, "OUR_KEY", {}) is None
    assert redaction_for("off", "OUR_KEY", environ) is None
    found = redaction_for(None, "OUR_KEY", environ)
    assert found is not None
    assert found.apply(turn_of(MAIL), limit=LIMIT) == STRICT.apply(turn_of(MAIL), limit=LIMIT)


def test_too_much_text_and_growth_beyond_the_limit_are_not_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(NotRedactedError) as grown:
        ON.apply(turn_of("a@b.co " * 100), limit=900)
    assert grown.value.reason == "too_large"
    monkeypatch.setattr(redaction, "MAX_CHARACTERS", 1_000)
    with pytest.raises(NotRedactedError, match="over 1000 characters"):
        ON.apply(turn_of("a" * 2_000), limit=LIMIT)
